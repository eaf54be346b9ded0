"""Results as Markdown, put between markers into docs/performance.md.

Each function takes the files of all parts by name and gives a table, "" when its part was not measured.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.material import BEAM, STAGES
from recipes.demo.evaluate.documents import replace_part

Results = dict[str, dict[str, Any]]
_NAMES = {"av2unit": "speech and lips to units", "unit2unit": "translation", "vocoder": "speech", "lips": "lips"}
_SHORT_S = 10.0
_GIB = 1024
_NONE = "-"


@dataclass
class BenchmarkRow:
    """Medians over `runs` runs of `amount` (seconds of media, or steps). ratio: of the baseline's CPU seconds to these; None = the
    baseline was not run. Where that ran less than `amount`, its seconds are taken in proportion."""

    who: str
    amount: float
    runs: int
    cpu_s: float
    ratio: float | None


def benchmark_rows(points: dict[str, dict]) -> list[BenchmarkRow]:
    """Return the table of a stage: each side and amount, beside the baseline."""
    groups: dict[tuple[float, str], list[dict]] = {}
    for run in points.values():
        groups.setdefault((run["amount"], run["who"]), []).append(run)
    found = []
    for (amount, who), runs in sorted(groups.items(), key=lambda item: item[0][0]):
        there = {key[0]: base for key, base in groups.items() if not base[0]["is_ours"] and key[0] <= amount}
        cpu_s, most = _median(runs, "cpu_s"), max(there, default=0.0)
        ratio = _median(there[most], "cpu_s") * amount / most / cpu_s if there else None
        found.append(BenchmarkRow(who, amount, len(runs), cpu_s, ratio))
    return found


def write_tables(results: Results, root: Path) -> None:
    """Fill every place that there are results for; the others stay as they are."""
    for page, part, text in (
        ("docs/performance.md", "speed", short(results)),
        ("docs/performance.md", "whole", whole_table(results)),
    ):
        if text:
            replace_part(root / page, part, f"\n{text}\n")


def row_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, "" without lines."""
    body = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body]) if body else ""


def short(results: Results) -> str:
    """Return the table of the beginning: seconds, and how many times as fast as the baseline."""
    lines = [_short_stage(results, stage) for stage in STAGES if stage in results]
    if not lines:
        return ""
    head = ("one thread, CPU seconds", "baseline", "`--precision float32`", "`--precision auto`", "n")
    return f"{_machine(results)}\n\n{row_table(head, lines)}"


def _short_stage(results: Results, stage: str) -> list[str]:
    there = benchmark_rows(results[stage]["points"])
    amount = max((row.amount for row in there if stage == "unit2unit" or row.amount <= _SHORT_S), default=there[0].amount)
    chosen = [row for row in there if row.amount == amount]
    unit = f"{amount:g} steps, beam {BEAM}" if stage == "unit2unit" else f"a second of video, in clips of {amount:g} s"
    cells = [_NAMES[stage] + f", {unit}"]
    each = 1 if stage == "unit2unit" else amount
    for who in (None, "ours, float32", "ours, auto"):
        row = next((row for row in chosen if row.who == who or (who is None and not row.who.startswith("ours"))), None)
        cells.append(_NONE if row is None else f"{row.cpu_s / each:.2f}{_times(row)}")
    return [*cells, str(chosen[0].runs)]


def _times(row: BenchmarkRow) -> str:
    if not row.who.startswith("ours"):
        return " (fairseq)" if row.who == "fairseq" else ""
    return "" if row.ratio is None else f": {row.ratio:.1f} times as fast"


def whole_table(results: Results) -> str:
    """Return the chain, and dubs from file to file."""
    found = _by_name(results.get("chain", {}).get("points", {}))
    lines = []
    for name, runs in found.items():
        spent = _median_cpu_s(runs)
        ratio = f"{_median_cpu_s(found['published']) / spent:.2f}" if "published" in found else _NONE
        inside = ", ".join(f"{stage} {_median(runs, stage):.2f}" for stage in STAGES if stage in runs[0])
        lines.append([name, str(len(runs)), f"{spent:.2f}", ratio, f"{max(run['peak_mib'] for run in runs):.0f}", inside])
    chain = row_table(("chain", "n", "CPU s", "times the baseline", "peak MiB", "CPU s of the parts"), lines)
    return "\n\n".join(filter(None, (chain, dubs(results))))


def dubs(results: Results) -> str:
    """Return dubs from file to file by length."""
    lines = []
    for runs in _by_name(results.get("dub", {}).get("points", {})).values():
        wall, cpu = (_median(runs, what) / runs[0]["media_s"] for what in ("wall_s", "cpu_s"))
        peak = f"{max(run['peak_mib'] for run in runs) / _GIB:.1f} GiB"
        about = f"{runs[0]['media_s']:.0f} s, {runs[0]['precision']}"
        lines.append([about, f"{wall:.2f}", f"{cpu:.2f}", peak, str(len(runs))])
    return row_table(("a dub from file to file, 720p, all cores", "wall s per s", "CPU s per s", "peak memory", "n"), lines)


def _machine(results: Results) -> str:
    abouts = [results[part]["about"] for part in (*STAGES, "chain", "dub") if part in results]
    about, dates = abouts[0], sorted(one["date"] for one in abouts)
    days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return (
        f"{about['cpu']}, {about['cores']} cores{', avx512_bf16' if about['has_bfloat16'] else ''}; torch {about['torch']}; "
        f"{about['size']} size, random weights; baseline: plain eager float32 (`benchmarks/reference`), for the translation "
        f"fairseq's generator; {days}."
    )


def _by_name(points: dict[str, dict]) -> dict[str, list[dict]]:
    """Group runs by name, without their rounds."""
    found: dict[str, list[dict]] = {}
    for name, run in points.items():
        found.setdefault(name.partition(", round ")[0], []).append(run)
    return found


def _median(runs: list[dict], what: str) -> float:
    return statistics.median(run[what] for run in runs)


def _median_cpu_s(runs: list[dict]) -> float:
    """Return the CPU seconds of all stages of a chain."""
    return statistics.median(sum(run[stage] for stage in STAGES) for run in runs)
