"""Gives a table another name, and with it another topic or target."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import field_validator

from connect.config.fields import Changes, Model, option
from connect.record import ChangeEvent, RowShape
from connect.schema.model import TableId

if TYPE_CHECKING:
    from connect.api.transform import Change, ChangeFunction
    from connect.transforms.facts import Facts


class Target(Model):
    """Options of ``route``."""

    to: str = option(
        ...,
        "The new name: `{schema}` and `{table}` stand for the old one's parts. Without a dot the schema stays. "
        "A source's topic is its prefix and this name.",
        changes=Changes.IDENTITY,
    )

    @field_validator("to")
    @classmethod
    def _names_are_known(cls, to: str) -> str:
        if not re.fullmatch(r"([A-Za-z0-9._-]|\{schema\}|\{table\})+", to) or to.count(".") > 1:
            message = "letters, digits, _ and -, {schema}, {table} and at most one dot make a name"
            raise ValueError(message)
        return to


@dataclass(frozen=True)
class Route:
    """Another table name. The envelope's source block keeps the name that the database uses."""

    to: str
    facts: Facts
    names: tuple[str, ...] = field(default=(), init=False)

    def rename(self, table: TableId) -> TableId:
        """The new name of a table."""
        parts = [part.replace("{schema}", table.schema).replace("{table}", table.name) for part in self.to.split(".")]
        return TableId(parts[0], parts[1]) if len(parts) == 2 else TableId(table.schema, parts[0])

    def shape(self, shape: RowShape) -> RowShape:
        """The same columns under the other name."""
        table = self.rename(shape.schema.table)
        return RowShape(replace(shape.schema, table=table), shape.split, shape.decode)

    @property
    def change(self) -> ChangeFunction | None:
        """A sink's record names its table itself; an event's name is its shape's."""
        return self._named

    def _named(self, change: Change) -> Change:
        if isinstance(change, ChangeEvent):
            return change
        return replace(change, table=self.rename(change.table))


def build(target: Target, facts: Facts) -> Route:
    """Another name for one table."""
    return Route(target.to, facts)
