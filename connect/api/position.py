"""Where a source stands in its log: a typed, versioned value with a total order on one branch (invariant 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Position(Protocol):
    """One frozen dataclass per source plugin. It is stored after the rows it covers and never goes back."""

    version: ClassVar[int]

    def to_json(self) -> dict[str, Any]:
        """A JSON object; the same keys as the Debezium offset where one exists, and ``version``."""
        ...

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The position of ``to_json``; raises ``Failed``: ``state_is_newer``, or ``offset_format`` (F124)."""
        ...

    def is_after(self, other: Self) -> bool:
        """Whether this position lies strictly after the other on the same branch of history."""
        ...


class Resume(NamedTuple):
    """What a source starts from: the stored position and the notes that rode along with it."""

    position: Position
    notes: Mapping[str, dict[str, Any]]
