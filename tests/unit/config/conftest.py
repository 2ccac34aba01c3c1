"""A source and a sink plugin of the tests' own, and a way to load a text as a file."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import Field

from connect.api import Plugin
from connect.config.fields import Milliseconds, Model, Secret
from connect.config.load import load_config
from connect.config.models import Config
from connect.errors import ConfigError, Failed, Problem


class Snapshot(Model):
    max_query: Milliseconds = 2_000


class DatabaseConfig(Model):
    url: Secret
    password: Secret | None = None
    slot: str | None = None
    port: int = 5432
    snapshot: Snapshot = Snapshot()


class StoreConfig(Model):
    url: Secret
    db_schema: str | None = Field(None, alias="schema")


class StoreTarget(Model):
    table: str = "{table}"


def _never(*_: object) -> None:
    raise AssertionError


DATABASE = Plugin(name="database", kind="source", config=DatabaseConfig, build=_never)
STORE = Plugin(name="store", kind="sink", config=StoreConfig, target=StoreTarget, build=_never)


def _find(name: str, kind: str) -> Plugin:
    for plugin in (DATABASE, STORE):
        if plugin.name == name:
            return plugin
    raise Failed("plugin_unknown", f"there is no plugin {name!r}", hint="did you mean database?")


@pytest.fixture
def find() -> Callable[[str, str], Plugin]:
    """Name and kind → one of the two plugins."""
    return _find


HEAD = """\
name: shop-cdc
kafka: {bootstrap: "127.0.0.1:9092"}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    """Text (below a file's first two lines) → Config."""

    def loaded(text: str, head: str = HEAD) -> Config:
        path = tmp_path / "file.yaml"
        path.write_text(head + dedent(text))
        return load_config([path], _find)

    return loaded


@pytest.fixture
def problems(load) -> Callable[[str], list[Problem]]:
    """Text → the problems that loading it gives, with places as line numbers."""

    def found(text: str, head: str = HEAD) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            load(text, head)
        return [Problem(p.where.rpartition(":")[2], p.message, p.fix) for p in caught.value.problems]

    return found
