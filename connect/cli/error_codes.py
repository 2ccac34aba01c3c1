"""The page of every code, made from what ``connect explain`` says."""

from __future__ import annotations

from connect.cli.explain import explanations

_HEAD = """\
# Codes

Made by `python -m connect.cli.error_codes`; do not edit. `connect explain CODE` prints the same.

A code stands before the colon of a message, in the `code` of a FAILED or RETRYING connector, and in `--json`. Where a
plugin says more of a code, its name stands behind it.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for code, by_owner in sorted(explanations().items()):
        for owner, text in by_owner.items():
            title = f"## {code} ({owner})" if owner else f"## {code}"
            parts.append(f"{title}\n\n{text.what}\n\n- **Is data lost?** {text.lost}\n- **What to do:** {text.do}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
