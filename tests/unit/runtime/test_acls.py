"""What the platform team is asked for: topics and rights of a file, as a script."""

from types import SimpleNamespace

import pytest

from connect.api import Plugin
from connect.config.fields import Model, Secret
from connect.config.load import load_config
from connect.runtime.acls import needs, script
from connect.runtime.plan import Plan, PlannedSink, PlannedSource, PlannedTopic

FILE = """\
name: shop-cdc
kafka: {{bootstrap: "k:1", security: {{{security}}}}}
sources:
  shop: {{plugin: any, url: u, tables: [{tables}]}}
sinks:
  copy: {{plugin: any, url: u, topics: [{topics}], on_error: dead_letter}}
"""


class Options(Model):
    url: Secret


class Target(Model):
    pass


def _find(_, kind):
    return Plugin(name="any", kind=kind, config=Options, target=Target, build=lambda *_: None)


@pytest.fixture
def asked(tmp_path):
    """A file's words → what is needed for its plan, of one table that goes to two topics."""

    def made(tables='"public.*"', topics='"shop.*.*"', security="", route="shop.public.orders"):
        path = tmp_path / "shop.yaml"
        path.write_text(FILE.format(tables=tables, topics=topics, security=security))
        planned = [
            PlannedTopic(route, "state", 3, None, exists=False),
            PlannedTopic("shop.public.orders.events", "events", 1, 86_400_000, exists=False),
        ]
        source = PlannedSource("shop", "any", (SimpleNamespace(topics=planned),), (), {})
        sink = PlannedSink("copy", "any", {"shop.public.orders": {}}, ())
        return needs(load_config([path], _find), Plan("shop-cdc", "", [source], [sink]))

    return made


def rights(needed):
    return {(right.resource, right.name, right.pattern): right.operations for right in needed.rights}


def test_a_source_of_patterns_owns_what_begins_with_its_prefix(asked):
    found = rights(asked())

    own = ("Create", "DescribeConfigs", "Read", "Write")
    assert found["topic", "shop-cdc.shop.positions", "literal"] == own
    assert found["transactional-id", "shop-cdc-shop-", "prefixed"] == ("Write",)
    assert ("topic", "shop.public.orders", "literal") not in found
    assert found["group", "connect-reader", "literal"] == ("Describe",)


def test_a_source_of_exact_names_owns_their_topics_only(asked):
    found = rights(asked(tables="public.orders", topics="other.topic"))

    assert ("topic", "shop.", "prefixed") not in found
    assert "Write" in found["topic", "shop.public.orders", "literal"]


def test_a_topic_beside_the_prefix_is_named(asked):
    assert "Write" in rights(asked(route="elsewhere"))["topic", "elsewhere", "literal"]


@pytest.mark.parametrize(
    ("topics", "resource"),
    [
        ('"other.*.*"', ("other.", "prefixed")),
        ("other.topic", ("other.topic", "literal")),
        ('"*.public.*"', ("shop.public.orders", "literal")),
    ],
)
def test_a_sink_reads_what_its_patterns_begin_with(asked, topics, resource):
    found = rights(asked(topics=topics))

    assert found["topic", *resource] == ("DescribeConfigs", "Read")
    assert found["group", "shop-cdc.copy", "literal"] == ("Read",)
    assert "Write" in found["topic", "shop-cdc.copy.dead", "literal"]


@pytest.mark.parametrize(
    ("security", "principal"),
    [("sasl: {username: cdc, password: p}", "User:cdc"), ("tls: {}", "User:PRINCIPAL")],
)
def test_the_principal_is_the_files_or_a_placeholder(asked, security, principal):
    assert asked(security=security).principal == principal


def test_the_script_makes_topics_and_rights_with_kafkas_own_tools(asked):
    lines = script(asked(security="sasl: {username: cdc, password: p}")).splitlines()

    assert "principal=User:cdc" in lines
    assert any(
        line.startswith(
            "kafka-topics.sh $connection --create --if-not-exists --topic shop.public.orders --partitions 3 "
        )
        and "--config cleanup.policy=compact" in line
        for line in lines
    )
    assert (
        'kafka-acls.sh $connection --add --allow-principal "$principal" --transactional-id shop-cdc-shop-'
        " --resource-pattern-type prefixed --operation Write"
    ) in lines
