"""The publications: which tables and kinds of change the stream carries (F20, F21, F41)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from connect.errors import Failed
from connect.schema.model import TableId
from connectors.postgres.chunk_sql import SENDS_GENERATED
from connectors.postgres.config import inserts_publication
from connectors.postgres.errors import translate
from connectors.postgres.relations import quoted
from connectors.postgres.server import row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from connectors.postgres.catalog import CatalogTable

_ACTIONS: Final = {False: "insert, truncate", True: "insert, update, delete, truncate"}


class Published(NamedTuple):
    """What the publications send of one table."""

    columns: tuple[str, ...] | None  # None: the server does not say (before 15): all but generated ones
    row_filter: str | None


def ensure_publications(
    connection: psycopg.Connection[Any],
    main: str,
    tables: Mapping[TableId, CatalogTable],
    connector: str,
    before: Collection[str] | None,
    captured: Collection[int] | None,
) -> list[str]:
    """Create our publications, or bring their tables up to the file's; returns the names to subscribe to.

    Tables whose UPDATE and DELETE the log could not identify go into ``inserts_publication``, which publishes neither:
    in the main publication the application's own UPDATE would fail (F21).

    Args:
        connection: To the server.
        main: Name of the main publication.
        tables: The captured tables.
        connector: Whose they are.
        before: Those that an earlier start subscribed to. None at the first start, before there is a slot: it makes
            both, empty or not, since one made later is younger than the position and cannot be named (F20).
        captured: OIDs of tables that an earlier start captured: only these are taken out. None for all that there are.

    Raises:
        Failed: ``publication_missing``, ``publication_shared`` with nothing changed, ``permission``.
    """
    inserts = inserts_publication(main)
    wanted: dict[str, list[TableId]] = {main: [], inserts: []}
    for table, info in tables.items():
        wanted[main if info.can_change else inserts].append(table)
    present = [name for name in wanted if publication_exists(connection, name)]
    for name, its_tables in wanted.items():
        if before is not None and name not in present and (name in before or its_tables or not present):
            raise _gone(name, connector) if name in before else _younger(name, its_tables, connector)
    for name in present if captured is not None else ():
        ours = {*(captured or ()), *(info.oid for info in tables.values())}
        foreign = sorted(table for table, oid in _listed(connection, name).items() if oid not in ours)
        if foreign:
            raise _shared(name, foreign[0], connector)
    for name in wanted if before is None else present:
        actions = _ACTIONS[name == main]
        try:
            if name in present:
                _alter_publication(connection, name, wanted[name])
            else:
                _create_publication(connection, name, wanted[name], actions)
        except psycopg.Error as error:
            raise _not_ours(error, name, wanted[name], actions, connector) from None
    return list(wanted) if before is None else present


def _gone(name: str, connector: str) -> Failed:
    return Failed(
        "publication_missing",
        f"{connector}: the publication {name} was dropped, and the log since then cannot be read through it",
        hint="`connect remove SOURCE FILE` and start anew: the tables are read again.",
    )


def _shared(name: str, table: TableId, connector: str) -> Failed:
    """Taken out, that table's changes would be missing from another source, without a word."""
    return Failed(
        "publication_shared",
        f"{connector}: the publication {name} sends {table}, which this source never captured: is it somebody else's?",
        hint="Give this source one of its own, `publication: NAME`, or `{name: NAME, manage: false}`. If nobody uses "
        f"that entry: ALTER PUBLICATION {_identifier(name)} DROP TABLE {quoted(table)};",
    )


def _younger(name: str, tables: list[TableId], connector: str) -> Failed:
    """Made now, it would not exist at the stored position, and nothing could be streamed from there any more."""
    anew = "`connect remove SOURCE FILE` and start anew: the tables are read again."
    return Failed(
        "publication_missing",
        f"{connector}: there is no publication {name}"
        + (f", which {tables[0]} needs" if tables else "")
        + ", and one made now would be younger than the stored position",
        hint=f"Take {tables[0]} out of the file again. If it was captured before: {anew}" if tables else anew,
    )


def publication_exists(connection: psycopg.Connection[Any], name: str) -> bool:
    """Whether there is a publication of that name."""
    query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = %s)"
    return bool(row(connection, query, (name,))[0])


