"""What is stored carries its form's version: a newer Connect reads older forms, an older one refuses newer ones."""

from __future__ import annotations

from typing import Any

from connect.errors import Failed


def readable(what: str, version: Any, known: int) -> int:
    """The version that something was stored under, where we read it; what was stored without one has version 1.

    Called before anything is changed.

    Args:
        what: The thing, for the message.
        version: As it was stored; None where it was not.
        known: The newest that this Connect reads.

    Raises:
        Failed: ``state_is_newer``; ``offset_format`` for what is no version at all.
    """
    found = 1 if version is None else version
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        message = f"{what} has the version {type(found).__name__}, which is none"
        raise Failed("offset_format", message, hint="Something else wrote it. Restore it from a backup.")
    if found > known:
        message = f"{what} has version {found}, and this Connect reads up to {known}"
        hint = "Upgrade Connect here, or go on with the newer one that wrote it. Nothing was changed."
        raise Failed("state_is_newer", message, hint=hint)
    return found
