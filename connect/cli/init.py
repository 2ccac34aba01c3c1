"""``connect init``: a commented file for a live database, or for the topics of a cluster."""

from __future__ import annotations

import re
import sys
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import typer

from connect.cli.new_file import write_new
from connect.cli.urls import clear
from connect.config import sketch
from connect.config.keys import NAME, KafkaConfig
from connect.config.patterns import pattern
from connect.config.plugins import for_url
from connect.config.servers import load_servers
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
    servers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instead of both: a file with kafka: and schema_registry:, log-in and TLS."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the worker; the database's, with -cdc.")] = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", metavar="TABLE", help="Only these names or patterns.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(metavar="TOPIC", help="Only these names or patterns.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; else to standard output.")
    ] = None,
) -> None:
    """Write a first file: each table with rows, size and key and what it needs; or sinks for the topics of a cluster.

    Exit codes: 0 well, 1 a server is not there or the file is, 2 wrong usage.
    """
    if output is not None and output.exists():
        raise Failed("file_exists", f"{output} is there already", hint="Take another name; nothing was changed.")
    if name is not None and not NAME.fullmatch(name):
        raise typer.BadParameter(f"--name {name!r}: a name has 1 to 128 letters, digits, dots, _ and -")
    cluster, where = _cluster(kafka, registry, servers)
    if url is not None:
        text, variables = _source(url, where, name, table or [])
        variables += where.variables
    elif cluster is not None:
        text, variables = _sinks(cluster, where, name or "service", topic or []), where.variables
    else:
        raise typer.BadParameter("name a database's URL, the brokers with --kafka HOST:PORT, or --servers FILE")
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)
    target = output or "FILE"
    for variable in variables:
        print(f"The password is not in it: export {variable}=… first.", file=sys.stderr)
    print(f"Next: connect validate {target}, connect doctor {target}, connect plan {target}", file=sys.stderr)


class _Where(NamedTuple):
    """Brokers and registry as the command was given them, or as ``servers``, YAML; and what took secrets' places."""

    kafka: str = ""
    registry: str = ""
    servers: str = ""
    variables: tuple[str, ...] = ()


def _cluster(kafka: str | None, registry: str | None, servers: Path | None) -> tuple[KafkaConfig | None, _Where]:
    """The cluster, where one is named."""
    if servers is not None:
        if kafka or registry:
            raise typer.BadParameter("--servers stands instead of --kafka and --schema-registry")
        found = load_servers(servers)
        return found.kafka, _Where(servers=found.text, variables=found.variables)
    try:
        cluster = KafkaConfig.model_validate({"bootstrap": kafka}) if kafka is not None else None
    except ValueError:
        raise typer.BadParameter(f"{kafka!r} is no list of host:port") from None
    return cluster, _Where(kafka or "", registry or "")


def _source(url: str, where: _Where, name: str | None, tables: list[str]) -> tuple[str, tuple[str, ...]]:
    resolved = clear(url)
    plugin = for_url(resolved)
    found = chosen(plugin.discover(validated(plugin, {"url": resolved})), tables)
    group = name or _name(urlsplit(resolved).path)
    variable = f"{re.sub('[^A-Z0-9]', '_', group.removesuffix('-cdc').upper())}_PASSWORD"
    shown, hidden = sketch.without_password(url, variable)
    named = sketch.Where(group, plugin.name, shown, where.kafka, where.registry, where.servers)
    return sketch.source_file(named, sorted(found, key=lambda info: info.table)), (variable,) if hidden else ()


def _name(path: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.strip("/")).strip("-.")
    return f"{plain or 'shop'}-cdc"


def _sinks(cluster: KafkaConfig, where: _Where, name: str, wanted: list[str]) -> str:
    # Only here: a database's file is written without a Kafka client.
    from connect.kafka.topics import Topics  # noqa: PLC0415
    from connect.runtime.bookkeeping import NAMES, is_bookkeeping  # noqa: PLC0415 - likewise

    settings = cluster.settings()
    topics = Topics(settings)
    names = [topic for topic in topics.names() if not topic.startswith("_")]
    patterns = [pattern(text) for text in wanted]
    if patterns:
        picked = [topic for topic in names if any(one.matches(topic) for one in patterns)]
    else:
        policies = topics.settings(names)
        compacted = [topic for topic in names if "compact" in policies[topic]["cleanup.policy"]]
        # An empty one that is called so says nothing of itself: it is left out, for a worker's own would stop the sink.
        ours = [t for t in compacted if t.endswith(NAMES) and is_bookkeeping(settings, t) is not False]
        picked = [topic for topic in compacted if topic not in ours]
    if not picked:
        what = "no topic matches" if wanted else "the cluster has no compacted topic that this principal sees"
        raise Failed("topics_none", what, hint=f"There are: {', '.join(names[:20]) or 'none'}; name them with --topic.")
    return sketch.sinks_file(sketch.Where(name, "", "", where.kafka, where.registry, where.servers), picked)


def _write(output: Path, text: str) -> None:
    try:
        write_new(output, text.encode())
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}"
        raise Failed("file_unwritable", message, hint="Take another place with --output; nothing was left.") from None
