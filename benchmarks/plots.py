"""The curves as PNG, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .figures import Curve, Result

MISSING = "no plots: pip install matplotlib (or 'faciliter-jobs[bench]') for PNGs of the growth curves"


def draw(results: Sequence[Result], out: Path) -> list[Path]:
    """[] without matplotlib, which is imported here only."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    return [
        _draw(curve, out / f"{result.scenario}-{i}.png" if i else out / f"{result.scenario}.png")
        for result in results
        for i, curve in enumerate(result.curves)
    ]


def _draw(curve: Curve, path: Path) -> Path:
    from importlib import import_module

    import_module("matplotlib").use("Agg")
    plt: Any = import_module("matplotlib.pyplot")
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, points in curve.lines.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    xs = [x for points in curve.lines.values() for x, _ in points]
    if max(xs) > 50 * min(xs):
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set(title=curve.title, xlabel=curve.x, ylabel=curve.y)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
