"""The legacy application: it writes to its database as it always did and knows nothing of us.

Each change of a row gets the next number of its key in ``ledger.changes``, in the same transaction; rows carry it in
``lock_version``, as object mappers leave it there. The ledger is outside the captured tables.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = tuple[str, list[Any], int, str]

_LEDGER: Final = "INSERT INTO ledger.changes (table_name, key, n, op) VALUES (%s, %s, %s, %s)"
_PAUSE_SECONDS: Final = 0.01


class Writer:
    """One connection of the monolith, doing one random piece of business a transaction."""

    def __init__(self, url: str, seed: int, stop: threading.Event) -> None:
        """``stop`` ends the thread after the transaction under way."""
        self.changes = 0
        self.error: Exception | None = None
        self._url = url
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
        business: list[tuple[Callable[[psycopg.Cursor[Any]], list[Change]], int]] = [
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
            with psycopg.connect(self._url, application_name="monolith") as connection:
                while not self._stop.is_set():
                    with connection.transaction(), connection.cursor() as cursor:
                        self._record(cursor, self._random.choices(work, weights)[0](cursor))
                    time.sleep(_PAUSE_SECONDS)
        except psycopg.Error as error:
            self.error = error

    def _record(self, cursor: psycopg.Cursor[Any], changes: list[Change]) -> None:
        cursor.executemany(_LEDGER, [(table, orjson.dumps(key).decode(), n, op) for table, key, n, op in changes])
        self.changes += len(changes)

    @staticmethod
    def _one(cursor: psycopg.Cursor[Any]) -> Any:
        row = cursor.fetchone()
        return None if row is None else row[0]

    def _place_order(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        cursor.execute(
            "INSERT INTO public.orders (customer_id, status, total, note, lock_version)"
            " VALUES (%s, 'placed', %s, %s, 1) RETURNING id",
            (self._random.randint(1, 12000), self._random.randint(1, 99999) / 100, self._random.choice([None, "rush"])),
        )
        order = self._one(cursor)
        self._orders.append(order)
        changes: list[Change] = [("public.orders", [order], 1, "c")]
        for line in range(1, self._random.randint(1, 4) + 1):
            cursor.execute(
                "INSERT INTO public.order_items VALUES (%s, %s, md5('product' || %s)::uuid, %s, 9.99, 1)",
                (order, line, self._random.randint(1, 3000), self._random.randint(1, 9)),
            )
            changes.append(("public.order_items", [order, line], 1, "c"))
        return changes

    def _pay(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        order = self._random.randint(1, 30000)
        cursor.execute(
            "UPDATE public.orders SET status = 'paid', lock_version = lock_version + 1 WHERE id = %s"
            " RETURNING lock_version",
            (order,),
        )
        changes: list[Change] = [("public.orders", [order], self._one(cursor), "u")]
        invoice = uuid.UUID(int=self._random.getrandbits(128))
        cursor.execute("INSERT INTO billing.invoices VALUES (%s, %s, 12.50, current_date, true, 1)", (invoice, order))
        changes.append(("billing.invoices", [str(invoice)], 1, "c"))
        cursor.execute(
            "INSERT INTO billing.payments (invoice_id, method, amount, received_at, lock_version)"
            " VALUES (%s, 'card', 12.5, now(), 1) RETURNING id",
            (invoice,),
        )
        changes.append(("billing.payments", [self._one(cursor)], 1, "c"))
        return changes

    def _move_stock(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        product, changes = self._random.randint(1, 3000), list[Any]()
        for warehouse in sorted(self._random.sample(range(1, 5), 2)):
            cursor.execute(
                "UPDATE public.stock SET quantity = quantity + 1, counted_at = now(), lock_version = lock_version + 1"
                " WHERE warehouse_id = %s AND product_id = md5('product' || %s)::uuid"
                " RETURNING product_id::text, lock_version",
                (warehouse, product),
            )
            row = cursor.fetchone()
            if row is not None:
                changes.append(("public.stock", [warehouse, row[0]], row[1], "u"))
        return changes

    def _edit_product(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        """Mostly leaves the long description alone: the log then does not carry it."""
        more = ", description = description || ' Now improved.'" if self._random.random() < 0.1 else ""
        cursor.execute(
            f"UPDATE public.products SET price = price + 0.01, lock_version = lock_version + 1{more}"  # noqa: S608
            " WHERE id = md5('product' || %s)::uuid RETURNING id::text, lock_version",
            (self._random.randint(1, 3000),),
        )
        row = cursor.fetchone()
        return [] if row is None else [("public.products", [row[0]], row[1], "u")]

    def _edit_customer(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        customer = self._random.randint(1, 12000)
        cursor.execute(
            "UPDATE public.customers SET tags = tags || %s::text, lock_version = lock_version + 1 WHERE id = %s"
            " RETURNING lock_version",
            (self._random.choice(["vip", "slow payer", 'the "best"']), customer),
        )
        return [("public.customers", [customer], self._one(cursor), "u")]

    def _rename_coupon(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        """A primary key changes: readers see the old key end and a new one begin."""
        old, new = self._coupons.pop(0), f"NEW{self._seed}-{self.changes}"
        self._coupons.append(new)
        cursor.execute(
            "UPDATE public.coupons SET code = %s, lock_version = lock_version + 1 WHERE code = %s"
            " RETURNING lock_version",
            (new, old),
        )
        n = self._one(cursor)
        return [("public.coupons", [old], n, "d"), ("public.coupons", [new], n, "c")]

    def _cancel_order(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        if not self._orders:
            return []
        order, changes = self._orders.pop(0), list[Any]()
        cursor.execute("DELETE FROM public.order_items WHERE order_id = %s RETURNING line_no, lock_version", (order,))
        changes += [("public.order_items", [order, line], n + 1, "d") for line, n in cursor.fetchall()]
        cursor.execute("DELETE FROM public.orders WHERE id = %s RETURNING lock_version", (order,))
        changes.append(("public.orders", [order], self._one(cursor) + 1, "d"))
        return changes

    def _audit(self, cursor: psycopg.Cursor[Any]) -> list[Change]:
        event = uuid.UUID(int=self._random.getrandbits(128))
        cursor.execute("INSERT INTO public.audit_log VALUES (%s, now(), '10.1.1.1', 'click', '{}')", (event,))
        return [("public.audit_log", [str(event)], 1, "c")]


class Monolith:
    """A few writers at once."""

    def __init__(self, url: str, writers: int = 3) -> None:
        """``url``: the application's own connection."""
        self._url = url
        self._stop = threading.Event()
        self._writers = [Writer(url, seed, self._stop) for seed in range(1, writers + 1)]

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
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("ALTER TABLE public.orders ADD COLUMN channel text")
            connection.execute("ALTER TABLE public.orders ALTER COLUMN channel SET DEFAULT 'web'")

    def stop(self) -> None:
        """End after the transactions under way; raises what a writer met."""
        self._stop.set()
        for writer in self._writers:
            writer.join()
