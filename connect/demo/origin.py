"""What the shop, its monolith and the comparison need of the database that the shop lives in; one class a kind.

The monolith's statements are the same SQL on all of them. Tables are named without a schema, or without a database on
MySQL, where they are at home; ``full_name`` adds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connect.demo.verdict import Row

TABLES: Final = (
    "customers",
    "addresses",
    "categories",
    "products",
    "warehouses",
    "stock",
    "coupons",
    "orders",
    "order_items",
    "audit_log",
    "billing.invoices",
    "billing.payments",
)
INTERNALS: Final = "sessions"  # a table that the file excludes


class Cursor(Protocol):
    """Of the DB-API, with ``%s`` for values."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> object:
        """Run one statement."""
        ...

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run it for each row of values."""
        ...

    def fetchone(self) -> Any:
        """The next row, None at the end."""
        ...

    def fetchall(self) -> Iterable[Any]:
        """The rows that are left."""
        ...

    def close(self) -> object:
        """Forget them."""
        ...


class Connection(Protocol):
    """Of the DB-API: a transaction begins by itself."""

    def cursor(self) -> Cursor:
        """A new one."""
        ...

    def commit(self) -> object:
        """End the transaction."""
        ...

    def rollback(self) -> object:
        """Undo it."""
        ...

    def close(self) -> object:
        """End the session; what was not committed is gone."""
        ...


class Origin(Protocol):
    """A server with the shop, and the warehouse that the worker fills.

    Attributes:
        title: The server's name, for people.
        home: The schema or database of the tables that are named without one.
        config: The worker's file under configs/.
        error: What its driver raises.
    """

    @property
    def title(self) -> str: ...  # noqa: D102 - see Attributes
    @property
    def home(self) -> str: ...  # noqa: D102
    @property
    def config(self) -> str: ...  # noqa: D102
    @property
    def error(self) -> type[Exception]: ...  # noqa: D102

    def is_deadlock(self, error: Exception) -> bool:
        """Whether the server undid a transaction in favour of another."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What the file refers to."""
        ...

    @property
    def consoles(self) -> Mapping[str, str]:
        """The shop's and the warehouse's command lines, for people."""
        ...

    def fill(self) -> None:
        """Make the databases, the tables and their rows."""
        ...

    def connect(self) -> Connection:
        """As the application: READ COMMITTED, and names find the shop's tables."""
        ...

    def insert(self, cursor: Cursor, statement: str, values: Sequence[Any]) -> int:
        """Run an INSERT; the id that the server gave to the row."""
        ...

    def native(self, value: Any) -> Any:
        """A UUID or a list of tags, as a statement takes it here; anything else is the same everywhere."""
        ...

    def end(self) -> Any:
        """The end of the log."""
        ...

    def passed(self, position: Mapping[str, Any], end: Any) -> bool:
        """Whether a worker's position has reached an ``end``."""
        ...

    def source_rows(self, table: str) -> Iterator[Row]:
        """The rows of a table by its full name, every column as text."""
        ...

    def target_rows(self, table: str) -> Iterator[Row]:
        """Those of the warehouse's table, the same columns, comparable as text."""
        ...


def full_name(origin: Origin, table: str) -> str:
    """``orders`` is ``public.orders`` in Postgres, ``shop.orders`` in MySQL."""
    return table if "." in table else f"{origin.home}.{table}"
