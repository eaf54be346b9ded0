"""Whether what came of a case keeps the promise: done, or one clear line and exit code 2; nothing left, no memory eaten."""

from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.cases import Case
from tests.fuzz.running import MOST_BYTES, Outcome

ACCEPTED, CLEAN = "accepted", "clean"
FAULTS = ("unexpected", "lines", "crash", "hang", "memory", "leftovers", "silent", "unequal")
COLUMNS = ("tried", CLEAN, ACCEPTED, *FAULTS)


def judge(case: Case, outcome: Outcome) -> str:
    if outcome.hung:
        return "hang"
    if outcome.peak > MOST_BYTES:
        return "memory"
    if outcome.code < 0:
        return "crash"
    if outcome.code not in case.codes or "Traceback" in outcome.said or "unexpected error" in outcome.said:
        return "unexpected"
    if outcome.left or (outcome.code == 2 and outcome.results):
        return "leftovers"
    if case.words not in outcome.said:
        return "lines"
    if outcome.code == 2:
        return CLEAN if _is_one_line(outcome.said) else "lines"
    return ACCEPTED


def is_silent(case: Case, outcome: Outcome, good: Outcome) -> bool:
    """Whether a damaged input gave another result without a word."""
    return case.is_telling and outcome.results != good.results and not outcome.said.strip()


def _is_one_line(said: str) -> bool:
    """Exactly one line of error, the last; usage errors of argparse have their usage before it."""
    lines = [line for line in said.splitlines() if line.strip()]
    return sum(": error: " in line for line in lines) == 1 and ": error: " in lines[-1]


@dataclass
class Table:
    """Verdicts by kind, and the faults with what was said."""

    rows: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, case: Case, verdict: str, outcome: Outcome) -> None:
        """Count a case, and keep it when it is a fault."""
        row = self.rows.setdefault(case.kind, Counter())
        row["tried"] += 1
        row[verdict] += 1
        if verdict in FAULTS:
            last = outcome.said.strip().splitlines()[-1:] or [""]
            facts = f"code {outcome.code}, {outcome.seconds:.1f} s, {outcome.peak / 1e6:.0f} MB"
            left = f", left {', '.join(outcome.left[:3])}" if outcome.left else ""
            self.faults.append(f"{verdict}: {case.kind}: {case.name}: {facts}{left}: {last[0][:300]}")

    def text(self) -> str:
        total: Counter[str] = sum(self.rows.values(), Counter())
        lines = [f"| kind | {' | '.join(COLUMNS)} |", f"| --- |{' --- |' * len(COLUMNS)}"]
        for kind, row in [*sorted(self.rows.items()), ("all", total)]:
            lines.append(f"| {kind} | {' | '.join(str(row[name]) for name in COLUMNS)} |")
        return "\n".join([*lines, "", *self.faults]) + "\n"
