"""A first file for a database or a cluster, with what its reader should know beside each table (``connect init``)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.api.tables import TableInfo

_PERSONAL: Final = re.compile(
    r"e[-_\s]?mail|phone|mobile|\bfax|(first|last|full|sur)[-_\s]?name|maiden|birth|\bdob\b|ssn|passport|iban"
    r"|card[-_\s]?(no|number)|tax[-_\s]?id|address|street|post[-_\s]?code|zip|\bip\b|ip_addr|passwd|password|secret"
    r"|token|gender"
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
_NO_REGISTRY: Final = (
    '# schema_registry: {url: "http://127.0.0.1:8081"}  # without one: JSON with its schema in every record'
)
_PASSWORD: Final = re.compile(r"((?:^|&)password=)(?!\$\{)[^&]*")
_TAIL: Final = """
# What it keeps equal to the topics. Take the # away and put your own addresses in:
# sinks:
#   warehouse: {{plugin: sql, url: "postgresql://app@127.0.0.1:5433/warehouse", topics: [{topics}]}}
#   search: {{plugin: elasticsearch, url: "http://127.0.0.1:9200", topics: [{topics}]}}
"""


class Where(NamedTuple):
    """What the file has to name.

    Attributes:
        name: The worker group; the source's name and topic prefix are it without ``-cdc``.
        plugin: The source's.
        url: As it may stand in a file: a password in it is a reference.
        kafka: Bootstrap servers; "" where they are not known yet.
        registry: Of schemas; "" where it is not known yet.
        servers: ``kafka:`` and ``schema_registry:`` as they stand in another file, instead of these two.
    """

    name: str
    plugin: str
    url: str
    kafka: str = ""
    registry: str = ""
    servers: str = ""

    @property
    def prefix(self) -> str:
        """The source's name."""
        return self.name.removesuffix("-cdc")


def without_password(url: str, variable: str) -> tuple[str, bool]:
    """The URL with ``${env:variable}`` for a password written in clear; whether there was one."""
    reference, parts = f"${{env:{variable}}}", urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    netloc = f"{user}:{reference}@{host}" if colon and not password.startswith("${") else parts.netloc
    query = _PASSWORD.sub(lambda found: found[1] + reference, parts.query)
    shown = urlunsplit(parts._replace(netloc=netloc, query=query))
    return (shown, True) if reference in (netloc + query) else (url, False)


def source_file(where: Where, tables: Sequence[TableInfo]) -> str:
    """The file of a source: every table with its rows, size and key, and what it needs."""
    topics = [f"{where.prefix}.*.*"] if any(info.schema.key for info in tables) else []
    topics += [f"{where.prefix}.*.*.events"] if any(not info.schema.key for info in tables) else []
    listed = ", ".join(map(json.dumps, topics))
    return "".join(f"{line}\n" for line in _source(where, tables)) + _TAIL.format(topics=listed)


def _source(where: Where, tables: Sequence[TableInfo]) -> Iterator[str]:
    personal = any(looks_personal(name) for info in tables for name in info.schema.index)
    yield "# Edit it, then: connect validate FILE, connect doctor FILE, connect plan FILE, connect run FILE."
    yield f"name: {_text(where.name)}  # prefix of transactional ids and internal topics; it stays what it is"
    yield from _servers(where)
    if personal:
        yield "# mask_key: ${env:MASK_KEY}  # for `mask: {column: hash}`: 16 characters or more; openssl rand -hex 32"
    yield "sources:"
    example = tables[0].table if tables else "<schema>.<table>"
    yield f"  {_text(where.prefix)}:  # the topics' prefix too: {where.prefix}.{_one_line(str(example))}"
    yield f"    plugin: {where.plugin}"
    yield f"    url: {_text(where.url)}"
    yield "    tables:"
    some = any(info.readable for info in tables)  # none yet: they are granted by what `connect doctor --sql` prints
    for info in tables:
        yield from _table(info, left_out=some and not info.readable)


def _servers(where: Where) -> Iterator[str]:
    if where.servers:
        yield from where.servers.splitlines()
        if "schema_registry:" not in where.servers:
            yield _NO_REGISTRY
        return
    yield f"kafka: {{bootstrap: {json.dumps(where.kafka or '127.0.0.1:9092')}}}" + (
        "" if where.kafka else "  # ← your brokers"
    )
    if where.registry:
        yield f"schema_registry: {{url: {json.dumps(where.registry)}}}"
    else:
        yield _NO_REGISTRY


def _table(info: TableInfo, *, left_out: bool) -> Iterator[str]:
    """Its entry, a comment where it is left out, and what its reader should know; names may hold line breaks."""
    key = (
        f"key {', '.join(info.schema.key)}" if info.schema.key else "no key: an event view only, `key: [...]` names one"
    )
    start = "      # " if left_out else "      "
    rows = f"{info.rows:,} rows" if info.rows >= 0 else "rows not counted yet (ANALYZE)"
    yield start + f"{_text(str(info.table))}: {{}}  # {rows}, {_size(info.bytes)}, {_one_line(key)}"
    if not info.readable:
        yield "      #   This role may not read it: with it in the file `connect doctor --sql FILE` prints the GRANT."
    for note in info.notes:
        yield f"      #   {_one_line(note)}"
    masks = [name for name in info.schema.index if looks_personal(name) and name not in info.schema.key]
    if masks:
        listed = ", ".join(f"{_text(name)}: hash" for name in masks)
        yield f"      #   These look personal: {_text(str(info.table))}: {{mask: {{{listed}}}}}, or columns: [...]"


def sinks_file(where: Where, topics: Sequence[str]) -> str:
    """The file of sinks over topics that are there."""
    lines = [
        "# Edit it, then: connect validate FILE, connect plan FILE, connect run FILE.",
        f"name: {_text(where.name)}  # prefix of consumer groups and internal topics; it stays what it is",
        *_servers(where),
        "sinks:",
        "  warehouse:",
        "    plugin: sql",
        "    url: sqlite:///warehouse.db  # ← or postgresql://app@127.0.0.1:5433/warehouse",
        "    topics:",
        *_listed(topics),
        '#  search: {plugin: elasticsearch, url: "http://127.0.0.1:9200", topics: [...]}',
    ]
    return "".join(f"{line}\n" for line in lines)


def _one_line(text: str) -> str:
    """A text for a comment: a line break in a name must not end it."""
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)


def _listed(topics: Sequence[str]) -> Iterator[str]:
    """As a list; where the last parts are equal, each topic after the first needs a table's name of its own."""
    seen: dict[str, str] = {}
    for topic in topics:
        first = seen.setdefault(_table_part(topic), topic)
        if first == topic:
            yield f"      - {_text(topic)}"
        else:
            own = "`topics: {TOPIC: {table: NAME}}` names another"
            yield f"      # - {_text(topic)}  # meets {first} in one table; {own}"


def _table_part(topic: str) -> str:
    return topic.removesuffix(".events").rpartition(".")[2].lower()


def looks_personal(column: str) -> bool:
    """Whether a column's name says that it is about a person."""
    return _PERSONAL.search(column.lower()) is not None


def _text(value: str) -> str:
    """A YAML text, quoted where YAML would read something else."""
    plain = (
        _PLAIN.fullmatch(value)
        and not value[0].isdigit()
        and value.lower() not in {"yes", "no", "on", "off", "null", "true", "false", "y", "n"}
    )
    return value if plain else _one_line(json.dumps(value, ensure_ascii=False))


def _size(count: int) -> str:
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1_000 and len(units) > 1:
        value /= 1_000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
