"""Files → Config, and every problem in them at once."""

import base64
import time

import pytest

from connect.config.load import load_config
from connect.errors import ConfigError

HEAD = """\
name: shop-cdc
kafka: {bootstrap: "127.0.0.1:9092"}
"""
MINIMAL = """\
sources:
  shop:
    plugin: database
    url: postgresql://cdc:${env:PW}@127.0.0.1:5432/shop
    tables: [public.orders, "billing.*"]
sinks:
  warehouse: {plugin: store, url: "postgresql://app@127.0.0.1/w", topics: ["shop.*.*"]}
"""


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("PW", "S3CR3T-canary-0123@/")


def test_the_minimal_file_loads(load):
    config = load(MINIMAL)

    assert config.name == "shop-cdc"
    assert config.kafka.settings() == {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": "PLAINTEXT"}
    assert config.schema_registry is None
    assert config.worker.listen == "127.0.0.1:8083"
    assert config.sources["shop"].topic_prefix == "shop"
    assert [entry.pattern.text for entry in config.sources["shop"].tables] == ["public.orders", "billing.*"]
    assert config.sinks["warehouse"].dead_letter_topic == "shop-cdc.warehouse.dead"


def test_a_reference_in_a_url_becomes_a_secret_with_the_password_quoted(load):
    url = load(MINIMAL).sources["shop"].options.url

    assert url.reveal() == "postgresql://cdc:S3CR3T-canary-0123%40%2F@127.0.0.1:5432/shop"
    assert str(url) == "***"


def test_F160_a_loaded_file_prints_no_secret(load):
    config = load("mask_key: ${env:PW}\n" + MINIMAL)

    assert "S3CR3T" not in repr(config)


def test_F160_a_plugins_own_complaint_prints_no_secret(problems):
    text = "sources: {a: {plugin: database, url: x, tables: [a.b], port: '${env:PW}'}}\n"

    assert "S3CR3T" not in str(problems(text))


def test_F161_the_document_keeps_references_unresolved(load):
    data = load(MINIMAL).document.data

    assert data["sources"]["shop"]["url"] == "postgresql://cdc:${env:PW}@127.0.0.1:5432/shop"


def test_every_problem_is_told_at_once_with_its_line_and_fix(problems):
    found = problems("""\
        schema_registy: {url: "http://r"}
        sources:
          shop:
            plugin: database
            url: postgresql://cdc:${env:NOPE}@h/d
            slto: x
            tables:
              public.orders: {partitons: 3}
              public.b: {partitions: many}
            transforms:
              - filter: {tables: [public.orders], column: x}
              - flter: {}
        sinks:
          a: {plugin: stor, topics: ["a.*.*"]}
          b: {plugin: store, url: x, topics: {a.b.c: {tabel: x}}, on_eror: fail}
        """)

    assert [(p.where, p.message.split(":")[0]) for p in found] == [
        ("3", "unknown key schema_registy"),
        ("7", "the environment variable NOPE is not set"),
        ("8", "unknown key sources.shop.slto"),
        ("10", "unknown key sources.shop.tables.public.orders.partitons"),
        ("11", "sources.shop.tables.public.b.partitions"),
        ("13", "sources.shop.transforms.0.filter"),
        ("14", "there is no transform 'flter'"),
        ("16", "there is no plugin 'stor'"),
        ("17", "unknown key sinks.b.on_eror"),
        ("17", "unknown key sinks.b.topics.a.b.c.tabel"),
    ]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("nmae: x", "name"),
        ("kafak: x", "kafka"),
        ("schema_registri: x", "schema_registry"),
        ("wroker: x", "worker"),
        ("mask_kye: x", "mask_key"),
        ("suorces: x", "sources"),
        ("snks: x", "sinks"),
    ],
)
def test_F159_a_misspelt_key_of_the_file_names_the_nearest(problems, line, meant):
    assert f"did you mean {meant}?" in [p.fix for p in problems(line + "\n" + MINIMAL)]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("plugn", "plugin"),
        ("topic_prfix", "topic_prefix"),
        ("tabels", "tables"),
        ("exlude", "exclude"),
        ("defalts", "defaults"),
        ("snapshto", "snapshot"),
        ("transfroms", "transforms"),
        ("slot_nmae", "slot"),
        ("passwrod", "password"),
    ],
)
def test_F159_a_misspelt_key_of_a_source_names_the_nearest(problems, key, meant):
    text = f"sources: {{a: {{plugin: database, url: u, tables: [a.b], {key}: x}}}}\n"

    assert [p.fix for p in problems(text)] == [f"did you mean {meant}?"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("view", "views"),
        ("valeu", "value"),
        ("partitons", "partitions"),
        ("kye", "key"),
        ("colums", "columns"),
        ("maks", "mask"),
        ("new_colums", "new_columns"),
        ("event", "events"),
        ("snapshots", "snapshot"),
    ],
)
@pytest.mark.parametrize("place", ["tables: {{a.b: {{{key}: x}}}}", "tables: [a.b], defaults: {{{key}: x}}"])
def test_F159_a_misspelt_table_option_names_the_nearest(problems, place, key, meant):
    text = f"sources: {{a: {{plugin: database, url: u, {place.format(key=key)}}}}}\n"

    assert [p.fix for p in problems(text)] == [f"did you mean {meant}?"]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("kafka: {bootstrp: 'a:1'}", "bootstrap"),
        ("kafka: {bootstrap: 'a:1', securty: {}}", "security"),
        ("kafka: {bootstrap: 'a:1', security: {tsl: {}}}", "tls"),
        ("kafka: {bootstrap: 'a:1', security: {tls: {cal: x}}}", "ca"),
        ("kafka: {bootstrap: 'a:1', security: {sasl: {user: x}}}", "username"),
    ],
)
def test_F159_a_misspelt_key_inside_kafka_names_the_nearest(problems, line, meant):
    assert f"did you mean {meant}?" in [p.fix for p in problems(MINIMAL, head=f"name: n\n{line}\n")]


