"""Log lines: one line a record, nothing that a terminal acts on, no stack without --debug."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from connect.runtime import logs
from connect.runtime.logs import LogSettings, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("connect.tests")


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in ("", *logs._CHATTY, *logs._SILENT)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def written(settings: LogSettings, connector: str = "shop") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(settings, connector=connector, stream=stream)
    return stream


def test_a_line_names_connector_table_and_position() -> None:
    stream = written(LogSettings())

    log.info("read %s", "a chunk", extra={"table": "public.orders", "position": "0/16B3748"})

    assert " INFO shop: read a chunk table=public.orders position=0/16B3748\n" in stream.getvalue()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nERROR fake", "a\\nERROR fake"),
        ("a\r\x1b[2J", "a\\r\\x1b[2J"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u202eb", "a\\u202eb"),
        ("żółw 山", "żółw 山"),
    ],
)
def test_F176_names_cannot_forge_a_line(name: str, shown: str) -> None:
    stream = written(LogSettings())

    log.info("table %s", name, extra={"table": name})

    assert escape(name) == shown
    assert stream.getvalue().count("\n") == 1
    assert f"table {shown} table={shown}" in stream.getvalue()


def test_a_message_that_names_its_connector_has_it_once() -> None:
    stream = written(LogSettings())

    log.warning("shop: public.orders is read again")

    assert stream.getvalue().endswith(" WARNING shop: public.orders is read again\n")


def test_json_lines_carry_the_same_fields() -> None:
    stream = written(LogSettings(json=True))

    log.warning("slow", extra={"table": "a\nb"})

    entry = json.loads(stream.getvalue())
    assert tuple(entry[k] for k in ("level", "connector", "message", "table")) == ("WARNING", "shop", "slow", "a\nb")


def test_a_stack_is_for_debug_only() -> None:
    stream = written(LogSettings())
    log.error("bad", exc_info=ValueError("x"))
    assert "ValueError" not in stream.getvalue()

    stream = written(LogSettings(debug=True))
    log.error("bad", exc_info=ValueError("x"))
    assert "ValueError: x" in stream.getvalue()


def test_libraries_are_heard_from_warnings_up() -> None:
    stream = written(LogSettings())

    logging.getLogger("elastic_transport.transport").info("PUT http://user:secret@host")

    assert stream.getvalue() == ""


def test_the_kafka_library_is_silent_but_for_debug() -> None:
    stream = written(LogSettings())
    logging.getLogger("connect.kafka.client").critical("FATAL [rdkafka#producer-2]")
    assert stream.getvalue() == ""

    stream = written(LogSettings(debug=True))
    logging.getLogger("connect.kafka.client").critical("FATAL [rdkafka#producer-2]")
    assert "rdkafka" in stream.getvalue()
