"""Pictures of the results that `python -m benchmarks --out` keeps: `python -m benchmarks.plots`."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
RESULTS, IMAGES = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "images"
_NAMES = {"av2unit": "speech and lips\nto units", "unit2unit": "translation", "vocoder": "speech", "lips": "lips"}
_COLOURS = {"baseline": "#b0b0b0", "ours, float32": "#4477aa", "ours, auto": "#228833"}


def draw_ratios(rows: list[dict], path: Path) -> None:
    """How many times as fast as the baseline each stage is, with the default allocator on both sides."""
    shown = [row for row in rows if not row["keeps"]]
    names = list(dict.fromkeys(row["stage"] for row in shown))
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for number, who in enumerate(("ours, float32", "ours, auto")):
        ratios = [next((row["ratio"] for row in shown if (row["stage"], row["who"]) == (stage, who)), 0) for stage in names]
        places = [place + (number - 0.5) * 0.36 for place in range(len(names))]
        bars = axes.bar(places, ratios, 0.34, label=f"{who.removeprefix('ours, ')}", color=_COLOURS[who])
        axes.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios], padding=2, fontsize=8)
    axes.axhline(1, color=_COLOURS["baseline"], linewidth=1)
    axes.set_xticks(range(len(names)), [_NAMES[name] for name in names])
    axes.set_ylabel("times as fast as the baseline")
    axes.legend(title="--precision", frameon=False)
    _save(figure, axes, path)


def draw_growth(runs: list[dict], path: Path) -> None:
    """Time and memory of a dub against the length of the clip."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    kinds = sorted({(run["size"], run["precision"]) for run in runs})
    for size, precision in kinds:
        own = sorted((run for run in runs if (run["size"], run["precision"]) == (size, precision)), key=lambda run: run["media_s"])
        lengths = [run["media_s"] for run in own]
        left.plot(lengths, [run["cpu_s"] for run in own], "o-", label=f"{size} models, {precision}")
        right.plot(lengths, [run["peak_mib"] / 1024 for run in own], "o-", label=f"{size} models, {precision}")
    for axes, what in ((left, "CPU time (s)"), (right, "peak memory (GiB)")):
        axes.set_xscale("log")
        axes.set_xlabel("length of the video (s)")
        axes.set_ylabel(what)
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=8)
    right.spines[["top", "right"]].set_visible(False)
    _save(figure, left, path)


def _rows(found: list[dict]) -> list[dict]:
    """What `benchmarks.paired` found, in the form of rows of stages."""
    return [
        {"stage": one["stage"], "who": who, "ratio": ratio, "keeps": one["keeps"]}
        for one in found
        for who, ratio in one["ratio"].items()
    ]


def _save(figure, axes, path: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Draw what there are results of."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out-dir", type=Path, default=IMAGES)
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    rows = results["stages"]["found"]["rows"] if "stages" in results else _rows(results.get("paired", {}).get("found", []))
    if rows:
        draw_ratios(rows, options.out_dir / "performance_stages.png")
    runs = [run for part in ("dub", "dub_tiny") if part in results for run in results[part]["found"]]
    if runs:
        draw_growth(runs, options.out_dir / "performance_growth.png")


if __name__ == "__main__":
    main()
