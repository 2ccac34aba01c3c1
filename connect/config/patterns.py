"""Names of tables and topics as the operator writes them: exact names, globs, regular expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_REGEX: Final = 200
_QUANTIFIERS: Final = "*+{"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One name or pattern of ``tables:``, ``topics:`` or ``exclude:``.

    Attributes:
        text: As it stands in the file.
        exact: True for a name without wildcards: it beats every pattern.
        where: ``file:line``.
    """

    text: str
    exact: bool
    where: str
    _regex: re.Pattern[str]

    def matches(self, name: str) -> bool:
        """Whether the whole name fits."""
        return self._regex.fullmatch(name) is not None


def pattern(text: str, where: str = "") -> Pattern:
    """Compile a pattern: ``*`` and ``?`` stop at a dot, ``/…/`` is a regular expression for the whole name.

    Raises:
        ValueError: Empty, no regular expression, or one that could take for ever.
    """
    if not text:
        message = "an empty name matches nothing"
        raise ValueError(message)
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        return Pattern(text, exact=False, where=where, _regex=_regex(text[1:-1]))
    exact = not any(mark in text for mark in "*?")
    glob = "".join({"*": "[^.]*", "?": "[^.]"}.get(letter) or re.escape(letter) for letter in text)
    return Pattern(text, exact=exact, where=where, _regex=re.compile(glob))


def _regex(body: str) -> re.Pattern[str]:
    if len(body) > MAX_REGEX:
        message = f"the regular expression is longer than {MAX_REGEX} characters"
        raise ValueError(message)
    if _is_exponential(body):
        message = (
            "the regular expression repeats a group that repeats or branches, or refers back: it could run for ever"
        )
        raise ValueError(message)
    try:
        return re.compile(body)
    except re.error as error:
        message = f"no regular expression: {error}"
        raise ValueError(message) from None


def _is_exponential(body: str) -> bool:
    """Whether a repeated group holds a repetition or a branch, or a back reference occurs: backtracking without end."""
    groups = [False]  # for each open group: does it hold a repetition or a branch
    text = re.sub(r"\\[^0-9]|\[\^?\]?[^\]]*\]", "x", body)
    closed_risky = False
    for i, letter in enumerate(text):
        if letter == "\\" or text.startswith("(?P=", i):
            return True
        if letter in _QUANTIFIERS and text[i - 1 : i] == ")" and closed_risky:
            return True
        closed_risky = False
        if letter == "(":
            groups.append(False)
        elif letter == ")" and len(groups) > 1:
            closed_risky = groups.pop()
            groups[-1] |= closed_risky
        elif letter == "|" or letter in _QUANTIFIERS:
            groups[-1] = True
    return False
