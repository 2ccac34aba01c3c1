"""A file as it may be shown to strangers: every option that can hold a secret is ``***``, comments are gone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from connect.config.document import read_document
from connect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HIDDEN: Final = "***"
_SECRET: Final = re.compile(r"pass|secret|token|api_?key|mask_key|credential|private|sasl\.jaas|oauth", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://)(?P<user>[^:/@\s]*):(?P<password>[^/\s]*)@", re.IGNORECASE)
_IN_QUERY: Final = re.compile(r"(?P<name>[?&](?:[a-z_]*(?:pass|secret|token|key)[a-z_]*)=)[^&\s]*", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"\$\{(?:env|file):[^{}]*\}")


def redacted(files: Sequence[Path]) -> str:
    """The files as one YAML text; a file that cannot be read is its problems."""
    parts = []
    for file in files:
        try:
            shown = yaml.safe_dump(_plain(read_document(file).data, ""), sort_keys=False, allow_unicode=True)
        except ConfigError as error:
            shown = "".join(f"# {problem.message}\n" for problem in error.problems)
        parts.append(f"# {file.name}\n{shown}")
    return "---\n".join(parts)


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    if _SECRET.search(name) and not _REFERENCE.fullmatch(text):
        return HIDDEN
    return without_secrets(text) if isinstance(value, str) else _number(value)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, float) else int(value)


def without_secrets(text: str) -> str:
    """A text whose URLs show no password; references stay, they name only where it is."""

    def hide(found: re.Match[str]) -> str:
        password = found["password"]
        kept = password if _REFERENCE.fullmatch(password) else HIDDEN
        return f"{found['head']}{found['user']}:{kept}@"

    return _IN_QUERY.sub(lambda found: found["name"] + HIDDEN, _IN_URL.sub(hide, text))
