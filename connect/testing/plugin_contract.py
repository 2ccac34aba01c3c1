"""What every plugin keeps, source or sink: its options, its description. The two other suites add to it."""

# ruff: noqa: S101 - a suite of tests asserts

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import pytest
from pydantic import ValidationError

from connect.api import Capabilities, Finding, Severity
from connect.errors import Retriable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connect.api import Plugin

PATIENCE: Final = 30.0  # seconds that anything may take that comes by itself
_PAUSE: Final = 0.05
_TEST = TypeVar("_TEST", bound="Callable[..., None]")
_DONE = TypeVar("_DONE")


class Driver(Protocol):
    """What a suite needs of any plugin.

    Attributes:
        plugin: The plugin under test.
        options: Its own keys as an operator writes them, of a server that is there.
        unreachable: The same for a server that is not there.
    """

    plugin: Plugin
    options: Mapping[str, Any]
    unreachable: Mapping[str, Any]


def needs(capability: str) -> Callable[[_TEST], _TEST]:
    """Marks a test of what only plugins with this capability do."""
    assert hasattr(Capabilities(), capability)

    def mark(test: _TEST) -> _TEST:
        test.capability = capability  # type: ignore[attr-defined]  # read by the fixture below
        return test

    return mark


class PluginContract:
    """Tests of ``connect.api.Plugin``."""

    @pytest.fixture
    def driver(self) -> Driver:
        """To be given by the class that inherits the suite."""
        pytest.fail(f"{type(self).__name__} needs a fixture `driver`")

    @pytest.fixture(autouse=True)
    def _capability(self, request: pytest.FixtureRequest, driver: Driver) -> None:
        wanted = getattr(request.function, "capability", None)
        if wanted is not None and not getattr(driver.plugin.capabilities, wanted):
            pytest.skip(f"the plugin {driver.plugin.name} does not have the capability {wanted!r}")

    def test_the_options_of_the_driver_are_valid(self, driver: Driver) -> None:
        """The control of the next tests."""
        driver.plugin.config(**driver.options)

    def test_each_required_option_is_asked_for(self, driver: Driver) -> None:
        """The error names the option, so that an operator can add it."""
        for name, field in driver.plugin.config.model_fields.items():
            option = field.alias or name
            if field.is_required():
                with pytest.raises(ValidationError, match=option):
                    driver.plugin.config(**{key: value for key, value in driver.options.items() if key != option})

    def test_an_unknown_option_is_refused(self, driver: Driver) -> None:
        """A misspelt option that is ignored does something else than the operator wrote (DESIGN §7)."""
        with pytest.raises(ValidationError, match="no_such_option"):
            driver.plugin.config(**driver.options, no_such_option=1)

    def test_the_failures_of_the_plugin_are_explained(self, driver: Driver) -> None:
        """What happened, is anything lost, what to do: three sentences for ``connect explain``."""
        for code, sentences in driver.plugin.failures.items():
            assert code.isidentifier()
            assert code == code.lower()
            assert len(sentences) == len([sentence for sentence in sentences if sentence.strip()]) == 3


def check_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Findings as ``Plugin.preflight`` promises them: each problem and warning with what mends it."""
    found = list(findings)
    assert found, "preflight says nothing, not even that the server answers"
    for finding in found:
        assert finding.check
        assert finding.message
        assert finding.remedy or finding.severity is Severity.OK, f"no remedy for: {finding.message}"
    return found


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep the connector from running."""
    return [finding for finding in check_findings(findings) if finding.severity is Severity.PROBLEM]


def patiently(step: Callable[[], _DONE]) -> _DONE:
    """The result of a step that another side may still hinder for a moment, tried until ``PATIENCE`` ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return step()
        except Retriable:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


class Held:
    """The threads and open files of this process, connections among them, to be compared before and after."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._files = _open_files()

    def assert_released(self) -> None:
        """Nothing has been added since."""
        assert set(threading.enumerate()) <= self._threads
        assert _open_files() <= self._files


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - a Path would open one itself
