"""``connect report FILE…``: one redacted zip to attach to a question."""

from __future__ import annotations

import io
import json
import platform
import sys
import zipfile
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import confluent_kafka
import typer

from connect import __version__
from connect.cli.errors import to_json
from connect.cli.new_file import write_new
from connect.cli.status import documents
from connect.cli.worker import listen_settings
from connect.config.load import load_config
from connect.config.plugins import discover
from connect.config.redact import redacted, without_secrets
from connect.errors import ConnectError, Failed
from connect.kafka.positions import PositionStore
from connect.kafka.topics import Topics
from connect.runtime.doctor import examine

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.config.models import Config

_POSITION_SECONDS = 10.0


def report(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="ZIP", help="Else connect-report-TIME.zip, here.")
    ] = None,
) -> None:
    """Write a zip with the file, versions, states, positions and findings; no password, token or row is in it.

    Exit codes: 0 written, also where servers are not there: what they said is in it; 1 it could not be written.
    """
    target = output or Path(f"connect-report-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip")
    parts: dict[str, str] = {"config.yaml": redacted(files), "versions.json": _text(versions())}
    try:
        config = load_config(files)
    except ConnectError as error:
        parts["config-problems.json"] = _text(to_json(error))
    else:
        for name, make in (("status", states), ("positions", positions), ("doctor", findings)):
            parts[f"{name}.json"] = _text(_or_error(make, config))
    _write(target, parts)
    print(f"{target}: {', '.join(parts)}. Passwords, tokens and rows are not in it; look before you send it.")


def versions() -> dict[str, Any]:
    """Of everything that takes part."""
    return {
        "connect": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "librdkafka": confluent_kafka.libversion()[0],
        "plugins": {found.name: found.error or (found.plugin and found.plugin.version) for found in discover()},
        "packages": {found.name: found.version for found in sorted(distributions(), key=lambda each: each.name)},
    }


def states(config: Config) -> list[Any]:
    """What the running workers of the group say of themselves."""
    return list(documents(config.name, listen_settings(config.worker)))


def positions(config: Config) -> dict[str, Any]:
    """The stored position of each source; notes are left out but for their names, since some hold keys of rows."""
    kafka = config.kafka.settings()
    topics = Topics(kafka)
    found: dict[str, Any] = {}
    for name in config.sources:
        store = PositionStore(kafka, topics, config.name, name)
        if not topics.describe([store.topic]):
            found[name] = None
            continue
        position, notes = store.read(_POSITION_SECONDS)
        found[name] = {"position": position, "notes": Counter(note.partition(":")[0] for note in notes)}
    return found


def findings(config: Config) -> list[Any]:
    """What ``connect doctor`` finds."""
    return [one.to_json() for one in examine(config)]


def _or_error(make: Callable[[Config], Any], config: Config) -> Any:
    try:
        return make(config)
    except ConnectError as error:
        return {"error": to_json(error)}


def _text(value: Any) -> str:
    return without_secrets(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def _write(target: Path, parts: dict[str, str]) -> None:
    """Made in memory, where a zip is small, so that no half of one is left on a full disk."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(f"{target.stem}/{name}", text)
    try:
        write_new(target, whole.getvalue())
    except FileExistsError:
        raise Failed("file_exists", f"{target} is there already", hint="Take another name with --output.") from None
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror}"
        raise Failed("report_unwritable", message, hint="Take another place with --output.") from None
