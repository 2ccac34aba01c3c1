"""``connect init``: a commented file for a live database, or for the topics of a cluster."""

from __future__ import annotations

import re
import sys
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated
from urllib.parse import urlsplit

import typer

from connect.cli.urls import clear
from connect.config import sketch
from connect.config.keys import KafkaConfig
from connect.config.patterns import pattern
from connect.config.plugins import for_url
from connect.errors import Failed
from connect.runtime.peek import chosen, validated


def init(  # noqa: PLR0913, PLR0917 - each is an option of the command
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="postgresql:// or mysql://user@host:port/database", show_default=False),
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The brokers; without a URL: sinks for their topics.")
    ] = None,
    registry: Annotated[str | None, typer.Option("--schema-registry", metavar="URL", help="The registry.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the worker; the database's, with -cdc.")] = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", metavar="TABLE", help="Only these names or patterns.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(metavar="TOPIC", help="Only these names or patterns.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; else to standard output.")
    ] = None,
) -> None:
    """Write a first file: each table with rows, size, key and what it needs; or sinks for the topics of a cluster.

    Exit codes: 0 well, 1 a server is not there or the file is, 2 wrong usage.
    """
    if output is not None and output.exists():
        raise Failed("file_exists", f"{output} is there already", hint="Take another name; nothing was changed.")
    if url is not None:
        text, variable = _source(url, kafka or "", registry or "", name, table or [])
    elif kafka is not None:
        text, variable = _sinks(kafka, registry or "", name or "service", topic or []), ""
    else:
        raise typer.BadParameter("name a database's URL, or the brokers with --kafka HOST:PORT")
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    target = output or "FILE"
    if variable:
        print(f"The password is not in it: export {variable}=… first.", file=sys.stderr)
    print(f"Next: connect validate {target}, connect doctor {target}, connect plan {target}", file=sys.stderr)


def _source(url: str, kafka: str, registry: str, name: str | None, tables: list[str]) -> tuple[str, str]:
    resolved = clear(url)
    plugin = for_url(resolved)
    found = chosen(plugin.discover(validated(plugin, {"url": resolved})), tables)
    group = name or _name(urlsplit(resolved).path)
    variable = f"{re.sub('[^A-Z0-9]', '_', group.removesuffix('-cdc').upper())}_PASSWORD"
    shown, hidden = sketch.without_password(url, variable)
    where = sketch.Where(group, plugin.name, shown, kafka, registry)
    return sketch.source_file(where, sorted(found, key=lambda info: info.table)), variable if hidden else ""


def _name(path: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.strip("/")).strip("-.")
    return f"{plain or 'shop'}-cdc"


def _sinks(kafka: str, registry: str, name: str, wanted: list[str]) -> str:
    # Only here: a database's file is written without a Kafka client.
    from connect.kafka.topics import Topics  # noqa: PLC0415
    from connect.runtime.bookkeeping import NAMES, is_bookkeeping  # noqa: PLC0415 - likewise

    try:
        settings = KafkaConfig.model_validate({"bootstrap": kafka}).settings()
    except ValueError:
        raise typer.BadParameter(f"{kafka!r} is no list of host:port") from None
    topics = Topics(settings)
    names = [topic for topic in topics.names() if not topic.startswith("_")]
    patterns = [pattern(text) for text in wanted]
    if patterns:
        picked = [topic for topic in names if any(one.matches(topic) for one in patterns)]
    else:
        policies = topics.settings(names)
        compacted = [topic for topic in names if "compact" in policies[topic]["cleanup.policy"]]
        picked = [topic for topic in compacted if not (topic.endswith(NAMES) and is_bookkeeping(settings, topic))]
    if not picked:
        what = "no topic matches" if wanted else "the cluster has no compacted topic that this principal sees"
        raise Failed("topics_none", what, hint=f"There are: {', '.join(names[:20]) or 'none'}; name them with --topic.")
    return sketch.sinks_file(sketch.Where(name, "", "", kafka, registry), picked)
