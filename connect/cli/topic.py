"""``connect topic show TOPIC``: decoded records."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connect.config.keys import KafkaConfig
from connect.config.load import load_config
from connect.runtime.logs import escape
from connect.runtime.tasks import registry_client
from connect.runtime.topic_records import Query, Undecoded, plain, read_topic, to_json
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

if TYPE_CHECKING:
    from connect.record import SinkRecord

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into topics.")
OfKey = Annotated[
    str | None, typer.Option(metavar="KEY", help="Only this key: its value, or a JSON object of its columns.")
]


@app.callback()
def _group() -> None:
    """Look into topics."""


@app.command()
def show(  # noqa: PLR0913, PLR0917 - each is an option of the command
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's name.", show_default=False)],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Configuration files that name Kafka and registry.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Instead of a file: the brokers.")] = None,
    schema_registry: Annotated[
        str | None, typer.Option(metavar="URL", help="Instead of a file: the registry, where records are Avro.")
    ] = None,
    key: OfKey = None,
    start: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="beginning, end, or an offset in each partition.")
    ] = "beginning",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many records.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on when the end is reached, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Print the committed records of a topic, decoded: place, time, operation, key, row.

    Exit codes: 0 well, 1 no such topic or a server is not there, 2 faults in the files or usage.
    """
    settings, registry = _servers(files, kafka, schema_registry)
    query = Query(topic=topic, start=_start(start), key=_key(key), follow=follow, limit=limit)
    for record in read_topic(settings, RecordReader(registry), query):
        sys.stdout.write(f"{json.dumps(to_json(record)) if as_json else line(record)}\n")
        if follow:
            sys.stdout.flush()


def _servers(
    files: list[Path] | None, kafka: str | None, registry: str | None
) -> tuple[dict[str, Any], RegistryClient | None]:
    """Librdkafka settings and the registry, of the files or of the options."""
    if files:
        config = load_config(files)
        return dict(config.kafka.settings()), registry_client(config)
    if kafka is None:
        raise typer.BadParameter("name a FILE, or the brokers with --kafka HOST:PORT")
    try:
        settings = KafkaConfig.model_validate({"bootstrap": kafka}).settings()
    except ValueError:
        raise typer.BadParameter(f"{kafka!r} is no list of host:port") from None
    return dict(settings), RegistryClient(registry) if registry else None


def _start(text: str) -> Any:
    if text in ("beginning", "end"):
        return text
    if not text.isdigit():
        raise typer.BadParameter("--from takes beginning, end or an offset")
    return int(text)


def _key(text: str | None) -> str | None:
    if text and text.startswith("{"):
        try:
            json.loads(text)
        except ValueError:
            raise typer.BadParameter("--key begins like a JSON object but is none") from None
    return text


def line(record: SinkRecord | Undecoded) -> str:
    """A record on one line."""
    if isinstance(record, Undecoded):
        return f"{escape(record.where)}  cannot be decoded: {escape(record.error)}"
    when = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    row = "tombstone" if record.tombstone else _text(plain(record.before if record.after is None else record.after))
    return f"{escape(record.where)}  {when}  {record.op.value}  {_text(plain(record.key))}  {row}"


def _text(row: dict[str, Any] | None) -> str:
    return escape(json.dumps(row, ensure_ascii=False)) if row is not None else "-"
