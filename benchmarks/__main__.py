"""Speed and memory beside the plain baseline: `python -m benchmarks` measures, and writes tables and images.

Each part keeps what it measured at once in a file of its own below --results, and can be called alone. Parts: `av2unit`,
`unit2unit`, `vocoder`, `lips` (each stage beside the baseline; the translator on sentences as long as those of Ko-X), `chain` (the
stages of a dub in a row), `dub` (file to file, as much as there is in speech), `training` (updates of each training at its
published size), `corpus` (preparation and extraction of an hour of speech, speech for pairs). At the end the tables of
docs/performance.md and the row of a minute in README.md and docs/ko/README.md are filled from all files (not with --size tiny or
--device cuda). Results of parts that were measured once and are gone lie in results/once.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from avcore.files import private_folder, write_text
from benchmarks import lab, whole
from benchmarks.material import BEAM, KOX_LENGTHS, SENTENCE_STEPS, STAGES
from benchmarks.stages import Ledger, measure_stage, read_results
from recipes.demo.evaluate.documents import replace_part
from recipes.demo.random.random_checkpoints import write_random_checkpoints

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MEASURES = {
    **{stage: partial(measure_stage, stage) for stage in STAGES},
    "chain": whole.measure_chain,
    "dub": whole.measure_dub,
    "training": lab.measure_training,
    "corpus": lab.measure_corpus,
}
_INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Instructions that matter for matrix products, by their names in /proc/cpuinfo."""
_STEPS = sorted([SENTENCE_STEPS, *(korean for _, korean in KOX_LENGTHS.values())])


def machine(options: argparse.Namespace) -> dict:
    """Return machine, versions and settings of the measurements."""
    about = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in reversed(about.read_text().splitlines() if about.is_file() else []))
    cpu = {name.strip(): value.strip() for name, _, value in lines}  # of the first processor

    commit = ["git", "-C", str(ROOT), "log", "-1", "--format=%h"]
    return {
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "family": cpu.get("cpu family"),
        "model": cpu.get("model"),
        "instructions": [one for one in _INSTRUCTIONS if one in cpu.get("flags", "").split()],
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "threads": options.threads,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else None,
        "dub_threads": options.dub_threads,
        "size": options.size,
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "baseline_commit": _output([*commit, "--", "benchmarks/reference"]),
        "commit": _output(commit),
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="*", choices=MEASURES, default=list(MEASURES), help="none = fill the pages only")
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--lengths", nargs="+", type=float, default=[3, 10, 60], help="seconds of clips (default: 3 10 60)")
    parser.add_argument("--steps", nargs="+", type=int, default=_STEPS, help=f"of the translator (default: {_STEPS})")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these; clips over 30 s run once (default: 3)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="of ours; the baseline and the chain run on the CPU"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the stages (default: 1)")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"], help="ours; the baseline is float32")
    parser.add_argument("--dub-threads", type=int, default=os.cpu_count())
    parser.add_argument("--dub-float32-s", type=float, default=10, help="longest clip dubbed in float32 (default: 10)")
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--clips", type=Path, help="folder for made clips, kept (default: temporary)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the files (default: benchmarks/results)")
    parser.add_argument(
        "--trainings", nargs="+", choices=lab.TRAININGS, default=list(lab.TRAININGS), help="of that part (default: all)"
    )
    parser.add_argument("--updates", type=int, default=3, help="of each training, after the first (default: 3)")
    parser.add_argument("--corpus-s", type=float, default=300, help="seconds of speech to prepare and extract (default: 300)")
    parser.add_argument("--no-pages", action="store_true", help="leave docs/performance.md alone")
    return parser


def main() -> None:
    """Measure part by part, then write the pages."""
    options = build_parser().parse_args()

    torch.set_num_threads(1)
    about = machine(options)
    options.results.mkdir(parents=True, exist_ok=True)

    with private_folder() as scratch:
        options.clips = options.clips or scratch / "clips"
        options.clips.mkdir(parents=True, exist_ok=True)
        folder = options.checkpoints or scratch / "checkpoints"
        for part in options.parts:
            ledger = Ledger(options.results / f"{part}.json", about)
            if not folder.exists() and part != "training":
                write_random_checkpoints(folder, options.size)
            begun = time.perf_counter()
            MEASURES[part](options, folder, scratch, ledger)
            print(f"{part}: {time.perf_counter() - begun:.0f} s in all", flush=True)
    if not options.no_pages and options.size == "published" and options.device == "cpu":
        write_tables(read_results(options.results), ROOT)


