"""All compiled modules or none: where one is missing the Python twins do the work, and it is said why."""

from pathlib import Path

import pytest

from connect import compiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two stubs, as an installation has it."""
    monkeypatch.delenv("CONNECT_PURE", raising=False)
    (tmp_path / "connect").mkdir()
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "connect" / "compiled.py"))
    for name in ("one_c", "two_c"):
        (tmp_path / "connect" / f"{name}.pyi").touch()
    return tmp_path / "connect"


def build(package, name):
    (package / f"{name}{compiled.EXTENSION_SUFFIXES[0]}").touch()


def test_without_a_compiler_there_is_none(package):
    assert "no C compiler" in compiled._why_not()


def test_one_that_was_not_built_is_named(package):
    build(package, "one_c")
    assert compiled._why_not().startswith("two_c was not built")


def test_all_are_there(package):
    build(package, "one_c")
    build(package, "two_c")
    assert compiled._why_not() == ""


def test_every_module_has_the_stub_by_which_it_is_looked_for():
    root = Path(__file__).parents[2]
    sources = [path for top in ("connect", "connectors") for path in (root / top).rglob("*_c.pyx")]
    assert sources
    assert [path.name for path in sources if not path.with_suffix(".pyi").exists()] == []
