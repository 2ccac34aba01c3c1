"""The files under configs/, and those that were promised: each loads with the installed plugins, without a server."""

import re
import sys
from pathlib import Path

import pytest

from connect.config.load import load_config
from connect.errors import ConfigError
from connect.record import UNAVAILABLE, ChangeEvent, Op, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.transforms.build import check_functions
from connect.transforms.python import load

ADDRESSES = {
    "DEMO_KAFKA": "127.0.0.1:9092",
    "DEMO_REGISTRY": "http://127.0.0.1:8081",
    "DEMO_SEARCH": "http://127.0.0.1:9200",
    "DEMO_SHOP": "postgresql://cdc@127.0.0.1:5432/shop",
    "DEMO_WAREHOUSE": "postgresql://app@127.0.0.1:5433/warehouse",
    "DEMO_MYSQL_SHOP": "mysql://cdc@127.0.0.1:3306/shop",
    "DEMO_MYSQL_WAREHOUSE": "mysql://app@127.0.0.1:3307/warehouse",
}
SECRET = "0123456789abcdef0123"
CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_example_loads(path, monkeypatch):
    for name in re.findall(r"\$\{env:(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, ADDRESSES.get(name, SECRET))

    assert load_config([path]).sources


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_functions_of_every_example_are_there(path, monkeypatch):
    monkeypatch.setattr("sys.path", sys.path.copy())
    for name in re.findall(r"\$\{env:(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, ADDRESSES.get(name, SECRET))

    assert not check_functions(load_config([path]))


@pytest.mark.parametrize(
    ("memo", "clean"), [("paid\x07 late", "paid late"), ("paid", "paid"), (None, None), (UNAVAILABLE, UNAVAILABLE)]
)
def test_the_example_of_a_function_cleans_texts_alone(memo, clean, monkeypatch):
    monkeypatch.setattr("sys.path", sys.path.copy())
    columns = (Field("id", Type(Kind.INT64), optional=False), Field("memo", Type(Kind.STRING)))
    row = plain_row(TableSchema(TableId("billing", "entries"), columns, ("id",)), [1, memo])
    change = ChangeEvent(Op.CREATE, row.shape, None, row, (), 1)

    cleaned = load("shop_cdc.fixes:clean_memo", CONFIGS[0].parent)(change)

    assert (cleaned.before, cleaned.after.values()) == (None, [1, clean])


def test_an_example_has_a_postgres_and_a_mysql_source_in_one_file(monkeypatch):
    for name in ("SHOP_PASSWORD", "LEGACY_PASSWORD", "MASK_KEY"):
        monkeypatch.setenv(name, SECRET)

    config = load_config([CONFIGS[0].parent / "two-databases.yaml"])

    assert {source.plugin.name for source in config.sources.values()} == {"postgres", "mysql"}


def test_the_readme_names_every_variable_of_the_examples():
    readme = (CONFIGS[0].parents[1] / "README.md").read_text()
    names = {name for path in CONFIGS for name in re.findall(r"\$\{env:(\w+)\}", path.read_text())}

    assert [name for name in sorted(names) if name not in readme] == []


LONG = """\
name: shop-cdc
kafka: {{bootstrap: "127.0.0.1:9092"}}
schema_registry: {{url: "http://127.0.0.1:8081"}}
worker: {{listen: 127.0.0.1:8083, on_failed: keep_others}}
mask_key: ${{file:{secrets}/mask_key}}
sources:
  shop:
    plugin: postgres
    url: postgresql://cdc@db.example:5432/shop?sslmode=verify-full
    password: ${{file:{secrets}/shop}}
    publication: {{name: connect_shop, manage: false}}
    snapshot: {{max_query: 2s, max_rows_per_second: 20000, window: "22:00-05:00"}}
    exclude: ["public.tmp_*", public.sessions]
    defaults: {{views: [state], partitions: 3, new_columns: publish}}
    tables:
      "public.*": {{}}
      "billing.*": {{new_columns: hold}}
      public.orders: {{partitions: 12, views: [state, events], events: {{keep: 90d}}}}
      public.customers: {{columns: [id, name, email, city], mask: {{email: hash}}}}
      billing.entries:
        {{key: [account_id, entry_no], views: [events], snapshot: {{where: "booked_at >= '2024-01-01'"}}}}
      public.audit_log: {{snapshot: {{mode: never}}, views: [events]}}
    transforms:
      - filter: {{tables: [public.orders], column: status, not_in: [draft, test]}}
      - python: {{tables: ["billing.*"], call: "shop_cdc.fixes:clean_memo"}}
sinks:
  search:
    plugin: elasticsearch
    url: https://es.example:9200
    topics: {{shop.public.orders: {{index: orders}}, shop.public.customers: {{fields: [id, name]}}}}
    on_error: dead_letter
    dead_letters: {{topic: shop-cdc.search.dead, keep: 14d}}
  warehouse:
    plugin: sql
    url: postgresql://app@wh.example/warehouse
    defaults: {{table: "{{schema}}_{{table}}"}}
    topics: ["shop.*.*"]
    exclude: ["shop.public.wishlists"]
"""


@pytest.fixture
def long_file(tmp_path):
    """The shape for many tables."""
    (tmp_path / "mask_key").write_text("0123456789abcdef\n")
    (tmp_path / "shop").write_text("secret\n")
    path = tmp_path / "shop.yaml"

    path.write_text(LONG.format(secrets=tmp_path))
    return path


def test_every_key_of_the_shape_for_many_tables_is_honoured(long_file):
    config = load_config([long_file])

    source, search, warehouse = config.sources["shop"], config.sinks["search"], config.sinks["warehouse"]
    assert (source.options.snapshot.max_query, source.max_rows_per_second) == (2_000, 20_000)
    assert source.window.text == "22:00-05:00"
    assert (source.options.publication.name, source.options.publication.manage) == ("connect_shop", False)
    assert source.options.password.reveal() == "secret"
    assert [pattern.text for pattern in source.exclude] == ["public.tmp_*", "public.sessions"]
    assert {entry.pattern.text: dict(entry.options) for entry in source.tables} == {
        "public.*": {},
        "billing.*": {"new_columns": "hold"},
        "public.orders": {"partitions": 12, "views": ("state", "events"), "events_keep_ms": 7_776_000_000},
        "public.customers": {"columns": ("id", "name", "email", "city"), "mask": {"email": "hash"}},
        "billing.entries": {
            "key": ("account_id", "entry_no"),
            "views": ("events",),
            "where": "booked_at >= '2024-01-01'",
        },
        "public.audit_log": {"snapshot": "never", "views": ("events",)},
    }
    assert [item.name for item in source.transforms] == ["filter", "python"]
    assert (search.on_error, search.dead_letter_topic) == ("dead_letter", "shop-cdc.search.dead")
    assert search.dead_letter_keep_ms == 1_209_600_000
    assert warehouse.defaults.options == {"table": "{schema}_{table}"}
    assert config.mask_key is not None


def test_F180_two_sources_do_not_share_a_publication_that_each_would_change(tmp_path):
    source = "{plugin: postgres, url: 'postgresql://h:1/d', publication: %s, topic_prefix: %s, slot: %s, tables: [a.b]}"
    path = tmp_path / "shop.yaml"

    def written(publication):
        one, two = (source % (publication, name, name) for name in ("p", "q"))
        path.write_text(f"name: shop\nkafka: {{bootstrap: 'h:1'}}\nsources:\n  one: {one}\n  two: {two}\n")
        return [path]

    with pytest.raises(ConfigError) as refused:
        load_config(written("shared"))
    assert "have one publication: shared" in refused.value.problems[0].message
    load_config(written("{name: shared, manage: false}"))