def publication_sql(main: str, tables: Mapping[TableId, CatalogTable], server_version: int) -> list[str]:
    """The statements that make what ``ensure_publications`` would make at a first start."""
    changing = [table for table, info in tables.items() if info.can_change]
    inserting = [table for table in tables if table not in changing]
    made = [create_publication_sql(main, changing, _ACTIONS[True], server_version)]
    if inserting:
        inserts = inserts_publication(main)
        made.append(create_publication_sql(inserts, inserting, _ACTIONS[False], server_version))
    return made


def create_publication_sql(name: str, tables: Iterable[TableId], actions: str, server_version: int) -> str:
    """The statement that makes a publication; also what a hint shows."""
    listed = ", ".join(quoted(table) for table in tables)
    options = [f"publish = '{actions}'", "publish_via_partition_root = true"]
    if server_version >= SENDS_GENERATED:
        options.append("publish_generated_columns = stored")  # F41: the snapshot reads what the publication sends
    target = f" FOR TABLE {listed}" if listed else ""
    return f"CREATE PUBLICATION {_identifier(name)}{target} WITH ({', '.join(options)});"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _create_publication(connection: psycopg.Connection[Any], name: str, tables: list[TableId], actions: str) -> None:
    connection.execute(create_publication_sql(name, tables, actions, connection.info.server_version).encode())


def _alter_publication(connection: psycopg.Connection[Any], name: str, wanted: list[TableId]) -> None:
    present = _listed(connection, name)
    for word, tables in (
        ("ADD", [table for table in wanted if table not in present]),
        ("DROP", sorted(present.keys() - set(wanted))),
    ):
        for table in tables:
            # A lock that the application waits behind is held for moments only.
            statement = f"ALTER PUBLICATION {_identifier(name)} {word} TABLE {'.'.join(map(_identifier, table))}"
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '2s'")
                connection.execute(statement.encode())


def _listed(connection: psycopg.Connection[Any], name: str) -> dict[TableId, int]:
    """The tables that a publication names one by one, with their OIDs."""
    found = connection.execute(
        "SELECT n.nspname::text, c.relname::text, c.oid FROM pg_catalog.pg_publication_rel r"
        " JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = %s",
        (name,),
    ).fetchall()
    return {TableId(schema, table): oid for schema, table, oid in found}


def _not_ours(error: psycopg.Error, name: str, tables: list[TableId], actions: str, connector: str) -> Exception:
    if error.sqlstate != "42501":
        return translate(error, f"{connector}: publication {name}")
    return Failed(
        "permission",
        f"{connector}: this role may not make the publication {name}: {error.diag.message_primary}",
        hint="Let the tables' owner run, and set `publication: {name: …, manage: false}`:\n  "
        + create_publication_sql(name, tables, actions, 0),
    )


def check_publications(
    connection: psycopg.Connection[Any],
    main: str,
    inserts: str,
    tables: Mapping[TableId, CatalogTable],
    connector: str,
    *,
    started: bool,
) -> list[str]:
    """A publication that the operator manages must send every captured table; returns the names to subscribe to.

    ``started``: there is a position, which a publication made now would be younger than.

    Raises:
        Failed: ``publication_missing``, ``not_published``.
    """
    names = [name for name in (main, inserts) if publication_exists(connection, name)]
    if main not in names and started:
        raise _younger(main, [], connector)
    if main not in names:
        raise Failed(
            "publication_missing",
            f"{connector}: there is no publication {main}, and `manage: false` forbids to make it",
            hint="\n".join(publication_sql(main, tables, connection.info.server_version)),
        )
    published = published_tables(connection, names)
    changing = published if names == [main] else published_tables(connection, [main])
    for table, info in tables.items():
        if table not in (changing if info.can_change else published):
            partitioned = f" -- if it is there: ALTER PUBLICATION {_identifier(main)} SET (publish_via_partition_root);"
            raise Failed(
                "not_published",
                f"{connector}: {table} is not in the publication {main}",
                hint=add_table_sql(main, info, inserts=len(names) > 1) + (partitioned if info.kind == "p" else ""),
            )
    _check_actions(connection, names, connector)
    return names


