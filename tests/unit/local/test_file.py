"""The YAML that a secure stack prints is one that a worker takes."""

from connect.config.load import load_config
from connect.local.file import file_of
from connect.local.tls import make_security

ADDRESSES = {
    "kafka": "127.0.0.1:1",
    "schema_registry": "https://127.0.0.1:2/apis/ccompat/v7",
    "elasticsearch": "https://connect:pw@127.0.0.1:3",
    "postgres": "postgresql://postgres:pw@127.0.0.1:4/postgres?sslmode=verify-full",
    "mysql": "mysql://root:pw@127.0.0.1:5/",
}


def test_it_uses_every_server_with_its_authority_and_log_in(tmp_path):
    security = make_security(tmp_path)
    file = tmp_path / "local.yaml"
    file.write_text(file_of(ADDRESSES, security))

    config = load_config([file])

    settings = config.kafka.settings()
    assert (settings["security.protocol"], settings["ssl.ca.location"]) == ("SASL_SSL", str(security.authority))
    assert settings["sasl.password"] == security.password
    assert config.schema_registry.tls.ca == str(security.authority)
    assert config.sources["mysql"].options.tls.wanted == "verify_identity"
    assert str(config.sinks["search"].options.ca) == str(security.authority)
