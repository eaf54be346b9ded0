"""The stages beside the plain baseline, all in one run."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.ledger import Ledger
from benchmarks.sides import ComparedSide, SideWorker, allocators, baseline, sides

WARM_UP = {"av2unit": 1.0, "unit2unit": 2.0, "vocoder": 0.5, "lips": 0.4}
"""Seconds of media, or decoder steps."""
_LONG_S = 30.0
"""Longer clips are measured once, ours with the last precision only."""
_LONGEST_BASELINE_S = {"lips": 20.0}
"""The baseline draws a whole clip in one batch, and 60 s of it do not fit in 24 GB."""


def measure_stage(stage: str, options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure all sides of a stage in turn, so that a drift of the machine hits all alike."""
    for keeps in allocators(stage):
        everyone = sides(stage, options.precisions, keeps, options.device)
        with ExitStack() as stack:
            workers = {side: stack.enter_context(SideWorker(stage, side, folder, options.threads)) for side in everyone}
            for side, amount, turn in _turns(stage, everyone, options):
                name = f"{side.name}, {'kept' if keeps else 'default'} allocator, {amount:g}, round {turn}"
                ledger.point(name, partial(_run, stage, side, amount, turn, workers[side], scratch))


def _turns(stage: str, everyone: list[ComparedSide], options: argparse.Namespace) -> Iterator[tuple[ComparedSide, float, int]]:
    """Yield who runs how much, in this order, and in which round."""
    amounts = sorted(map(float, options.steps)) if stage == "unit2unit" else sorted(options.lengths)
    for turn in range(1, options.rounds + 1):
        for amount in amounts:
            is_long = stage != "unit2unit" and amount > _LONG_S
            for side in everyone:
                if (side.keeps and amount > amounts[0]) or (is_long and turn > 1):
                    continue
                if is_long and side.is_ours and side.precision != options.precisions[-1]:
                    continue
                if not side.is_ours and stage != "unit2unit" and amount > _LONGEST_BASELINE_S.get(stage, np.inf):
                    continue
                yield side, amount, turn


def _run(stage: str, side: ComparedSide, amount: float, turn: int, worker: SideWorker, scratch: Path) -> dict:
    worker.warm_up(WARM_UP[stage])
    out = scratch / f"{stage} {side.name} {side.keeps} {amount:g}.npy"
    base = scratch / f"{stage} {baseline(stage)} {side.keeps} {amount:g}.npy"
    found = worker.run(amount, out if turn == 1 else None)
    compared = unit_agreement(out, base) if turn == 1 and base.exists() and out != base else ""
    print(f"{stage}, {side.name}, {amount:g}: {found['wall_s']:.2f} s, {found['cpu_s']:.2f} CPU s {compared}", file=sys.stderr)
    about = {"stage": stage, "who": side.name, "is_ours": side.is_ours, "keeps": side.keeps, "amount": amount}
    return about | found | {"agreement": compared}


def unit_agreement(ours: Path, other: Path) -> str:
    """Return how far two results are apart."""
    a, b = np.load(ours), np.load(other)
    if a.shape != b.shape:
        return f"{len(a)} pictures or samples beside {len(b)}: not compared"
    if a.dtype.kind == "i":
        return f"{(a == b).mean():.1%} the same"
    return f"at most {np.abs(a.astype(float) - b.astype(float)).max():.2g} apart"
