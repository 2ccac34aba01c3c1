"""A file as it may be shown to strangers: every option that can hold a secret is ``***``, comments are gone."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import yaml

from connect.config.document import read_document
from connect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HIDDEN: Final = "***"
_SECRET: Final = re.compile(
    r"pass|pwd|^pw$|secret|token|api_?key|mask_key|credential|private|sasl\.jaas|oauth|authorization|cookie",
    re.IGNORECASE,
)
_MISSPELT: Final = ("password", "secret", "token", "api_key", "mask_key")  # a file with faults is reported too
# A file's own texts may be no URL at all: whatever stands up to the last @ behind a user is taken for a password.
_ANY_LOGIN: Final = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]*://)(?P<user>[^:@]*):(?P<password>.*)@", re.IGNORECASE | re.DOTALL
)
_IN_DSN: Final = re.compile(
    r"(?P<name>\b\w*(?:pass|pwd|secret|token)\w*\s*=\s*)(?!\$\{)('[^']*'|[^\s&]*)", re.IGNORECASE
)
_BEARER: Final = re.compile(r"\b(?P<name>Bearer|Basic|ApiKey)\s+\S+", re.IGNORECASE)
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
    if _is_secret(name) and not _REFERENCE.fullmatch(text):
        return HIDDEN
    return _shown(text) if isinstance(value, str) else _number(value)


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name) or get_close_matches(name.lower(), _MISSPELT, n=1, cutoff=0.75))


def _shown(text: str) -> str:
    """An option's text, whether it is what the option wants or not."""
    text = _BEARER.sub(lambda found: f"{found['name']} {HIDDEN}", _IN_DSN.sub(lambda f: f["name"] + HIDDEN, text))
    return without_secrets(_ANY_LOGIN.sub(_hidden, text))


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, float) else int(value)


def without_secrets(text: str) -> str:
    """A text whose URLs show no password; references stay, they name only where it is."""
    return _IN_QUERY.sub(lambda found: found["name"] + HIDDEN, _IN_URL.sub(_hidden, text))


def _hidden(found: re.Match[str]) -> str:
    password = found["password"]
    kept = password if _REFERENCE.fullmatch(password) else HIDDEN
    return f"{found['head']}{found['user']}:{kept}@"
