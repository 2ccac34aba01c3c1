"""A log that is damaged on its way, or holds what this version does not know: never parsed, never skipped."""

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit

import pytest

from connect.errors import Failed, Retriable

pytestmark = pytest.mark.stack


class Proxy:
    """Passes bytes on; what comes from the server goes through ``change``, and nothing while ``stalled``."""

    def __init__(self, url):
        server = urlsplit(url)
        self._to = (server.hostname, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mysql://{server.username}@127.0.0.1:{self._listener.getsockname()[1]}/"
        self.change = bytes
        self.stalled = threading.Event()
        self._links = []
        self._threads = [threading.Thread(target=self._serve, name="proxy")]
        self._threads[0].start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                pair = client, socket.create_connection(self._to)
                self._links.append(pair)
                self._threads.append(threading.Thread(target=self._pass, args=pair, name="proxied"))
                self._threads[-1].start()

    def _pass(self, client, server):
        with client, server, contextlib.suppress(OSError):
            while True:
                for readable in select.select([client, server], [], [], 0.1)[0]:
                    if readable is server and self.stalled.is_set():
                        self.stalled.wait(0.05)
                        continue
                    data = readable.recv(65536)
                    if not data:
                        return
                    server.sendall(data) if readable is client else client.sendall(self.change(data))

    def cut(self):
        for pair in self._links:
            for link in pair:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def proxy(shop):
    made = Proxy(shop.server.address)
    yield made
    made.close()


@pytest.fixture
def plain(new_shop):
    """A MySQL whose log has no checksums, and a proxy before it."""
    shop = new_shop("mysql", "plain", settings={"binlog_checksum": "NONE"})
    made = Proxy(shop.server.address)
    yield shop, made
    made.close()


def ids(events):
    return [event.after["id"] for event in events]


def mark(shop):
    shop.sql("INSERT INTO t VALUES (2, 'mark-of-the-test')")


def test_F69_a_damaged_byte_is_read_once_more_and_then_stops_the_source(shop, proxy):
    reader = shop.open(url=proxy.url, tls={"mode": "disabled"})
    shop.insert(1, 1)
    reader.read(1)
    proxy.change = lambda data: data.replace(b"mark-of", b"mark-Of")
    mark(shop)
    with pytest.raises(Retriable) as damaged:
        reader.drain()
    assert damaged.value.code == "checksum"
    resume = reader.close()

    again = shop.open(resume, url=proxy.url, tls={"mode": "disabled"})
    with pytest.raises(Failed) as failed:
        again.drain()
    assert failed.value.code == "checksum"
    assert ids(shop.open(again.close()).read(1)) == [2]


def test_F69_a_byte_that_is_damaged_once_is_read_once_more(shop, proxy):
    reader = shop.open(url=proxy.url, tls={"mode": "disabled"})
    proxy.change = lambda data: data.replace(b"mark-of", b"mark-Of")
    mark(shop)
    with pytest.raises(Retriable):
        reader.drain()
    proxy.change = bytes

    assert ids(shop.open(reader.close(), url=proxy.url, tls={"mode": "disabled"}).read(1)) == [2]


def test_F57_an_event_of_a_type_that_is_not_known_stops_the_source(plain):
    shop, proxy = plain
    reader = shop.open(url=proxy.url, tls={"mode": "disabled"})

    def unknown(data):
        at = data.find(b"mark-of")
        if at < 0:
            return data
        start = data.rindex(b"\x1e" + shop.server_id, 0, at)  # a WRITE_ROWS of this server
        return data[:start] + b"\xac" + data[start + 1 :]

    shop.server_id = int(shop.sql("SELECT @@server_id")[0][0]).to_bytes(4, "little")
    proxy.change = unknown
    mark(shop)
    with pytest.raises(Failed, match="172") as failed:
        reader.drain()

    assert failed.value.code == "unknown_event"
    assert ids(shop.open(reader.close()).read(1)) == [2]


def test_F67_a_link_that_carries_nothing_more_is_noticed(shop, proxy, monkeypatch):
    monkeypatch.setattr("connectors.mysql.binlog.stream._SHORTEST_PATIENCE", 1.0)
    reader = shop.open(url=proxy.url, tls={"mode": "disabled"})
    shop.insert(1, 1)
    reader.read(1)
    proxy.stalled.set()
    with pytest.raises(Retriable, match="heartbeat"):
        reader.drain()

    shop.insert(2, 2)
    assert ids(shop.open(reader.close()).read(1)) == [2]


def test_a_link_that_is_cut_again_and_again_loses_and_repeats_nothing(shop, proxy):
    got, number = [], 0
    reader = shop.open(url=proxy.url, tls={"mode": "disabled"})
    for _ in range(5):
        shop.insert(number, number + 99)
        number += 100
        reader.step()
        proxy.cut()
        with pytest.raises(Retriable):
            reader.drain()
        got += ids(reader.events)
        reader = shop.open(reader.close(), url=proxy.url, tls={"mode": "disabled"})
    reader.until(lambda: len(got) + len(reader.events) == number)
    assert got + ids(reader.events) == list(range(number))
