"""``kafka:`` and ``schema_registry:`` of a file, as another file may have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from connect.config.servers import load_servers
from connect.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SASL = "sasl: {mechanism: PLAIN, username: cdc, password: %s}"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "servers.yaml"
    file.write_text(text)
    return file


def test_a_reference_stays_one_and_what_else_the_file_has_is_not_looked_at(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_OF_KAFKA", "hunter2")
    login = SASL % '"${env:SECRET_OF_KAFKA}"'
    kafka = f'kafka: {{bootstrap: "k:9093", security: {{tls: {{}}, {login}}}}}'
    text = f'{kafka}\nsources: {{x: {{password: "${{env:NONE}}"}}}}\n'
    found = load_servers(written(tmp_path, text))

    assert found.kafka.settings()["sasl.password"] == "hunter2"
    assert yaml.safe_load(found.text) == {
        "kafka": {
            "bootstrap": "k:9093",
            "security": {
                "tls": {},
                "sasl": {"mechanism": "PLAIN", "username": "cdc", "password": "${env:SECRET_OF_KAFKA}"},
            },
        }
    }
    assert found.variables == ()


def test_secrets_in_clear_become_references(tmp_path) -> None:
    text = (
        f'kafka: {{bootstrap: "k:9093", security: {{tls: {{key_password: hunter2}}, {SASL % "hunter2"}}}}}\n'
        'schema_registry: {url: "https://cdc:hunter2@registry"}\n'
    )
    found = load_servers(written(tmp_path, text))

    assert "hunter2" not in found.text
    assert found.variables == ("KAFKA_KEY_PASSWORD", "KAFKA_PASSWORD", "SCHEMA_REGISTRY_PASSWORD")
    assert (
        yaml.safe_load(found.text)["schema_registry"]["url"] == "https://cdc:${env:SCHEMA_REGISTRY_PASSWORD}@registry"
    )


def test_an_address_of_tokens_is_no_secret(tmp_path) -> None:
    oidc = "{token_url: 'https://id/token', client_id: cdc, client_secret: hunter2}"
    text = f'kafka: {{bootstrap: "k:9093", security: {{sasl: {{mechanism: OAUTHBEARER, oidc: {oidc}}}}}}}\n'
    found = load_servers(written(tmp_path, text))

    assert "https://id/token" in found.text
    assert found.variables == ("KAFKA_CLIENT_SECRET",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources: {}", "kafka is missing"),
        ("kafka: {bootstrap: nonsense}", "no address"),
        ('kafka: {bootstrap: "k:1"}\nschema_registry: {urll: x}', "unknown key schema_registry.urll"),
        ('kafka: {bootstrap: "k:1", security: {sasl: {mechanism: PLAIN}}}', "needs username"),
    ],
)
def test_faults_have_their_line(tmp_path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_servers(written(tmp_path, text))

    assert caught.value.problems[0].where
