"""Plugins come from entry points, and from nothing else."""

from importlib.metadata import EntryPoint

import pytest

from connect.api import Plugin
from connect.config import plugins
from connect.config.fields import Model
from connect.errors import Failed

GOOD = Plugin(name="good", kind="source", config=Model, build=lambda: None)
NOT_A_PLUGIN = object()


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """One good plugin, one whose module is not there, one that is something else."""
    targets = {"good": f"{__name__}:GOOD", "broken": "no_such_module_here:PLUGIN", "odd": f"{__name__}:NOT_A_PLUGIN"}
    points = [EntryPoint(name, target, "connect.plugins") for name, target in targets.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "connect.plugins" else [])
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules.get(__name__) or _this_module())


def _this_module():
    import types

    module = types.ModuleType(__name__)
    module.GOOD, module.NOT_A_PLUGIN = GOOD, NOT_A_PLUGIN
    return module


def test_a_plugin_is_loaded_by_its_entry_points_name():
    assert plugins.load("good", "source") is GOOD


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(Failed, match="there is no plugin 'goood'") as caught:
        plugins.load("goood", "source")
    assert (caught.value.code, caught.value.hint) == ("plugin_unknown", "did you mean good?")


def test_a_plugin_of_another_kind_is_refused():
    with pytest.raises(Failed, match="good is a source, not a sink"):
        plugins.load("good", "sink")


def test_a_broken_plugin_is_named_when_it_is_asked_for():
    with pytest.raises(
        Failed, match=r"broken \(no_such_module_here:PLUGIN\) does not load: ModuleNotFoundError"
    ) as caught:
        plugins.load("broken", "source")
    assert caught.value.code == "plugin_broken"


def test_a_broken_plugin_does_not_hide_the_others():
    found = {entry.name: entry for entry in plugins.discover()}

    assert found["good"].plugin is GOOD
    assert "does not load" in found["broken"].error
    assert "is of type object, not a Plugin" in found["odd"].error


@pytest.mark.parametrize("name", ["os.system", "../x.py", "os:system", "https://x/y.py", "no_such_module_here:PLUGIN"])
def test_F165_a_module_a_file_or_an_address_is_never_loaded(name):
    with pytest.raises(Failed) as caught:
        plugins.load(name, "source")
    assert caught.value.code == "plugin_unknown"
