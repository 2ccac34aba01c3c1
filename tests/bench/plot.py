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
    """Points and not bars: a logarithmic axis has no zero for a bar to stand on."""
    shown = [result for result in results if result[f"ratio_to_{side}"]][::-1]
    for place, result in enumerate(shown):
        gain = _as_gain(result, result[f"ratio_to_{side}"])
        axes.plot([1, gain], [place, place], color=_OURS, linewidth=1, alpha=0.5)
        axes.plot(gain, place, "o", color=_OURS)
        axes.annotate(f"{gain:.2g}", (gain, place), (0, 6), textcoords="offset points", ha="center", fontsize=8)
        for of, _, number in map(str.split, result["aim"]):
            if of == f"ratio_to_{side}":
                axes.plot(_as_gain(result, float(number)), place, "|", color=_AIM, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(shown)), [result["measure"] for result in shown])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.15)
    axes.set_title(title)
    axes.grid(axis="x", which="both", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _as_gain(result: Mapping[str, Any], ratio: float) -> float:
    return 1 / ratio if result["unit"] in _LESS_IS_BETTER else ratio
