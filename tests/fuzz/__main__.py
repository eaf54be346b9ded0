"""`python -m tests.fuzz`: damage good files in all ways for a while, and say what broke its promise.

    make fuzz                                  an hour with a seed of the day
    make fuzz FUZZ_MINUTES=5 FUZZ_SEED=7
    python -m tests.fuzz --seed 7 --case 123   one case again, with all that it says

The table goes to stdout and to a file; the exit code is 1 when there was a fault.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import crafted
from tests.fuzz.cases import TARGETS, Case, good_case, made_case
from tests.fuzz.running import Outcome, import_everything, run_case
from tests.fuzz.verdict import ACCEPTED, FAULTS, Table, is_silent, judge

_AGAIN = 4
"""Each so many accepted cases are run a second time: the result must be the same."""


class Fuzzer:
    """Runs cases against a folder of good files, and counts."""

    def __init__(self, good: Path) -> None:
        self.good, self.table = good, Table()
        self._undamaged: dict[int, Outcome] = {}
        self._accepted = 0

    def try_case(self, case: Case) -> tuple[str, Outcome]:
        outcome = run_case(case)
        verdict = judge(case, outcome)
        if verdict == ACCEPTED and case.is_telling and is_silent(case, outcome, self._good(case.target)):
            verdict = "silent"
        # FFmpeg's frame threads conceal damaged frames not the same twice (docs/recordings.md): dubs of them are not compared.
        if verdict == ACCEPTED and case.outputs and case.kind != "media: dub":
            self._accepted += 1
            if self._accepted % _AGAIN == 0 and run_case(case).results != outcome.results:
                verdict = "unequal"
        self.table.add(case, verdict, outcome)
        return verdict, outcome

    def _good(self, target: int) -> Outcome:
        if target not in self._undamaged:
            self._undamaged[target] = run_case(good_case(target, self.good))
        return self._undamaged[target]


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Try damaged and hostile inputs.")
    parser.add_argument("--seed", type=int, default=0, help="what all cases follow from")
    parser.add_argument("--cases", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--case", type=int, help="run this one only and show what it says")
    parser.add_argument("--good", action="store_true", help="run every target with nothing damaged: all must be accepted")
    parser.add_argument("--crafted", action="store_true", help="run the named cases first")
    parser.add_argument("--named", help="run the named cases whose name contains this, and show what they say")
    parser.add_argument("--material", type=Path, help="keep the good files in this folder, and take them from there")
    parser.add_argument("--table", type=Path, help="file to write the table to")
    options = parser.parse_args()
    import_everything()
    with TemporaryDirectory(prefix="fuzz-good-") as temporary:
        folder = options.material or Path(temporary)
        if not (folder / "boxes.pkl").exists():
            run_apart(folder)
        fuzzer = Fuzzer(folder)
        if options.case is not None:
            return _show(fuzzer, [made_case(options.seed, options.case, fuzzer.good)])
        if options.named is not None:
            return _show(fuzzer, [case for case in crafted.cases(fuzzer.good) if options.named in case.name])
        if options.good:
            return _show_good(fuzzer)
        if options.crafted:
            for case in crafted.cases(fuzzer.good):
                fuzzer.try_case(case)
        deadline = time.monotonic() + 60 * options.minutes
        for number in range(options.first, options.first + options.cases):
            if time.monotonic() > deadline:
                break
            verdict, _ = fuzzer.try_case(made_case(options.seed, number, fuzzer.good))
            if verdict in FAULTS:
                sys.stderr.write(fuzzer.table.faults[-1] + "\n")
    text = fuzzer.table.text()
    sys.stdout.write(text)
    if options.table:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        options.table.write_text(text, encoding="utf-8")
    return 1 if fuzzer.table.faults else 0


def run_apart(folder: Path) -> None:
    """Make the good files in a process of its own: this one must not have worked, so that it can be forked."""
    outcome = run_case(Case("", "material", ("tests.fuzz.material", str(folder)), {}))
    if outcome.code:
        raise RuntimeError(f"the good files could not be made: {outcome.said}")


def _show(fuzzer: Fuzzer, cases: list[Case]) -> int:
    for case in cases:
        verdict, outcome = fuzzer.try_case(case)
        facts = f"code {outcome.code}, {outcome.seconds:.1f} s, {outcome.peak / 1e6:.0f} MB, left {list(outcome.left)}"
        sys.stdout.write(f"{case.kind}: {case.name}\n{' '.join(case.command)}\n{outcome.said}\n{verdict}: {facts}\n\n")
    return 1 if fuzzer.table.faults else 0


def _show_good(fuzzer: Fuzzer) -> int:
    for number in range(len(TARGETS)):
        case = good_case(number, fuzzer.good)
        verdict, outcome = fuzzer.try_case(case)
        if verdict != ACCEPTED:
            sys.stdout.write(f"{verdict}: {case.name}: {outcome.said[-500:]}\n")
    sys.stdout.write(fuzzer.table.text())
    return 1 if sum(row[ACCEPTED] for row in fuzzer.table.rows.values()) < len(TARGETS) else 0


if __name__ == "__main__":
    sys.exit(main())
