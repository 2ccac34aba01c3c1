"""The legacy application: it writes to its database as it always did and knows nothing of us.

Each change of a row gets the next number of its key in ``ledger.changes``, in the same transaction; rows carry it in
``lock_version``, as object mappers leave it there. The ledger is outside the captured tables.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.demo.origin import full_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.demo.origin import Cursor, Origin

    Change = tuple[str, list[Any], int, str]

_LEDGER: Final = "INSERT INTO ledger.changes (table_name, row_key, n, op) VALUES (%s, %s, %s, %s)"
_PAUSE_SECONDS: Final = 0.01
_TAGS: Final[tuple[list[str], ...]] = (["vip"], ["loyal", "slow payer"], ['the "best"'], [])


class Writer:
    """One connection of the monolith, doing one random piece of business a transaction."""

    def __init__(self, shop: Origin, seed: int, stop: threading.Event) -> None:
        """``stop`` ends the thread after the transaction under way."""
        self.changes = 0
        self.error: Exception | None = None
        self._shop = shop
        self._random = random.Random(seed)  # noqa: S311 - a workload, not a secret
        self._seed = seed
        self._stop = stop
        self._orders: list[int] = []
        self._coupons = [f"SAVE{i}" for i in range(seed, 501, 4)]
        self._thread = threading.Thread(target=self._run, name=f"monolith writer {seed}")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; raises what the writer met."""
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        business: list[tuple[Callable[[Cursor], list[Change]], int]] = [
            (self._place_order, 30),
            (self._pay, 15),
            (self._move_stock, 20),
            (self._edit_product, 10),
            (self._edit_customer, 10),
            (self._rename_coupon, 5),
            (self._cancel_order, 8),
            (self._audit, 10),
        ]
        work, weights = [w for w, _ in business], [n for _, n in business]
        try:
            with closing(self._shop.connect()) as connection, closing(connection.cursor()) as cursor:
                while not self._stop.is_set():
                    orders, coupons = self._orders.copy(), self._coupons.copy()
                    try:
                        self._record(cursor, self._random.choices(work, weights)[0](cursor))
                        connection.commit()
                    except self._shop.error as error:
                        if not self._shop.is_deadlock(error):
                            raise
                        connection.rollback()  # as applications do, which then go on
                        self._orders, self._coupons = orders, coupons
                    time.sleep(_PAUSE_SECONDS)
        except self._shop.error as error:
            self.error = error

    def _record(self, cursor: Cursor, changes: list[Change]) -> None:
        rows = [(full_name(self._shop, table), orjson.dumps(key).decode(), n, op) for table, key, n, op in changes]
        cursor.executemany(_LEDGER, rows)
        self.changes += len(changes)

    def _natives(self, values: Sequence[Any]) -> list[Any]:
        return [self._shop.native(value) for value in values]

    def _update(self, cursor: Cursor, table: str, assignments: str, values: Sequence[Any], **key: Any) -> list[Change]:
        """As object mappers do: lock the row, then write its next version."""
        where = " AND ".join(f"{column} = %s" for column in key)
        keys = self._natives([*key.values()])
        cursor.execute(f"SELECT lock_version FROM {table} WHERE {where} FOR UPDATE", keys)  # noqa: S608 - names of our own
        [version] = cursor.fetchone()
        cursor.execute(
            f"UPDATE {table} SET {assignments}, lock_version = lock_version + 1 WHERE {where}",  # noqa: S608
            [*self._natives(values), *keys],
        )
        return [(table, [*key.values()], version + 1, "u")]

    def _place_order(self, cursor: Cursor) -> list[Change]:
        total, note = self._random.randint(1, 99999) / 100, self._random.choice([None, "rush"])
        order = self._shop.insert(
            cursor,
            "INSERT INTO orders (customer_id, status, total, note, lock_version) VALUES (%s, 'placed', %s, %s, 1)",
            (self._random.randint(1, 12000), total, note),
        )
        self._orders.append(order)
        changes: list[Change] = [("orders", [order], 1, "c")]
        for line in range(1, self._random.randint(1, 4) + 1):
            cursor.execute(
                "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price, lock_version)"
                " VALUES (%s, %s, %s, %s, 9.99, 1)",
                self._natives([order, line, self._product(), self._random.randint(1, 9)]),
            )
            changes.append(("order_items", [order, line], 1, "c"))
        return changes

    def _product(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.randint(1, 3000))

    def _new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128))

    def _pay(self, cursor: Cursor) -> list[Change]:
        order, invoice = self._random.randint(1, 30000), self._new_uuid()
        paid = self._update(cursor, "orders", "status = 'paid'", [], id=order)
        cursor.execute(
            "INSERT INTO billing.invoices (id, order_id, amount, due, paid, lock_version)"
            " VALUES (%s, %s, 12.50, current_date, true, 1)",
            self._natives([invoice, order]),
        )
        payment = self._shop.insert(
            cursor,
            "INSERT INTO billing.payments (invoice_id, method, amount, received_at, lock_version)"
            " VALUES (%s, 'card', 12.5, current_timestamp(6), 1)",
            self._natives([invoice]),
        )
        return [*paid, ("billing.invoices", [invoice], 1, "c"), ("billing.payments", [payment], 1, "c")]

    def _move_stock(self, cursor: Cursor) -> list[Change]:
        product, changes = self._product(), list["Change"]()
        for warehouse in sorted(self._random.sample(range(1, 5), 2)):
            moved = "quantity = quantity + 1, counted_at = current_timestamp(6)"
            changes += self._update(cursor, "stock", moved, [], warehouse_id=warehouse, product_id=product)
        return changes

    def _edit_product(self, cursor: Cursor) -> list[Change]:
        """Mostly leaves the long description alone: the log of Postgres then does not carry it."""
        more = ", description = concat(description, ' Now improved.')" if self._random.random() < 0.1 else ""
        return self._update(cursor, "products", f"price = price + 0.01{more}", [], id=self._product())

    def _edit_customer(self, cursor: Cursor) -> list[Change]:
        customer, tags = self._random.randint(1, 12000), self._random.choice(_TAGS)
        return self._update(cursor, "customers", "tags = %s", [tags], id=customer)

    def _rename_coupon(self, cursor: Cursor) -> list[Change]:
        """A primary key changes: readers see the old key end and a new one begin."""
        old, new = self._coupons.pop(0), f"NEW{self._seed}-{self.changes}"
        self._coupons.append(new)
        [(table, _, n, _)] = self._update(cursor, "coupons", "code = %s", [new], code=old)
        return [(table, [old], n, "d"), (table, [new], n, "c")]

    def _cancel_order(self, cursor: Cursor) -> list[Change]:
        if not self._orders:
            return []
        order = self._orders.pop(0)
        items = self._delete(cursor, "order_items", ["order_id", "line_no"], order_id=order)
        return items + self._delete(cursor, "orders", ["id"], id=order)

    @staticmethod
    def _delete(cursor: Cursor, table: str, key: Sequence[str], **which: int) -> list[Change]:
        [(column, value)] = which.items()
        names = ", ".join(key)
        cursor.execute(f"SELECT lock_version, {names} FROM {table} WHERE {column} = %s FOR UPDATE", (value,))  # noqa: S608
        gone = list(cursor.fetchall())
        cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", (value,))  # noqa: S608
        return [(table, list(row), n + 1, "d") for n, *row in gone]

    def _audit(self, cursor: Cursor) -> list[Change]:
        event = self._new_uuid()
        cursor.execute(
            "INSERT INTO audit_log (event, actor, action, detail) VALUES (%s, '10.1.1.1', 'click', '{}')",
            self._natives([event]),
        )
        return [("audit_log", [event], 1, "c")]


class Monolith:
    """A few writers at once."""

    def __init__(self, shop: Origin, writers: int = 3) -> None:
        """``shop`` has been filled."""
        self._shop = shop
        self._stop = threading.Event()
        self._writers = [Writer(shop, seed, self._stop) for seed in range(1, writers + 1)]

    @property
    def changes(self) -> int:
        """Changes made so far."""
        return sum(writer.changes for writer in self._writers)

    def start(self) -> None:
        """Open for business."""
        for writer in self._writers:
            writer.start()

    def add_column(self) -> None:
        """The application is upgraded while it runs."""
        with closing(self._shop.connect()) as connection, closing(connection.cursor()) as cursor:
            for change in ("ADD COLUMN channel varchar(20)", "ALTER COLUMN channel SET DEFAULT 'web'"):
                cursor.execute(f"ALTER TABLE orders {change}")
                connection.commit()

    def stop(self) -> None:
        """End after the transactions under way; raises what a writer met."""
        self._stop.set()
        for writer in self._writers:
            writer.join()
