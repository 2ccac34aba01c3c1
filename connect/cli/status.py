"""``connect status``: every table of the running workers, how far it is, how far behind."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connect.cli import figures
from connect.cli.worker import listen_settings
from connect.config.load import load_config
from connect.rest.server import ListenSettings
from connect.runtime import status_file
from connect.runtime.logs import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXIT_WELL: Final = 0
EXIT_NONE: Final = 1
EXIT_UNHEALTHY: Final = 3
_ANSWER_SECONDS: Final = 5.0
_MAX_ANSWER: Final = 64 * 2**20
_PIPE_WIDTH: Final = 200  # columns where there is no terminal to ask


def status(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Of the worker; without: every worker of this user."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where every table is: phase, rows, rate, lag, time left, log held on the server.

    Exit codes: 0 all is well, 1 no worker is running, 3 a connector is FAILED, FENCED or STALLED.
    """
    group, settings = _wanted(files)
    found = list(documents(group, settings))
    if as_json:
        print(json.dumps({"workers": found}))
    elif not found:
        whose = f"No worker of {group} is running" if group else "No worker of this user is running"
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"{whose}; connect run FILE starts one.")
    else:
        show(found)
    raise typer.Exit(_exit_code(found))


def _wanted(files: list[Path] | None) -> tuple[str | None, ListenSettings]:
    """The group to look for, None for all, and how to ask."""
    if not files:
        return None, ListenSettings()
    config = load_config(files)
    return config.name, listen_settings(config.worker)


def documents(group: str | None, settings: ListenSettings) -> Iterator[dict[str, Any]]:
    """What the workers of this user say; then, where there is none, who answers at the file's own address."""
    found = False
    for worker in status_file.find(group):
        document = ask(worker.url, settings)
        if document and (document.get("group"), document.get("pid")) == (worker.group, worker.pid):
            found = True
            yield document
    if group and not found:  # a worker of another user, or one behind a published port of a container
        scheme = "https" if settings.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        document = ask(f"{scheme}://{host}:{settings.port}", settings)
        if document and document.get("group") == group:
            yield document


def ask(url: str, settings: ListenSettings) -> dict[str, Any] | None:
    """A worker's ``/status``; None when nobody, or nobody of ours, answers."""
    connection = _connection(url, settings)
    try:
        connection.request("GET", "/status", headers=_authorization(settings))
        response = connection.getresponse()
        document = json.loads(response.read(_MAX_ANSWER)) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return document if isinstance(document, dict) else None


def _connection(url: str, settings: ListenSettings) -> http.client.HTTPConnection:
    address = urlsplit(url)
    if address.scheme != "https":
        return http.client.HTTPConnection(address.netloc, timeout=_ANSWER_SECONDS)
    trusted = ssl.create_default_context(cafile=str(settings.certificate) if settings.certificate else None)
    trusted.check_hostname = False  # the worker's own certificate is trusted, under whatever name it was made out
    return http.client.HTTPSConnection(address.netloc, timeout=_ANSWER_SECONDS, context=trusted)


def _authorization(settings: ListenSettings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.token.reveal()}"} if settings.token else {}


def _exit_code(documents: Sequence[dict[str, Any]]) -> int:
    if not documents:
        return EXIT_NONE
    return EXIT_WELL if all(document["healthy"] for document in documents) else EXIT_UNHEALTHY


def show(documents: Sequence[dict[str, Any]]) -> None:
    """One table for each worker, and under it what needs words."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)
    for document in documents:
        running = figures.span(document["uptime_seconds"])
        console.print(Text(f"{escape(document['group'])}  pid {document['pid']}, running for {running}"))
        if (codecs := document.get("codecs", "compiled")) != "compiled":
            console.print(
                Text(f"codecs in Python, many times slower than compiled ones: {escape(codecs)}"), soft_wrap=True
            )
        console.print(_table(document["connectors"]))
        for line in _words(document["connectors"]):
            console.print(Text(line), soft_wrap=True)


def _table(connectors: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("connector", "table", "state"):
        table.add_column(heading, overflow="fold")
    for heading in ("rows", "changes", "rows/s", "behind", "time left", "log held"):
        table.add_column(heading, justify="right")
    for name, connector in connectors.items():
        table.add_row(*(Text(cell) for cell in _connector_cells(name, connector)))
        for table_name, one in sorted(connector["tables"].items()):
            table.add_row(*(Text(cell) for cell in _table_cells(table_name, one)))
    return table


def _connector_cells(name: str, connector: dict[str, Any]) -> list[str]:
    held = connector["retained_bytes"]
    rate = sum(one["per_second"] for one in connector["tables"].values())
    return [
        escape(name),
        "",
        connector["state"],
        figures.count(connector["records"]),
        "",
        figures.count(rate),
        behind(connector),
        "",
        "" if held is None else figures.size(held),
    ]


def _table_cells(name: str, one: dict[str, Any]) -> list[str]:
    left = one["eta_seconds"]
    return [
        "",
        escape(name),
        one["phase"],
        figures.progress(one["rows"], one["total"]),
        figures.count(one["changes"]),
        figures.count(one["per_second"]),
        "",
        "" if left is None else figures.span(left),
        "",
    ]


def behind(connector: dict[str, Any]) -> str:
    """``4.1 kB, 0.3 s``; a sink's ``120 records``; empty where nothing is known."""
    parts = []
    if connector["lag_bytes"] is not None:
        parts.append(figures.size(connector["lag_bytes"]))
    if connector["lag_records"] is not None:
        parts.append(f"{figures.count(connector['lag_records'])} records")
    if connector["lag_seconds"] is not None:
        parts.append(figures.span(connector["lag_seconds"]))
    return ", ".join(parts)


def _words(connectors: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The reasons of states and the notes of tables, one line each."""
    for name, connector in connectors.items():
        if connector["message"]:
            wait = connector["retry_in"]
            when = f" (next try in {figures.span(wait)})" if wait is not None else ""
            code = f"{connector['code']}: " if connector["code"] else ""
            first, *hints = connector["message"].split("\n")
            yield f"{escape(name)}: {code}{escape(first)}{when}"
            yield from (f"  → {escape(hint.strip())}" for hint in hints)
        for table_name, one in sorted(connector["tables"].items()):
            if one["note"]:
                yield f"{escape(name)}, {escape(table_name)}: {escape(one['note'])}"
