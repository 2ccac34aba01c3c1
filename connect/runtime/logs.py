"""Logging of the worker's processes: one line a record, names escaped, libraries tamed."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing import TextIO

_FIELDS: Final = ("connector", "table", "position")
_CHATTY: Final = (
    "asyncio",
    "elastic_transport",
    "elasticsearch",
    "confluent_kafka",
    "httpx",
    "urllib3",
    "uvicorn",
)
# librdkafka's own lines: what lasts is raised as an error and told as a state, the rest is noise while brokers move.
_SILENT: Final = ("connect.kafka.client",)
# Controls (CR, LF, ESC …), surrogates, line separators, and format characters such as right-to-left marks.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escape(text: str) -> str:
    """``text`` on one line and without a character that a terminal or a log reader would act on (F176)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNSAFE else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a process logs; travels from the supervisor to its children.

    Attributes:
        json: One JSON object a line instead of text.
        debug: Every level, the libraries too, and stack traces.
    """

    json: bool = False
    debug: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


class _Lines(logging.Formatter):
    """``2026-11-21T11:59:39.123Z INFO shop: message table=public.orders position=0/16B3748``."""

    def __init__(self, settings: LogSettings, connector: str) -> None:
        super().__init__()
        self._settings = settings
        self._connector = connector

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record.created),
            "level": record.levelname,
            "connector": self._connector,
            "message": record.getMessage(),
        }
        entry |= {name: str(value) for name in _FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and self._settings.debug:
            entry["stack"] = self.formatException(record.exc_info)
        if self._settings.json:
            return json.dumps(entry)
        return _text(entry)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _text(entry: dict[str, str]) -> str:
    named = entry["message"].startswith(f"{entry['connector']}: ")  # as it has to in the supervisor's lines
    connector = f" {escape(entry['connector'])}:" if entry["connector"] and not named else ""
    fields = "".join(f" {name}={escape(entry[name])}" for name in _FIELDS[1:] if name in entry)
    stack = "\n" + "\n".join(escape(line) for line in entry["stack"].splitlines()) if "stack" in entry else ""
    return f"{entry['time']} {entry['level']}{connector} {escape(entry['message'])}{fields}{stack}"


def configure(settings: LogSettings, *, connector: str = "", stream: TextIO | None = None) -> None:
    """Set up the process's logging on standard error; done once, first of all.

    Args:
        settings: How to log.
        connector: The one connector of this process; "" in the supervisor.
        stream: Elsewhere than standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(settings, connector))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if settings.debug else logging.INFO, force=True)
    tame(debug=settings.debug)


def tame(*, debug: bool) -> None:
    """Keep the libraries' own lines away, as every command of ours does; ``debug`` lets them through."""
    for names, level in ((_CHATTY, logging.WARNING), (_SILENT, logging.CRITICAL + 1)):
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG if debug else level)
