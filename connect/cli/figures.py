"""Numbers as people read them."""

from __future__ import annotations

_BYTES = ("B", "kB", "MB", "GB", "TB")


def count(value: float) -> str:
    """``1,234,567``."""
    return f"{value:,.0f}"


def progress(rows: int, total: int | None) -> str:
    """``25,000 of 100,000``; a total of 0 or below the rows is a guess of a table never analysed, so none."""
    return f"{count(rows)} of {count(total)}" if total and total >= rows else count(rows)


def size(value: int) -> str:
    """``512 B``, ``4.1 kB``, ``16.8 MB``: powers of 1,000, as disks are sold."""
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(_BYTES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_BYTES[unit]}" if unit else f"{value} B"


def span(seconds: float) -> str:
    """``0.3 s``, ``42 s``, ``3 min 20 s``, ``5 h 12 min``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, below, lower in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {lower}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"