def test_a_missing_key_says_what_to_add(problems):
    found = problems("sources: {a: {plugin: database, tables: [a.b]}}\n", head="name: n\n")

    assert [(p.message, p.fix) for p in found] == [
        ("kafka is missing", "add kafka: …"),
        ("sources.a.url is missing", "add url: …"),
    ]


def test_a_file_without_connectors_says_so(problems):
    assert problems("")[0].message == "the file has neither sources nor sinks"


def test_a_wrong_type_names_the_key(problems):
    found = problems("sources: {a: {plugin: database, url: u, tables: [a.b], port: x}}\n")

    assert (found[0].where, found[0].message) == ("3", "sources.a.port: a whole number is needed")


@pytest.mark.parametrize("written", ["NO", "0777", "1e3", "12:30:45", "2024-01-01", "012345", "1.10", "5"])
def test_F157_names_and_passwords_keep_the_operators_characters(load, written):
    config = load(f"sources: {{a: {{plugin: database, url: u, password: {written}, tables: [{written}]}}}}\n")

    assert config.sources["a"].options.password.reveal() == written
    assert config.sources["a"].tables[0].pattern.text == written


@pytest.mark.parametrize("written", ["NO", "0x1F", "12:30:45", "2024-01-01"])
def test_F157_a_port_is_a_number_or_refused(problems, written):
    found = problems(f"sources: {{a: {{plugin: database, url: u, tables: [a.b], port: {written}}}}}\n")

    assert "sources.a.port" in found[0].message


def test_several_files_merge(tmp_path, find):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(HEAD + "sources: {a: {plugin: database, url: u, tables: [a.b]}}\n")
    second.write_text("sources: {b: {plugin: database, url: v, tables: [a.b]}}\n")

    assert list(load_config([first, second], find).sources) == ["a", "b"]


def test_a_name_defined_in_two_files_names_both_places(tmp_path, find):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(HEAD + "sources: {a: {plugin: database, url: u, tables: [a.b]}}\n")
    second.write_text("\nname: other\nsources: {a: {plugin: database, url: u, tables: [a.b]}}\n")

    with pytest.raises(ConfigError) as caught:
        load_config([first, second], find)

    assert [(p.where, p.message) for p in caught.value.problems] == [
        (f"{second}:2", f"'name' is defined here and at {first}:1"),
        (f"{second}:3", f"'a' is defined here and at {first}:3"),
    ]


def test_every_unreadable_file_is_named(tmp_path, find):
    with pytest.raises(ConfigError) as caught:
        load_config([tmp_path / "a.yaml", tmp_path / "b.yaml"], find)

    assert [p.where for p in caught.value.problems] == [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]


@pytest.mark.parametrize("name", ["a b", "é", "x" * 129, "a/b", ""])
def test_a_name_that_kafka_would_not_take_is_refused(problems, name):
    found = problems(f"sources: {{'{name}': {{plugin: database, url: u, tables: [a.b]}}}}\n")

    assert "is no name" in found[0].message


