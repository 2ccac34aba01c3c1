"""``kafka:`` and ``schema_registry:`` of a file, for a command that writes them into another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from connect.config.document import Document, read_document
from connect.config.keys import KafkaConfig, RegistryConfig
from connect.config.problems import Report
from connect.config.references import expand
from connect.config.sketch import without_password
from connect.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_SECTIONS: Final = ("kafka", "schema_registry")
_SECRET: Final = re.compile(r"(password|secret|token)$")


class Servers(NamedTuple):
    """Where topics and schemas are, and how one logs in there.

    Attributes:
        kafka: The cluster.
        text: Both sections as YAML, references as they stand, each secret in clear replaced by one.
        variables: Of the environment, that took a secret's place.
    """

    kafka: KafkaConfig
    text: str
    variables: tuple[str, ...]


def load_servers(file: Path) -> Servers:
    """Read the two sections; whatever else stands in the file is not looked at.

    Raises:
        ConfigError: Every problem in them.
    """
    document = read_document(file)
    sections: dict[str, Any] = {name: document.data[name] for name in _SECTIONS if name in document.data}
    report = Report(Document(sections, document.places))
    data = expand(report)
    kafka = None
    if "kafka" in data:
        kafka = report.model(KafkaConfig, data["kafka"], ("kafka",))
    else:
        report.add((), "kafka is missing", 'add kafka: {bootstrap: "host:port"}')
    if "schema_registry" in data:
        report.model(RegistryConfig, data["schema_registry"], ("schema_registry",))
    if kafka is None or report.problems:
        raise ConfigError(report.problems)
    variables: list[str] = []
    shown = {name: _shown(value, name, "", variables) for name, value in sections.items()}
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=1_000)
    return Servers(kafka, text, tuple(variables))


def _shown(value: Any, section: str, key: str, variables: list[str]) -> Any:
    """A value as it may stand in another file."""
    if isinstance(value, dict):
        return {str(name): _shown(item, section, str(name), variables) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, section, key, variables) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    variable = re.sub(r"[^A-Z0-9]", "_", f"{section}_{key}".upper())
    if _SECRET.search(key) and "${" not in text:
        variables.append(variable)
        return f"${{env:{variable}}}"
    if key == "url":
        text, hidden = without_password(text, f"{section.upper()}_PASSWORD")
        variables += [f"{section.upper()}_PASSWORD"] if hidden else []
    return text