# Results as Markdown. A table is made from the files of all parts by name; it is "" where its part was not measured


Results = dict[str, dict[str, Any]]
_NAMES = {"av2unit": "speech and lips to units", "unit2unit": "translation", "vocoder": "speech", "lips": "lips"}
_SHORT_S = 10.0
_MINUTE_RUN = "60 s, auto, round 1"
_GIB = 1024
_NONE = "-"


@dataclass
class BenchmarkRow:
    """Medians over the runs of one side."""

    who: str
    amount: float
    """seconds of media, or steps"""
    runs: int
    """number of runs"""
    cpu_s: float
    ratio: float | None
    """the baseline's CPU seconds over these, scaled up where it ran less than `amount`; None = the baseline was not run"""


def benchmark_rows(points: dict[str, dict]) -> list[BenchmarkRow]:
    """Return the rows of a stage: one for each side and amount, with its ratio to the baseline."""
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
    """Fill every place in the pages for which there are results; the others stay unchanged."""
    for page, part, text in (
        ("docs/performance.md", "speed", short(results)),
        ("docs/performance.md", "whole", whole_table(results)),
        ("docs/performance.md", "lab", lab_table(results)),
    ):
        if text:
            replace_part(root / page, part, f"\n{text}\n")

    for page, row in (("README.md", _MINUTE), ("docs/ko/README.md", _MINUTE_KO)):
        if text := minute(results, row):
            path, old = root / page, re.compile(rf"^\| {row.what} \|.*$", re.MULTILINE)
            write_text(path, old.sub(text, path.read_text(encoding="utf-8")))


def row_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; "" without lines."""
    body = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body]) if body else ""


def short(results: Results) -> str:
    """Return the short table: seconds, and how many times as fast as the baseline."""
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
    """Return the tables of the chain and of dubs from file to file."""
    found = _by_name(results.get("chain", {}).get("points", {}))
    lines = []
    for name, runs in found.items():
        spent = _median_cpu_s(runs)
        ratio = f"{_median_cpu_s(found['published']) / spent:.2f}" if "published" in found else _NONE
        inside = ", ".join(f"{stage} {_median(runs, stage):.2f}" for stage in STAGES if stage in runs[0])
        lines.append([name, str(len(runs)), f"{spent:.2f}", ratio, f"{max(run['peak_mib'] for run in runs):.0f}", inside])

    chain = row_table(("chain", "n", "CPU s", "times the baseline", "peak MiB", "CPU s of the parts"), lines)
    return "\n\n".join(filter(None, (chain, dubs(results), steps_of_a_minute(results))))


def dubs(results: Results) -> str:
    """Return the table of dubs from file to file by length, with the check listed separately, under the name of the machine."""
    lines = []
    for name, runs in _by_name(results.get("dub", {}).get("points", {})).items():
        wall, cpu = (_median(runs, what) / runs[0]["media_s"] for what in ("wall_s", "cpu_s"))
        check = statistics.median(run.get("stage check", 0.0) for run in runs) / runs[0]["media_s"]
        peak = f"{max(run['peak_mib'] for run in runs) / _GIB:.1f} GiB"
        lines.append([name, f"{wall:.2f}", f"{check:.2f}", f"{cpu:.2f}", peak, str(len(runs))])

    head = ("a dub from file to file, 720p, all cores", "wall s per s", "of it the check", "CPU s per s", "peak memory", "n")
    return f"{processor(results['dub']['about'])}, {results['dub']['about']['date']}:\n\n{row_table(head, lines)}" if lines else ""


def lab_table(results: Results) -> str:
    """Return the table of what a lab waits for, each row with its machine, load and day."""
    parts = [results[part] for part in ("training", "corpus") if part in results]
    lines = [
        [
            run["what"],
            _NONE if run["cpu_s"] is None else f"{run['cpu_s']:,.2f}",
            f"{run['wall_s']:,.2f}",
            f"{run['peak_mib'] / _GIB:.1f} GiB",
            str(run["n"]),
        ]
        for part in parts
        for run in part["points"].values()
    ]
    if not lines:
        return ""
    about = parts[0]["about"]
    device = about.get("device") or f"{processor(about)}, one thread"
    head = (
        f"`python -m benchmarks --parts training corpus`: {device}, load {about['load']}, torch {about['torch']}, {about['date']}."
    )
    return f"{head}\n\n{row_table(('what', 'CPU s', 'wall s', 'peak memory', 'n'), lines)}"


_LEAST_SHOWN_S = 1.0


def steps_of_a_minute(results: Results) -> str:
    """Return the table of the steps of a minute's dub: how long each takes, and how many cores it keeps busy."""
    run = results.get("dub", {}).get("points", {}).get(_MINUTE_RUN, {})
    names = [name.removeprefix("wall ") for name, seconds in run.items() if name.startswith("wall ") and seconds >= _LEAST_SHOWN_S]
    taken = ((name, run[f"wall {name}"], run[f"cpu {name}"]) for name in names)
    lines = [[f"`{name}`", f"{wall:.1f}", f"{cpu:.1f}", f"{cpu / wall:.2f}"] for name, wall, cpu in taken]
    return row_table(("step of the dub of 60 s, `auto`", "wall s", "CPU s", "cores busy"), lines)


