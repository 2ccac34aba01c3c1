"""An orders table and its records, and a server that answers by script."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = TableId("public", "orders")
ORDERS = TableSchema(
    TABLE,
    (Field("id", Type(Kind.INT64), optional=False), Field("note", Type(Kind.STRING)), Field("body", Type(Kind.STRING))),
    ("id",),
)
KEY = TableSchema(TABLE, ORDERS.columns[:1], ("id",))


@pytest.fixture
def record() -> Callable[..., SinkRecord]:
    """``record(offset, key, note=…, body=…, op=…)``."""

    def make(offset: int, key: int | None, note: Any = None, body: Any = None, op: Op = Op.UPDATE) -> SinkRecord:
        key_row = None if key is None else plain_row(KEY, [key])
        after = None if op in {Op.DELETE, Op.TRUNCATE} else plain_row(ORDERS, [key, note, body])
        return SinkRecord("shop.public.orders", 0, offset, 0, op, key_row, None, after, TABLE)

    return make


@dataclass
class Script:
    """What the server was asked, and what it answers: (status, body) each, or None to hang up without an answer."""

    url: str = ""
    server: Any = None
    product: str = "Elasticsearch"
    answers: list[tuple[int, Any] | None] = field(default_factory=list)
    asked: list[tuple[str, str, list[Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def ids(self) -> list[list[str]]:
        """Document ids of each bulk request."""
        return [[next(iter(line.values()))["_id"] for line in lines if "index" in line] for _, _, lines in self.asked]


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.asked.append((self.command, self.path, [json.loads(line) for line in body.splitlines()]))
            script.headers.append(dict(self.headers))
            answer = script.answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("X-Elastic-Product", script.product)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            if 300 <= status < 400:
                self.send_header("Location", f"{script.url}/elsewhere")
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def script() -> Iterator[Script]:
    """A server on loopback that answers ``script.answers`` in turn, for what a real one cannot be made to say."""
    script = Script()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(script)) as server:
        script.server = server
        script.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="scripted-server")
        server.handle_error = lambda *_: None  # a client that hangs up during the handshake
        thread.start()
        yield script
        server.shutdown()
        thread.join()