def test_the_plugins_part_of_snapshot_reaches_the_plugin(load):
    source = load(
        "sources: {a: {plugin: database, url: u, tables: [a.b], snapshot: {max_query: 5s, max_rows_per_second: 20}}}\n"
    ).sources["a"]

    assert source.options.snapshot.max_query == 5_000
    assert source.max_rows_per_second == 20


def test_a_snapshot_window_that_is_none_is_refused_with_an_example(problems):
    text = 'sources: {a: {plugin: database, url: u, tables: [a.b], snapshot: {window: "at night"}}}\n'

    assert "write for example 22:00-05:00" in problems(text)[0].message


def test_tables_as_a_mapping_carry_options_with_their_places(load):
    entry = (
        load("""\
        sources:
          a:
            plugin: database
            url: u
            tables:
              public.orders:
                partitions: 12
                events: {keep: 90d}
                snapshot: {mode: never, where: "x > 1"}
        """)
        .sources["a"]
        .tables[0]
    )

    assert entry.options == {"partitions": 12, "events_keep_ms": 7_776_000_000, "snapshot": "never", "where": "x > 1"}
    assert entry.places["partitions"].endswith(":9")
    assert entry.places["where"].endswith(":11")


def test_an_option_below_a_topic_goes_to_the_plugins_target_or_to_the_framework(load):
    sink = load("sinks: {w: {plugin: store, url: u, topics: {a.b.c: {table: x, fields: [id]}}}}\n").sinks["w"]

    assert sink.topics[0].options == {"table": "x", "fields": ["id"]}


def test_a_key_with_an_alias_is_known_by_it(load):
    assert load("sinks: {w: {plugin: store, url: u, schema: s, topics: [a.b.c]}}\n").sinks["w"].options.db_schema == "s"


@pytest.mark.parametrize("plugin", ["os.system", "../x.py", "builtins:eval", "https://x/y"])
def test_F165_a_file_names_a_plugin_never_a_module(problems, plugin):
    found = problems(f"sources: {{a: {{plugin: '{plugin}', tables: [a.b]}}}}\n")

    assert found[0].message == f"there is no plugin {plugin!r}"


def test_a_table_named_twice_is_refused(problems):
    assert "stands here twice" in problems("sources: {a: {plugin: database, url: u, tables: [a.b, a.b]}}\n")[0].message


@pytest.mark.parametrize("tables", ["[]", "{}", "orders"])
def test_tables_that_name_nothing_are_refused(problems, tables):
    assert problems(f"sources: {{a: {{plugin: database, url: u, tables: {tables}}}}}\n")


def test_kafka_security_becomes_the_clients_settings(load):
    settings = load(
        MINIMAL,
        head="""\
name: n
kafka:
  bootstrap: [a:1, b:2]
  security: {tls: {ca: /ca.pem}, sasl: {mechanism: SCRAM-SHA-512, username: u, password: "${env:PW}"}}
  client: {client.rack: r1, socket.timeout.ms: 5000}
""",
    ).kafka.settings()

    assert settings == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/ca.pem",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "S3CR3T-canary-0123@/",
        "client.rack": "r1",
        "socket.timeout.ms": "5000",
    }


@pytest.mark.parametrize("url", ["ftp://r", "r:8081", "file:///etc/passwd", "http://"])
def test_F167_a_registry_is_reached_by_http_only(problems, url):
    found = problems(MINIMAL, head=f"{HEAD}schema_registry: {{url: '{url}'}}\n")

    assert "http:// or https://" in found[0].message


def test_a_short_mask_key_is_refused(problems):
    assert "16 characters" in problems("mask_key: short\n" + MINIMAL)[0].message


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        (
            "schema_registry: x",
            "schema_registry: options with their values are needed",
            "its options are url, username",
        ),
        ("worker: {token: {a: b}}", "worker.token: a text is needed here", ""),
        ("kafka: {bootstrap: 5}", "kafka.bootstrap: a list is needed", "write [one, another]"),
        ("kafka: {bootstrap: []}", "kafka.bootstrap: nothing stands here", "name at least one"),
        ("kafka: {bootstrap: 'a:1', client: x}", "kafka.client: names with their values are needed", "write {name: v"),
        ("kafka: {bootstrap: 'a:1', client: {x: []}}", "kafka.client.x: a text is needed", ""),
    ],
)
def test_what_is_needed_is_said_in_the_words_of_the_file_not_of_python(problems, text, message, fix):
    head = "name: x\n" + ("" if text.startswith("kafka") else "kafka: {bootstrap: 'a:1'}\n")
    found = problems(f"{text}\nsources: {{a: {{plugin: database, url: u, tables: [a.b]}}}}\n", head)

    assert [(problem.message, problem.fix[: len(fix)]) for problem in found] == [(message, fix)]


