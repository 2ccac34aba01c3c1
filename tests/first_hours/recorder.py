"""Runs what a user types, and keeps a page of it: commands, what they said, files, SQL."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PATIENCE: Final = 180.0  # seconds for anything to come; the machine may have other work
WIDTH: Final = 110
SHOWN: Final = 40  # lines of an output
_CODES: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WORKER: Final = re.compile(r"(?<=answers on )http://127\.0\.0\.1:\d+")
_LEFT: Final = re.compile(r"127\.0\.0\.1:(?!(8083|8081|9092|9200|5432|5433)\b)")  # but for those of `init`'s comments
_TAKEN: Final = re.compile(r"^.*is taken by another program, so a free port is used\n", re.MULTILINE)


class ToldOtherwiseError(AssertionError):
    """A story that did not come out as it is told."""


class Names:
    """The names that a page shows, and what they stand for on this machine."""

    def __init__(self, real: Mapping[str, str], folder: Path) -> None:
        self._real = dict(real)
        self._shown = {value: name for name, value in real.items()}
        self._shown |= {str(folder): "/home/ada", str(Path.home()): "/home/ada"}
        self._private = [str(folder), f"{Path.home()}/", socket.gethostname(), "/tmp/"]

    def real(self, text: str) -> str:
        """What runs, of what is shown."""
        for name, value in self._real.items():
            text = text.replace(name, value)
        return text

    def shown(self, text: str) -> str:
        """What is shown, of what was said."""
        text = _TAKEN.sub("", _CODES.sub("", text))
        for value in sorted(self._shown, key=len, reverse=True):
            text = text.replace(value, self._shown[value])
        text = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "worker-1", text)
        return _WORKER.sub("http://127.0.0.1:8083", text)

    def check(self, page: str) -> None:
        """Nothing of this machine is on it.

        Raises:
            ToldOtherwiseError: Which line has some.
        """
        for line in page.splitlines():
            if _LEFT.search(line) or any(private in line for private in self._private):
                raise ToldOtherwiseError(f"of this machine: {line}")


class Page:
    """A story as it happens."""

    def __init__(self, title: str, folder: Path, names: Mapping[str, str]) -> None:
        self.folder, self.names = folder, Names(names, folder)
        self._parts = [f"# {title}"]
        self._workers: list[Background] = []
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("CONNECT_")}
        self._environment |= {"CONNECT_HOME": str(folder / ".connect"), "COLUMNS": str(WIDTH), "NO_COLOR": "1"}
        self._environment |= {"TERM": "dumb", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def say(self, text: str) -> None:
        """A paragraph or a heading."""
        self._parts.append(text.strip())

    def write(self, name: str, text: str) -> None:
        """A file of the user's, shown as it is written."""
        self.note_file(name, text)
        (self.folder / name).write_text(self.names.real(text))

    def note_file(self, name: str, text: str, lines: int = 100) -> None:
        """A file that is there."""
        self._block("yaml", f"# {name}\n{shortened(text.strip(), lines)}")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a piece of a file, which is there once; shown as a difference."""
        text = (self.folder / name).read_text()
        old, new = old.strip("\n"), new.strip("\n")
        self.expect(text.count(self.names.real(old)) == 1, f"{name} has once: {old}")
        (self.folder / name).write_text(text.replace(self.names.real(old), self.names.real(new)))
        changed = [f"-{line}" for line in old.splitlines()] + [f"+{line}" for line in new.splitlines()]
        self._block("diff", f"# {name}\n" + "\n".join(changed))

    def export(self, **values: str) -> None:
        """Variables of the user's shell."""
        self._environment |= values
        self._block("console", "$ export " + " ".join(f"{key}={value}" for key, value in values.items()))

    def run(self, command: str, *, code: int | None = 0, lines: int = SHOWN) -> str:
        """A command and what it says, which is returned as it was; it must end with this exit code; None: any."""
        began = time.monotonic()
        done = subprocess.run(
            shlex.split(self.names.real(command)),
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        print(f"  {time.monotonic() - began:5.1f} s  {command}", flush=True)
        said = self.names.shown(done.stdout).rstrip()
        ended = f"\n$ echo $?\n{done.returncode}" if done.returncode else ""
        self._block("console", f"$ {command}\n{shortened(said, lines)}".rstrip() + ended)
        self.expect(
            code in {None, done.returncode}, f"{command} ended with {done.returncode}, not {code}:\n{done.stdout}"
        )
        return done.stdout

    def quietly(self, command: str) -> str:
        """What a command prints, for somebody else's eyes: not shown."""
        done = subprocess.run(
            shlex.split(self.names.real(command)),
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return done.stdout

    def start(self, command: str, log: str) -> Background:
        """A command that goes on beside the others, and writes to a file."""
        self._block("console", f"$ {command} > {log} 2>&1 &")
        return self.start_unseen(command, log)

    def start_unseen(self, command: str, log: str) -> Background:
        """The same for somebody else's."""
        print(f"         {command} &", flush=True)
        worker = Background(self, shlex.split(self.names.real(command)), self.folder / log, self._environment)
        self._workers.append(worker)
        return worker

    def sql(self, url: str, script: str, *, lines: int = SHOWN) -> None:
        """A script that somebody runs on a database, shown; in one session, each statement by itself."""
        self._block("sql", shortened(self.names.shown(script).strip(), lines))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(self.names.real(script).encode())

    def ask(self, url: str, query: str) -> Any:
        """The one value of a query, shown with it."""
        found = value(url, query)
        self._block("sql", f"{query};   -- {found}")
        return found

    def both(self, query: str, first: tuple[str, str], second: tuple[str, str]) -> Any:
        """The one value of a query in two databases, (name, URL) each, which must be equal; shown."""
        found = value(first[1], query)
        self._block("sql", f"-- in {first[0]} and in {second[0]}\n{query};   -- {found} and {value(second[1], query)}")
        self.expect(found == value(second[1], query), f"the same of: {query}")
        return found

    def until_live(self, command: str, connector: str) -> None:
        """Wait until ``connect status --json`` says that a sink is LIVE."""

        def live() -> bool:
            workers = json.loads(self.quietly(command) or '{"workers": []}')["workers"]
            return any(each["connectors"].get(connector, {}).get("state") == "LIVE" for each in workers)

        self.until(f"{connector} is LIVE", live)

    def until(self, what: str, true: Callable[[], Any]) -> None:
        """Wait for something.

        Raises:
            ToldOtherwiseError: It did not come.
        """
        end = time.monotonic() + PATIENCE
        while not true():
            logs = "\n".join(worker.text()[-3000:] for worker in self._workers)
            self.expect(time.monotonic() < end, f"{what}, within {PATIENCE:g} s\n{logs}")
            time.sleep(0.3)

    def expect(self, holds: object, what: str) -> None:
        """A fact of the story.

        Raises:
            ToldOtherwiseError: It is not one.
        """
        if not holds:
            raise ToldOtherwiseError(f"{what}\n\nSo far:\n" + "\n\n".join(self._parts[-6:]))

    def save(self, path: Path) -> None:
        """Write it, if nothing of this machine is on it."""
        page = "\n\n".join(self._parts) + "\n"
        self.names.check(page)
        path.parent.mkdir(exist_ok=True)
        path.write_text(page)

    def _block(self, kind: str, text: str) -> None:
        self._parts.append(f"```{kind}\n{text}\n```")

    @contextlib.contextmanager
    def told(self) -> Iterator[Page]:
        """End what it started, come what may."""
        try:
            yield self
        finally:
            for worker in self._workers:
                worker.end()


class Background:
    """A command that runs beside the others."""

    def __init__(self, page: Page, words: list[str], log: Path, environment: dict[str, str]) -> None:
        self._page, self._log = page, log
        with log.open("w") as out:
            self._process = subprocess.Popen(
                words, cwd=page.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )

    def text(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def wait_for(self, *words: str) -> None:
        """A line with all of these."""
        self._page.until(f"the worker says {words}", lambda: any(_has(line, words) for line in self._lines()))

    def show(self, *, lines: int = SHOWN) -> None:
        """What it has said, as the user reads it."""
        self._page._block("console", f"$ cat {self._log.name}\n{shortened(self._shown(), lines)}")

    def kill(self) -> None:
        """``kill -9``."""
        self._page._block("console", "$ kill -9 %1")
        self._process.kill()
        self._process.wait()

    def stop(self, *, code: int = 0) -> None:
        """As Ctrl-C does; it ends with this exit code."""
        self._page._block("console", "$ kill -INT %1")
        self._process.send_signal(signal.SIGINT)
        self.wait_code(code)

    def wait_code(self, code: int) -> None:
        """It ends, with this exit code."""
        self._page.until("the worker ends", lambda: self._process.poll() is not None)
        self._page.expect(self._process.returncode == code, f"exit code {self._process.returncode}:\n{self.text()}")

    def end(self) -> None:
        """At the end of the story, if it has not ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _lines(self) -> list[str]:
        return self.text().splitlines()

    def _shown(self) -> str:
        return self._page.names.shown(self.text()).rstrip()


def _has(line: str, words: tuple[str, ...]) -> bool:
    return all(word in line for word in words)


def shortened(text: str, lines: int) -> str:
    """Its first and last lines, and how many are left out between them."""
    every = text.splitlines()
    if len(every) <= lines:
        return text
    last = min(6, lines // 3)
    left_out = len(every) - lines
    return "\n".join([*every[: lines - last], f"… {left_out} lines left out …", *every[len(every) - last :]])


def value(url: str, query: str) -> Any:
    """The one value of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query.encode()).fetchone()
    return found[0] if found else None
