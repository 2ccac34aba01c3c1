"""Which entry decides: exclude wins, an exact name beats a pattern, patterns must agree (DESIGN §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connect.config.problems import nearest
from connect.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connect.config.models import Selection, TransformConfig
    from connect.config.patterns import Pattern


@dataclass(frozen=True)
class Chosen:
    """The options of one table or topic.

    Attributes:
        options: Each option that some entry sets.
        origin: ``file:line`` of each.
        exact: Options that the entry of the exact name set.
        where: ``file:line`` of the entry that decides most.
    """

    options: Mapping[str, Any]
    origin: Mapping[str, str]
    exact: frozenset[str]
    where: str


def choose(
    name: str,
    entries: Sequence[Selection],
    exclude: Sequence[Pattern],
    defaults: Selection,
    problems: list[Problem],
) -> Chosen | None:
    """The options of ``name``, or None where no entry matches or ``exclude`` does.

    Two patterns that set one option differently are added to ``problems``.
    """
    matching = [entry for entry in entries if entry.pattern and entry.pattern.matches(name)]
    if not matching or any(pattern.matches(name) for pattern in exclude):
        return None
    options, origin = dict(defaults.options), dict(defaults.places)
    wide = [entry for entry in matching if not (entry.pattern and entry.pattern.exact)]
    narrow = [entry for entry in matching if entry.pattern and entry.pattern.exact]
    decided = {option for entry in narrow for option in entry.options}
    _agree(name, [entry.options.keys() - decided for entry in wide], wide, problems)
    for entry in (*wide, *narrow):
        options.update(entry.options)
        origin.update(entry.places)
    return Chosen(options, origin, frozenset(decided), (narrow or wide)[0].where)


def _agree(name: str, options: Sequence[set[str]], entries: Sequence[Selection], problems: list[Problem]) -> None:
    setter: dict[str, Selection] = {}
    for wanted, entry in zip(options, entries, strict=True):
        for option in sorted(wanted):
            first = setter.setdefault(option, entry)
            if first.options[option] != entry.options[option]:
                texts = [found.pattern.text for found in (first, entry) if found.pattern]
                message = (
                    f"{texts[1]!r} here and {texts[0]!r} at {first.places[option]} set {option} differently for {name}"
                )
                problems.append(Problem(entry.places[option], message, f"give {name} an entry of its own"))


def unmatched(
    entries: Sequence[Selection], exclude: Sequence[Pattern], names: Sequence[str], what: str
) -> list[Problem]:
    """Entries, and exact names under ``exclude``, that match none of the names (a typo that would change nothing)."""
    problems = []
    for entry in entries:
        pattern = entry.pattern
        matched = [name for name in names if pattern and pattern.matches(name)]
        if not pattern or any(not any(out.matches(name) for out in exclude) for name in matched):
            continue
        if matched:
            message, fix = f"every {what} that {pattern.text!r} matches is excluded", "take it out, or narrow exclude:"
        else:
            message, fix = f"no {what} matches {pattern.text!r}", nearest(pattern.text, names)
        problems.append(
            Problem(
                entry.where,
                message,
                _short(fix) or f"there is no {what} at all that we may see: is it the right server?",
            )
        )
    for pattern in exclude:
        if pattern.exact and pattern.text not in names:
            fix = _short(nearest(pattern.text, names)) or "take it out"
            problems.append(Problem(pattern.where, f"exclude names {pattern.text!r}, but there is no such {what}", fix))
    return problems


def unused_transforms(transforms: Iterable[TransformConfig], names: Sequence[str], what: str) -> list[Problem]:
    """Names and patterns of transforms that work on nothing: a typo here would let rows pass untouched."""
    return [
        Problem(
            item.where,
            f"{item.name}: no captured {what} matches {pattern.text!r}",
            _short(nearest(pattern.text, names)),
        )
        for item in transforms
        for pattern in item.applies
        if not any(pattern.matches(name) for name in names)
    ]


def _short(fix: str) -> str:
    """A list of hundreds of tables helps nobody."""
    return fix if len(fix) <= 300 else f"{fix[:300]}…"