@dataclass(frozen=True)
class MinuteRow:
    """README's row on dubbing a minute, in one language."""

    what: str
    needs: str
    """format with cores, processor, and GB"""
    takes: str
    """format with seconds, and seconds with the smaller beam"""


_MINUTE = MinuteRow(
    "via units, published size, 60 s of 720p",
    "{cores} CPU cores ({cpu}), {gb:.1f} GB",
    "{s:.0f} s, with `--beam 5` {quick:.0f} s, `--precision auto`",
)
_MINUTE_KO = MinuteRow(
    "유닛만으로, 공개 모델 크기, 720p 60초",
    "CPU 코어 {cores}개({cpu}), {gb:.1f} GB",
    "{s:.0f}초, `--beam 5`로 {quick:.0f}초, `--precision auto`",
)


def minute(results: Results, row: MinuteRow) -> str:
    """Return README's row on dubbing a minute; "" where it was not measured with both beams."""
    found = _by_name(results.get("dub", {}).get("points", {}))
    runs, quick = (found.get(f"60 s, auto{beam}") for beam in ("", f", --beam {whole.QUICK_BEAM}"))
    if not (runs and quick):
        return ""

    about, peak = results["dub"]["about"], max(run["peak_mib"] for run in runs) * 2**20 / 1e9
    needs = row.needs.format(cores=about["cores"], cpu=processor(about), gb=peak)
    takes = row.takes.format(s=_median(runs, "wall_s"), quick=_median(quick, "wall_s"))
    return f"| {row.what} | {needs} | {takes} |"


def processor(about: dict[str, Any]) -> str:
    """Return a processor's name, family, model and newest instructions: one name may stand for four generations."""
    numbers = f" family {about['family']} model {about['model']}" if about["family"] else ""
    return f"{about['cpu']}{numbers}" + (f" with {about['instructions'][-1]}" if about["instructions"] else "")


def _machine(results: Results) -> str:
    abouts = [results[part]["about"] for part in (*STAGES, "chain", "dub") if part in results]
    about, dates = abouts[0], sorted(one["date"] for one in abouts)
    days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return (
        f"{processor(about)}, {about['cores']} cores; torch {about['torch']}; "
        f"{about['size']} size, random weights; baseline: plain eager float32 (`benchmarks/reference`), for the translation "
        f"fairseq's generator; {days}."
    )


def _by_name(points: dict[str, dict]) -> dict[str, list[dict]]:
    """Group runs by name, without the round."""
    found: dict[str, list[dict]] = {}
    for name, run in points.items():
        found.setdefault(name.partition(", round ")[0], []).append(run)
    return found


def _median(runs: list[dict], what: str) -> float:
    return statistics.median(run[what] for run in runs)


def _median_cpu_s(runs: list[dict]) -> float:
    """Return the median CPU seconds of all stages of a chain together."""
    return statistics.median(sum(run[stage] for stage in STAGES) for run in runs)


if __name__ == "__main__":
    main()
