"""Which columns leave, and under which names: keep, drop, rename."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connect.config.fields import Changes, Model, option
from connect.errors import Failed
from connect.record import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.api.transform import ChangeFunction
    from connect.record import RowShape
    from connect.transforms.facts import Facts


class Fields(Model):
    """Options of ``keep`` and ``drop``."""

    fields: list[str] = option(..., "Names of columns.", changes=Changes.NEW_RECORDS)


class Names(Model):
    """Options of ``rename``."""

    fields: dict[str, str] = option(..., "Old name → new name.", changes=Changes.NEW_RECORDS)


@dataclass(frozen=True)
class Projection:
    """Columns dropped or renamed by a derived shape, at no cost a row.

    Names that a shape lacks are passed over: rows from before an ALTER TABLE lack them, and the start has checked them
    against the table as it is.

    Attributes:
        names: The columns that the operator named.
    """

    facts: Facts
    names: tuple[str, ...]
    kept: frozenset[str] | None = None
    dropped: frozenset[str] = frozenset()
    renamed: Mapping[str, str] | None = None

    def shape(self, shape: RowShape) -> RowShape:
        """The shape without the columns that go.

        Raises:
            Failed: ``transform_key``: a key column would go; ``transform_name_taken``: a new name is there already.
        """
        columns = [
            DerivedColumn(i, replace(field, name=self._new_name(field.name)))
            for i, field in enumerate(shape.schema.columns)
            if self._stays(field.name)
        ]
        names = [column.field.name for column in columns]
        self._check(shape.schema.key, names)
        if names == list(shape.schema.index):
            return shape
        return shape.derive(columns, shape.schema.key)

    @property
    def change(self) -> ChangeFunction | None:
        """Nothing to do for a row."""
        return None

    def _stays(self, name: str) -> bool:
        return name not in self.dropped and (self.kept is None or name in self.kept)

    def _new_name(self, name: str) -> str:
        return (self.renamed or {}).get(name, name)

    def _check(self, key: Sequence[str], names: Sequence[str]) -> None:
        where = f"{self.facts.connector}: {self.facts.name}"
        gone = [name for name in key if name not in names]
        if gone:
            message = f"{where}: the key column {gone[0]!r} cannot be dropped or renamed"
            raise Failed("transform_key", message, hint=f"Leave {gone[0]!r} among the columns, under its own name.")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            message = f"{where}: two columns would be called {twice[0]!r}"
            raise Failed("transform_name_taken", message, hint="Choose another name under rename:, or drop the other.")


def keep(options: Fields, facts: Facts) -> Projection:
    """Only these columns, in the table's order."""
    return Projection(facts, tuple(options.fields), kept=frozenset(options.fields))


def drop(options: Fields, facts: Facts) -> Projection:
    """All columns but these."""
    return Projection(facts, tuple(options.fields), dropped=frozenset(options.fields))


def rename(options: Names, facts: Facts) -> Projection:
    """These columns under new names."""
    return Projection(facts, tuple(options.fields), renamed=dict(options.fields))
