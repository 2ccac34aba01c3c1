"""docs/bench.png: each measure's ratio to its limit and to the peer, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

mpl.use("Agg")  # no screen is needed

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

_LESS_IS_BETTER: Final = frozenset({"ms", "s", "MB"})
_OURS, _AIM = "#2a6f97", "#c1121f"


def draw(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Two panels: times as good as the peer, and share of the limit; the red mark is the aim."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), constrained_layout=True)
    _panel(left, results, "peer", "times as good as Debezium (rows/s, or 1 / time, 1 / memory)")
    _panel(
        right, [result for result in results if result["unit"] == "rows/s"], "limit", "rows/s as a ratio to the limit"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Axes, results: Sequence[Mapping[str, Any]], side: str, title: str) -> None:
    shown = [result for result in results if result[f"ratio_to_{side}"]][::-1]
    values = [_as_gain(result, result[f"ratio_to_{side}"]) for result in shown]
    bars = axes.barh([result["measure"] for result in shown], values, color=_OURS)
    axes.bar_label(bars, fmt="%.2g", padding=4)
    for place, result in enumerate(shown):
        for aim in result["aim"]:
            of, _, number = aim.split()
            if of == f"ratio_to_{side}":
                axes.plot([_as_gain(result, float(number))] * 2, [place - 0.4, place + 0.4], color=_AIM, linewidth=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)


def _as_gain(result: Mapping[str, Any], ratio: float) -> float:
    return 1 / ratio if result["unit"] in _LESS_IS_BETTER else ratio
