"""``/metrics``: what the supervisor knows, as Prometheus reads it. Labels are bounded: connector, kind, state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connect.runtime.report import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connect.runtime.states import ConnectorStatus

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_COUNTERS: Final = (
    ("records", "Records committed."),
    ("transactions", "Kafka or target transactions committed."),
    ("skipped", "Rows dropped on resume because they were delivered before."),
    ("dead_letters", "Records given to the dead-letter topic."),
)
_GAUGES: Final = (
    ("lag_bytes", "Log between the committed position and the end of the log."),
    ("lag_seconds", "Age of the last committed change, when behind."),
    ("lag_records", "Records between a sink's offsets and the ends of its topics."),
    ("retained_bytes", "Log that the source's server keeps for this connector."),
)


class _Statuses(Collector):
    """Makes the metric families anew at each scrape, so that no number is kept twice."""

    def __init__(self, statuses: Callable[[], Sequence[ConnectorStatus]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        statuses = self._statuses()
        for name, text in _COUNTERS:
            yield _counter(name, text, [(status, getattr(status.report, name)) for status in statuses])
        yield _counter("restarts", "Processes started again.", [(status, status.restarts) for status in statuses])
        for name, text in _GAUGES:
            yield _gauge(name, text, [(status, getattr(status.report, name)) for status in statuses])
        yield _gauge("complete", "1 once snapshots are done, or a sink is live.", _complete(statuses))
        yield _states(statuses)


def registry(statuses: Callable[[], Sequence[ConnectorStatus]]) -> CollectorRegistry:
    """A registry of our own: a library that counts in the global one does not show up here."""
    ours = CollectorRegistry()
    ours.register(_Statuses(statuses))
    return ours


def render(source: CollectorRegistry) -> bytes:
    """The text format."""
    return generate_latest(source)


def _counter(name: str, text: str, values: Sequence[tuple[ConnectorStatus, int]]) -> Metric:
    family = CounterMetricFamily(f"connect_{name}", text, labels=("connector", "kind"))
    for status, value in values:
        family.add_metric((status.connector.name, status.connector.kind), value)
    return family


def _gauge(name: str, text: str, values: Sequence[tuple[ConnectorStatus, float | None]]) -> Metric:
    family = GaugeMetricFamily(f"connect_{name}", text, labels=("connector", "kind"))
    for status, value in values:
        if value is not None:  # unknown is absent, not 0
            family.add_metric((status.connector.name, status.connector.kind), value)
    return family


def _complete(statuses: Sequence[ConnectorStatus]) -> list[tuple[ConnectorStatus, float | None]]:
    return [(status, float(status.report.complete)) for status in statuses]


def _states(statuses: Sequence[ConnectorStatus]) -> Metric:
    family = GaugeMetricFamily("connect_state", "1 for the state it is in.", labels=("connector", "kind", "state"))
    for status in statuses:
        for state in State:
            family.add_metric((status.connector.name, status.connector.kind, state.value), float(status.state == state))
    return family
