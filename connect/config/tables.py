"""A source's tables: which of those on the server are captured, each with its final options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.api.tables import TableOptions, View
from connect.config.precedence import Chosen, choose, unmatched, unused_transforms
from connect.config.problems import by_place, nearest
from connect.errors import ConfigError, Failed, Problem
from connect.record import plain_shape
from connect.transforms.build import table_chain
from connect.transforms.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connect.api.tables import TableInfo
    from connect.config.models import Selection, SourceConfig
    from connect.schema.model import TableId


def resolve_tables(source: SourceConfig, discovered: Sequence[TableInfo]) -> dict[TableId, TableOptions]:
    """The tables that a source captures, checked against what the server says of them.

    Args:
        source: The source.
        discovered: The tables that its server has.

    Raises:
        ConfigError: With every problem: a pattern that matches nothing, patterns that disagree, unknown columns, a key
            outside the replica identity, a state view without a key, transforms that do not fit.
    """
    problems = unmatched(source.tables, source.exclude, [str(info.table) for info in discovered], "table")
    found: dict[TableId, TableOptions] = {}
    masked: set[str] = set()
    for info in sorted(discovered, key=lambda info: info.table):
        chosen = choose(str(info.table), source.tables, source.exclude, source.defaults, problems)
        if chosen:
            wrong: list[Problem] = []
            options = _options(info, chosen, wrong)
            masked |= set(options.mask or {}) & info.schema.index.keys()
            found[info.table] = options
            problems += wrong or _chain_problems(source, info, options, chosen)
    problems += _masks_nothing(source.tables, source.defaults, masked)
    problems += unused_transforms(source.transforms, [str(table) for table in found], "table")
    if problems:
        raise ConfigError(by_place(problems))
    return found


def named_exactly(source: SourceConfig, table: TableId) -> bool:
    """Whether the file has the table's own name, not only a pattern that matches it."""
    return any(entry.pattern and entry.pattern.exact and entry.pattern.matches(str(table)) for entry in source.tables)


def _options(info: TableInfo, chosen: Chosen, problems: list[Problem]) -> TableOptions:
    """The final options; what does not fit the table is added to ``problems``."""
    options: dict[str, Any] = dict(chosen.options)
    key = options.get("key") or info.schema.key
    for option in ("columns", "key"):
        problems += _unknown(option, options.get(option) or (), info, chosen)
    if "mask" in options:
        # All of it is kept: rows of the log from before a column was dropped still have it.
        if "mask" in chosen.exact:
            problems += _unknown("mask", options["mask"], info, chosen)
        options["mask"] = options["mask"] or None
    if options.get("columns"):
        missing = [name for name in key if name not in options["columns"]]
        if missing:
            message = f"{info.table}: columns leaves out the key column {missing[0]!r}"
            problems.append(Problem(_place(chosen, "columns"), message, f"add {missing[0]} to columns"))
    problems += _key_problems(info, key, options, chosen)
    if not key:
        options["views"] = (View.EVENTS,)  # DESIGN §6: keyless tables have only the event view
    return TableOptions(**options, origin=dict(chosen.origin))


def _key_problems(info: TableInfo, key: Sequence[str], options: dict[str, Any], chosen: Chosen) -> list[Problem]:
    if not key:
        if "views" in chosen.exact and View.STATE in options["views"]:
            message = f"{info.table} has no primary key, so it cannot have a state view"
            return [Problem(_place(chosen, "views"), message, "write views: [events], or name key: [columns]")]
        return []
    outside = [name for name in key if info.identity is not None and name not in info.identity]
    if not outside or not all(name in info.schema.index for name in key):
        return []
    message = f"{info.table}: the key column {outside[0]!r} is not in the table's replica identity"
    fix = f"on Postgres: ALTER TABLE {info.table} REPLICA IDENTITY FULL; or USING INDEX one over the key"
    return [Problem(_place(chosen, "key"), message, fix)]


def _unknown(option: str, names: Iterable[str], info: TableInfo, chosen: Chosen) -> list[Problem]:
    """Columns that an option names and the table lacks."""
    return [
        Problem(
            _place(chosen, option), f"{option}: {info.table} has no column {name!r}", nearest(name, info.schema.index)
        )
        for name in names
        if name not in info.schema.index
    ]


def _place(chosen: Chosen, option: str) -> str:
    return chosen.origin.get(option, chosen.where)


def _masks_nothing(entries: Sequence[Selection], defaults: Selection, masked: set[str]) -> list[Problem]:
    """A mask under defaults or a pattern applies where the column is; a name that no table has is a typo."""
    problems = []
    for entry in (defaults, *entries):
        for name in entry.options.get("mask") or {}:
            if name not in masked and not (entry.pattern and entry.pattern.exact):
                message = f"mask: no captured table has a column {name!r}"
                problems.append(Problem(entry.places["mask"], message, "correct the name, or take it out"))
    return problems


def _chain_problems(source: SourceConfig, info: TableInfo, options: TableOptions, chosen: Chosen) -> list[Problem]:
    """What the table's transforms say of the table as it is."""
    applied = [item for item in source.transforms if item.applies_to(str(info.table))]
    try:
        chain = table_chain(source, info.table, options, frozenset(info.schema.index))
    except Failed as error:
        return [Problem(applied[0].where if applied else chosen.where, error.message, error.hint)]
    shape = plain_shape(info.schema.with_key(options.key or info.schema.key))
    first = [_place(chosen, option) for option in ("mask", "columns") if getattr(options, option)]
    masked = frozenset(options.mask or ())
    for number, (transform, where) in enumerate(
        zip(chain.transforms, [*first, *(item.where for item in applied)], strict=True)
    ):
        of_the_mask = number == 0 and bool(options.mask)  # which may name columns that other tables have
        names: tuple[str, ...] = () if of_the_mask else getattr(transform, "names", ())
        missing = [name for name in names if name not in shape.schema.index]
        if missing:
            there = nearest(missing[0], shape.schema.index)
            return [Problem(where, f"{info.table} has no column {missing[0]!r} here", there)]
        if isinstance(transform, Filter) and masked & set(names):
            message = f"{info.table}: {names[0]!r} is masked, so it cannot be compared"
            return [Problem(where, message, "filter on another column, or mask it by a transform after the filter")]
        try:
            shape = transform.shape(shape)
        except Failed as error:
            return [Problem(where, error.message, error.hint)]
    return []