def _check_actions(connection: psycopg.Connection[Any], names: list[str], connector: str) -> None:
    insert, update, delete, truncate = row(
        connection,
        "SELECT bool_and(pubinsert), bool_or(pubupdate), bool_or(pubdelete), bool_and(pubtruncate)"
        " FROM pg_catalog.pg_publication WHERE pubname = ANY(%s)",
        (names,),
    )
    if not (insert and update and delete and truncate):
        raise Failed(
            "not_published",
            f"{connector}: the publication {names[0]} leaves out some kinds of change",
            hint=f"ALTER PUBLICATION {_identifier(names[0])} SET (publish = '{_ACTIONS[True]}');",
        )


def published_tables(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[TableId, Published]:
    """What these publications send, by table; partitions under their root where they are published so."""
    details = "attnames::text[], rowfilter" if connection.info.server_version >= 150_000 else "NULL, NULL"
    rows = connection.execute(
        f"SELECT schemaname::text, tablename::text, {details}"  # noqa: S608 - our own words
        " FROM pg_catalog.pg_publication_tables WHERE pubname = ANY(%s)".encode(),
        (list(names),),
    ).fetchall()
    return {
        TableId(schema, table): Published(tuple(columns) if columns is not None else None, row_filter)
        for schema, table, columns, row_filter in rows
    }


def foreign_tables(connection: psycopg.Connection[Any], tables: Sequence[CatalogTable]) -> list[CatalogTable]:
    """Those that belong to other roles: only their owner may add them to a publication."""
    query = "SELECT oid FROM pg_catalog.pg_class WHERE oid = ANY(%s) AND NOT pg_catalog.pg_has_role(relowner, 'USAGE')"
    found = {oid for (oid,) in connection.execute(query, ([info.oid for info in tables],))}
    return [info for info in tables if info.oid in found]


def add_table_sql(main: str, info: CatalogTable, *, inserts: bool) -> str:
    """What adds a table to the publication that it belongs in; ``inserts``: that of inserts alone is there."""
    table = quoted(info.table)
    if info.can_change or not inserts:
        identity = "" if info.can_change else f"ALTER TABLE {table} REPLICA IDENTITY FULL; "
        return f"{identity}ALTER PUBLICATION {_identifier(main)} ADD TABLE {table};"
    return f"ALTER PUBLICATION {_identifier(inserts_publication(main))} ADD TABLE {table};"


_SCHEMA_ENTRIES: Final = """
 UNION SELECT v.table_oid, s.oid::int8 FROM via v JOIN pg_catalog.pg_class c ON c.oid = v.oid
  JOIN pg_catalog.pg_publication_namespace s ON s.pnnspid = c.relnamespace JOIN wanted w ON w.oid = s.pnpubid
"""
_ENTRIES: Final = """
WITH wanted AS (SELECT oid, puballtables FROM pg_catalog.pg_publication WHERE pubname = ANY(%s)),
via AS (
  SELECT t.oid AS table_oid, t.oid FROM unnest(%s::oid[]) t (oid)
  UNION SELECT t.oid, a.relid FROM unnest(%s::oid[]) t (oid), pg_catalog.pg_partition_ancestors(t.oid) a
)
SELECT v.table_oid::int8, r.oid::int8 AS entry FROM via v JOIN pg_catalog.pg_publication_rel r ON r.prrelid = v.oid
  JOIN wanted w ON w.oid = r.prpubid
 UNION SELECT v.table_oid, w.oid::int8 FROM via v CROSS JOIN wanted w WHERE w.puballtables
"""


def publication_entries(
    connection: psycopg.Connection[Any], names: Sequence[str], tables: Mapping[TableId, CatalogTable]
) -> dict[TableId, list[int]]:
    """OIDs of what publishes each table: its own entry, its partition root's or its schema's, or ``ALL TABLES``.

    An entry that was dropped and made again has another OID, and the log between the two leaves the table out.
    """
    oids = [info.oid for info in tables.values()]
    query = _ENTRIES + (_SCHEMA_ENTRIES if connection.info.server_version >= 150_000 else "") + " ORDER BY entry"
    entries: dict[int, list[int]] = {oid: [] for oid in oids}
    for oid, entry in connection.execute(query.encode(), (list(names), oids, oids)).fetchall():
        entries[oid].append(entry)
    return {table: entries[info.oid] for table, info in tables.items()}


def drop_publications(connection: psycopg.Connection[Any], names: Sequence[str]) -> list[str]:
    """Drop those that exist; one sentence for each thing done."""
    done = []
    for name in names:
        if publication_exists(connection, name):
            connection.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))
            done.append(f"dropped the publication {name}")
    return done
