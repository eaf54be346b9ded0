"""What the runs of the stages come to: medians, and ratios to the baseline's."""

import statistics
from dataclasses import dataclass

STAGES = ("av2unit", "unit2unit", "vocoder", "lips")
BEAM = 20
KOX_LENGTHS = {5: (91, 51), 50: (235, 205), 95: (533, 487)}
"""English and Korean units of a Ko-X sentence without repeats, by percentile of its 150,660 training pairs."""
SENTENCE_STEPS = 150
"""Steps of the search that earlier figures were measured with; its source has as many units."""


@dataclass
class BenchmarkRow:
    """One line of the table: medians over `runs` runs of `amount` (seconds of media, or steps).

    ratio: of the baseline's CPU seconds to these, with the same allocator; None = the baseline was not run. Where the
    baseline ran less than `amount`, its seconds are taken in proportion.
    """

    stage: str
    who: str
    keeps: bool
    amount: float
    runs: int
    cpu_s: float
    wall_s: float
    peak_mib: float
    ratio: float | None
    agreement: str


def benchmark_rows(points: dict[str, dict]) -> list[BenchmarkRow]:
    """Return the table of a stage: medians of the runs of each side and amount, and their ratio to the baseline's."""
    groups: dict[tuple[bool, float, str], list[dict]] = {}
    for run in points.values():
        if "who" in run:
            groups.setdefault((run["keeps"], run["amount"], run["who"]), []).append(run)
    found = []
    for (keeps, amount, who), runs in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1])):
        cpu_s = _median(runs, "cpu_s")
        base_amount, base_runs = _baseline_runs(groups, keeps, amount)
        ratio = _median(base_runs, "cpu_s") * amount / base_amount / cpu_s if base_runs else None
        agreed = next((run["agreement"] for run in runs if run["agreement"]), "")
        peak_mib = max(run["peak_mib"] for run in runs)
        wall_s = _median(runs, "wall_s")
        found.append(BenchmarkRow(runs[0]["stage"], who, keeps, amount, len(runs), cpu_s, wall_s, peak_mib, ratio, agreed))
    return found


def _baseline_runs(groups: dict[tuple[bool, float, str], list[dict]], keeps: bool, amount: float) -> tuple[float, list[dict]]:
    """Return what the baseline ran of this amount, or of the largest below it."""
    there = {key[1]: runs for key, runs in groups.items() if not runs[0]["is_ours"] and key[0] == keeps and key[1] <= amount}
    return (max(there), there[max(there)]) if there else (amount, [])


def _median(runs: list[dict], what: str) -> float:
    return statistics.median(run[what] for run in runs)
