"""Pictures of the results."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.rows import ALL_STAGES, Row, rows

_NAMES = {
    "av2unit": "speech and lips\nto units", "unit2unit": "translation", "vocoder": "speech", "lips": "lips",
    "unit2text": "lips to text", "text2unit": "text to units",
}  # fmt: skip
_COLOURS = {"baseline": "#b0b0b0", "ours, float32": "#4477aa", "ours, auto": "#228833"}


def draw_ratios(found: list[Row], path: Path) -> None:
    """How many times as fast as the baseline each stage is, each side's longest run beside a baseline of the same length.

    The allocator is the default one on both sides.
    """
    shown = [row for row in found if not row.keeps and row.ratio is not None and row.baseline_amount == row.amount]
    names = list(dict.fromkeys(row.stage for row in shown))
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for number, who in enumerate(("ours, float32", "ours, auto")):
        ratios = [_ratio(shown, stage, who) for stage in names]
        places = [place + (number - 0.5) * 0.36 for place in range(len(names))]
        bars = axes.bar(places, ratios, 0.34, label=f"{who.removeprefix('ours, ')}", color=_COLOURS[who])
        axes.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios], padding=2, fontsize=8)
    axes.axhline(1, color=_COLOURS["baseline"], linewidth=1)
    axes.set_xticks(range(len(names)), [_NAMES[name] for name in names])
    axes.set_ylabel("times as fast as the baseline")
    axes.legend(title="--precision", frameon=False)
    _save(figure, axes, path)


def _ratio(shown: list[Row], stage: str, who: str) -> float:
    own = [row for row in shown if (row.stage, row.who) == (stage, who)]
    return max(own, key=lambda row: (row.runs, row.amount)).ratio or 0.0 if own else 0.0


def draw_growth(runs: list[dict], path: Path) -> None:
    """Time and memory of a dub against the length of the clip."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    own = sorted(runs, key=lambda run: run["media_s"])
    lengths = [run["media_s"] for run in own]
    left.plot(lengths, [run["cpu_s"] for run in own], "o-", color=_COLOURS["ours, float32"])
    right.plot(lengths, [run["peak_mib"] / 1024 for run in own], "o-", color=_COLOURS["ours, float32"])
    for axes, what in ((left, "CPU time (s)"), (right, "peak memory (GiB)")):
        axes.set_xscale("log")
        axes.set_xlabel("length of the video (s)")
        axes.set_ylabel(what)
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    right.spines[["top", "right"]].set_visible(False)
    _save(figure, left, path)


def _save(figure, axes, path: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw(results: dict[str, dict], folder: Path) -> None:
    """Draw what there are results of into a folder."""
    found = [row for stage in ALL_STAGES if stage in results for row in rows(results[stage]["points"])]
    if found:
        draw_ratios(found, folder / "performance_stages.png")
    runs = list(results.get("growth", {}).get("points", {}).values())
    if runs:
        draw_growth(runs, folder / "performance_growth.png")
