"""Tables made from the results, put between markers into README.md (short) and docs/performance.md (long)."""

from pathlib import Path
from typing import Any

from benchmarks import tables
from workshop.evaluate.documents import replace_part

SHORT = ("README.md", "speed")
LONG = "docs/performance.md"
Results = dict[str, dict[str, Any]]

SECTIONS = {
    "stages": tables.stages,
    "mouths": tables.mouths,
    "evaluation": tables.evaluation,
    "work": tables.work,
    "whole": tables.whole,
    "dubs": tables.dubs,
    "growth": tables.growth,
    "many": tables.many,
    "plans": tables.plans,
    "bounds": tables.bounds,
    "conditions": tables.conditions,
}


def write(results: Results, root: Path) -> None:
    """Fill every place that there are results for; the others stay as they are."""
    if short := tables.short(results):
        page, part = SHORT
        replace_part(root / page, part, f"\n{short}\n")
    for part, table in SECTIONS.items():
        if text := table(results):
            replace_part(root / LONG, part, f"\n{text}\n")
