"""The worker's read-only HTTP pages: ``/health``, ``/metrics``, ``/status``."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connect import __version__
from connect.compiled import WHY_NOT_COMPILED
from connect.rest import metrics
from connect.runtime.states import UNHEALTHY, ConnectorStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What the pages show.

    Attributes:
        group: The file's ``name``.
        started_at: Of ``time.monotonic``.
        statuses: Every connector now; called from the server's thread.
    """

    group: str
    started_at: float
    statuses: Callable[[], Sequence[ConnectorStatus]]


def create_app(worker: WorkerView) -> Starlette:
    """The three pages, to be wrapped in ``guard.Guard``."""
    registry = metrics.registry(worker.statuses)

    def health(_: Request) -> Response:
        statuses = worker.statuses()
        healthy = _healthy(statuses)
        connectors = {s.connector.name: {"state": s.state.value, "code": s.code} for s in statuses}
        return JSONResponse({"healthy": healthy, "connectors": connectors}, status_code=200 if healthy else 503)

    def prometheus(_: Request) -> Response:
        return Response(metrics.render(registry), headers={"content-type": metrics.CONTENT_TYPE})

    def status(_: Request) -> Response:
        return JSONResponse(status_document(worker))

    pages = {"/health": health, "/metrics": prometheus, "/status": status}
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])


def status_document(worker: WorkerView) -> dict[str, Any]:
    """What ``/status`` says: the worker, then each connector by name with every field of its report."""
    statuses = worker.statuses()
    return {
        "group": worker.group,
        "version": __version__,
        "pid": os.getpid(),
        "uptime_seconds": round(time.monotonic() - worker.started_at, 1),
        "healthy": _healthy(statuses),
        "codecs": WHY_NOT_COMPILED or "compiled",
        "connectors": {status.connector.name: status.to_json() for status in statuses},
    }


def _healthy(statuses: Sequence[ConnectorStatus]) -> bool:
    return not any(status.state in UNHEALTHY for status in statuses)
