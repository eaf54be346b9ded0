"""`netflips evaluate demo`: how good the demo's models are, in one table."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from avcore.bundle import Bundle, find_bundle, read_bundle
from avcore.command import LOG, add_common_options, device_name, run
from avcore.errors import UsageError
from avcore.files import require_writable, write_text
from avcore.progress import bars
from netflips.demo_bundle.describe import note
from netflips.evaluation.documents import is_untouched_noted, note_untouched, require_page, write_table
from netflips.evaluation.estimate import seconds_for
from netflips.evaluation.jobs import Need
from netflips.evaluation.others import OtherBundle
from netflips.evaluation.plot import plot_sweep
from netflips.evaluation.row import Row
from netflips.evaluation.rows import ROWS, SWEEP, UNTOUCHED, by_task, sweep_figures, sweep_needs
from netflips.evaluation.run import Evaluation
from netflips.evaluation.settings import EvaluationSettings
from netflips.evaluation.statistics import Figure
from netflips.evaluation.table import lines_of, markdown, metrics

_PLOT = Path("images/demo_noise.svg")
"""Beside the page."""


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="netflips evaluate",
        description="Measure models on material that they never heard or saw, made as it is needed. Stopped, it goes on where it "
        "was. Needs espeak-ng and flite (apt-get install libespeak-ng1 espeak-ng-data flite).",
    )
    parser.add_argument("what", choices=["demo"], help="demo: the phrasebook that the demo's models know")
    parser.add_argument("--bundle", type=Path, help="folder of the models (default: those that come with NetfLips)")
    parser.add_argument("--out-dir", type=Path, default=Path("evaluation"), help="for records and tables (default: evaluation)")
    parser.add_argument("--number", type=int, default=200, help="utterances of each row (default: 200)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    names = ", ".join([row.name for row in ROWS] + [SWEEP])
    parser.add_argument("--rows", default="", metavar="A,B", help=f"only these rows, of: {names}")
    parser.add_argument(
        "--with-untouched-speaker", action="store_true",
        help="measure the speaker that nothing ever heard too: once for a bundle, and listed in --docs",
    )  # fmt: skip
    parser.add_argument(
        "--beside", action="append", default=[], metavar="TITLE=FILE",
        help="put the figures of another bundle, in its metrics.json, below the table; can be given again",
    )  # fmt: skip
    parser.add_argument("--write-docs", action="store_true", help="put the table into --docs and the figures into bundle.json")
    parser.add_argument("--docs", type=Path, default=Path("docs/demo.md"), help="the page to write into (default: docs/demo.md)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    settings = EvaluationSettings(number=options.number)
    rows, with_sweep = choose_rows(options.rows, options.with_untouched_speaker)
    if options.jobs < 1:
        raise UsageError("--jobs must be 1 or more", found=options.jobs)
    if options.with_untouched_speaker or options.write_docs:
        require_page(options.docs)
    others = [OtherBundle.read(given) for given in options.beside]
    bundle = _bundle(options.bundle)
    evaluate(bundle, options, settings, rows, with_sweep, others)


def choose_rows(names: str, with_untouched: bool) -> tuple[list[Row], bool]:
    """The rows asked for by name, all for "", and whether the sweep over noise is among them.

    The untouched speaker is there only when it is asked for by its own flag. Raises UsageError for unknown names.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {row.name for row in ROWS} | {SWEEP}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError("unknown rows", expected=", ".join(sorted(known)), found=", ".join(unknown))
    if UNTOUCHED in wanted and not with_untouched:
        raise UsageError("the untouched speaker is measured once for a bundle", hint="ask for it with --with-untouched-speaker")
    rows = [row for row in ROWS if (with_untouched if row.name == UNTOUCHED else not wanted or row.name in wanted)]
    return rows, not wanted or SWEEP in wanted


def evaluate(
    bundle: Bundle,
    options: argparse.Namespace,
    settings: EvaluationSettings,
    rows: list[Row],
    with_sweep: bool,
    others: Sequence[OtherBundle] = (),
) -> None:
    """Do what is missing, and write what came out."""
    require_writable(options.out_dir / "table.md")
    evaluation = Evaluation(bundle, options.out_dir, settings, device_name(options), options.precision)
    needs: list[Need] = [need for row in rows for need in row.needs(settings)] + (sweep_needs(settings) if with_sweep else [])
    jobs = evaluation.missing(needs)
    is_new = any(job.kind == "speaker" for job in jobs)
    LOG.info(
        "%s, bundle %s: %d clips and other jobs to do, about %.0f minutes on %d cores of its own",
        evaluation.folder, evaluation.checksum[:12], len(jobs), seconds_for(jobs, options.jobs) / 60, options.jobs,
    )  # fmt: skip
    with bars(options.quiet) as progress:
        evaluation.run(jobs, options.jobs, progress)
    records = by_task(evaluation.records())
    lines = lines_of(rows, records, settings)
    table, found = markdown(lines, others), metrics(lines, records, settings) | {"bundle": evaluation.checksum}
    if others:
        found["others"] = {other.title: other.content for other in others}
    write_text(evaluation.folder / "table.md", table + "\n")
    write_text(evaluation.folder / "metrics.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    figures = {line.row.name: line.figure for line in lines}
    if with_sweep:
        pages = [evaluation.folder / "noise.svg", *([options.docs.parent / _PLOT] if options.write_docs else [])]
        _plot(sweep_figures(records, settings), figures.get("video_only"), pages)
    if options.with_untouched_speaker and (is_new or not is_untouched_noted(options.docs, evaluation.checksum)):
        note_untouched(options.docs, evaluation.checksum, figures[UNTOUCHED])
    if options.write_docs:
        write_table(options.docs, table, evaluation.checksum, settings.number)
        note(bundle.folder, metrics=found)
    sys.stdout.write(f"{table}\n")
    LOG.info("written: %s", evaluation.folder)


def _plot(sweep: dict[str, dict[float, Figure]], video_only: Figure | None, paths: list[Path]) -> None:
    if find_spec("matplotlib") is None:
        LOG.warning("no plot over noise: matplotlib is not installed")
        return
    for path in paths:
        plot_sweep(sweep, video_only, path)


def _bundle(folder: Path | None) -> Bundle:
    bundle = find_bundle() if folder is None else read_bundle(folder)
    if bundle is None:
        raise UsageError("no models come with this installation", hint="give --bundle FOLDER")
    return bundle


if __name__ == "__main__":
    sys.exit(main())