@pytest.mark.parametrize("mask", ["{fixed: [1]}", "[1]", "{fixd: 1}", "{}", "3"])
def test_a_mask_that_is_none_is_one_problem(problems, mask):
    (found,) = problems(f"sources: {{a: {{plugin: database, url: u, tables: {{a.b: {{mask: {{x: {mask}}}}}}}}}}}\n")

    assert found.message.endswith("write hash, nullify or {fixed: value}, a text, a number, true or false")


def test_dead_letters_that_nothing_would_write_are_refused(problems):
    (found,) = problems("sinks: {w: {plugin: store, url: u, topics: [a.b.c], dead_letters: {keep: 14d}}}\n")

    assert found.message == "sinks.w.dead_letters: nothing is written there, since on_error is fail"
    assert found.fix == "add on_error: dead_letter, or take dead_letters: out"


OIDC = "oidc: {token_url: 'https://id.example/token', client_id: c, client_secret: '${env:PW}'}"


def test_a_token_of_an_oidc_provider_becomes_the_clients_settings(load):
    head = f"name: n\nkafka:\n  bootstrap: a:1\n  security: {{tls: {{}}, sasl: {{mechanism: OAUTHBEARER, {OIDC}}}}}\n"

    settings = load(MINIMAL, head=head).kafka.settings()

    assert settings["sasl.oauthbearer.method"] == "oidc"
    assert settings["sasl.oauthbearer.token.endpoint.url"] == "https://id.example/token"
    assert settings["sasl.oauthbearer.client.secret"] == "S3CR3T-canary-0123@/"


def test_msk_is_asked_with_a_token_that_is_signed_here(load, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    sasl = "{mechanism: AWS_MSK_IAM, region: eu-west-1}"
    head = f"name: n\nkafka:\n  bootstrap: a:1\n  security: {{tls: {{}}, sasl: {sasl}}}\n"

    settings = load(MINIMAL, head=head).kafka.settings()
    token, until = settings["oauth_cb"]("")

    signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert settings["sasl.mechanism"] == "OAUTHBEARER"
    assert signed.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert 0 < until - time.time() < 3600


@pytest.mark.parametrize(
    ("security", "says"),
    [
        ("sasl: {username: u}", "SCRAM-SHA-512 needs password beside it"),
        ("sasl: {mechanism: OAUTHBEARER}", "OAUTHBEARER needs oidc beside it"),
        ("tls: {}, sasl: {mechanism: AWS_MSK_IAM}", "AWS_MSK_IAM needs region beside it"),
        ("sasl: {mechanism: AWS_MSK_IAM, region: r}", "AWS_MSK_IAM needs tls beside it"),
        ("sasl: {mechanism: PLAIN, username: u, password: p, region: r}", "PLAIN has no use for region"),
    ],
)
def test_a_log_in_that_lacks_something_is_refused(problems, security, says):
    found = problems(MINIMAL, head=f"name: n\nkafka: {{bootstrap: 'a:1', security: {{{security}}}}}\n")

    assert says in found[0].message


@pytest.mark.parametrize(
    "url",
    ["arn:aws:glue:eu-west-1:1:registry/x", "https://glue.eu-west-1.amazonaws.com", "https://x.glue.amazonaws.com"],
)
def test_the_registry_of_aws_glue_is_refused_by_name(problems, url):
    found = problems(MINIMAL, head=f"{HEAD}schema_registry: {{url: '{url}'}}\n")

    assert "AWS Glue Schema Registry does not speak Confluent's API" in found[0].message


def test_a_registrys_token_stands_instead_of_a_password(problems):
    found = problems(MINIMAL, head=f"{HEAD}schema_registry: {{url: 'https://u:p@r', token: t}}\n")

    assert "token stands instead of" in found[0].message


def test_only_a_secret_of_a_file_may_be_another_one_later(load, tmp_path):
    (tmp_path / "pw").write_text("one\n")
    secrets = {word: load(MINIMAL, head=f"{HEAD}mask_key: '{word}0123456789abcdef'\n").mask_key
               for word in ("x", "${env:PW}", f"${{file:{tmp_path}/pw}}")}  # fmt: skip

    assert [secret.rotates for secret in secrets.values()] == [False, False, True]
