"""Run an evaluation suite, from its cases to its files: records, figures, table, page."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import keep_folder_apart, private_folder, require_place, write_text
from avcore.journal import file_digest, folder_lock
from avcore.media import probe, read_speech, write_speech
from avcore.media.opening import require_no_still
from avcore.notes import print_text, several
from avcore.progress import Progress, bars, silent, track
from avcore.texts import read_text
from avcore.units import normalise_language
from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUTH, CaseFiles, check_cases, check_media, read_cases
from netflips.evaluate.command import DubsOptions, MeasureOptions, OneDubOptions, SpeechOptions
from netflips.evaluate.judges import Evaluators, onnx_file
from netflips.evaluate.metric import DUBS, SPEECH, FigureKind, all_metrics, chosen
from netflips.evaluate.metrics.text import SEAMLESS
from netflips.evaluate.page import PAGE, RESULTS, Evaluation, facts_text, write_evaluation
from netflips.evaluate.records import RECORDS, AskedFigures, Place, Record, Suite, completed
from netflips.evaluate.table import Cell, Row, listeners, markdown, number, row_name, rows_of
from netflips.version import __version__
from unit2text.text import VERSION

FILES = (RECORDS, *RESULTS)
"""Files that a suite writes into its folder."""
RESULT = "result.jsonl"
_DIGITS, _KEY_DIGITS, _SHOWN, _NAMED = 12, 16, 80, 20
_FORM = 'a line a clip, {"key": ID, NAME: NUMBER, ...}, with an id of the manifest'


def measure(suite: Suite, out_dir: Path, progress: Progress = silent) -> tuple[dict[Place, Record], list[Row], dict[str, str]]:
    """Measure cases; returns records, rows, and facts to be listed beside them. Records are kept in a folder, where a stopped run
    continues.

    Raises NetflipsError for faults that concern all cases. A case that fails is reported beside every figure that it lacks.
    """
    found = completed(suite, out_dir, progress)
    rows = rows_of(found, suite)
    return found, rows, {**suite.facts, **_facts(suite, rows, found.values())}


def run_suite(suite: Suite, out_dir: Path, progress: Progress = silent) -> Evaluation:
    """Measure cases and write all results into a folder. Raises NetflipsError as `measure` does."""
    with folder_lock(out_dir):
        found, rows, facts = measure(suite, out_dir, progress)
        failed = {case.id: dict[str, None]() for case in suite.cases}
        for record in found.values():
            if record.subject == DUBBED and record.failed:
                failed[record.id][record.failed] = None

        if suite.options.versa is not None:
            write_for_versa(suite.cases, suite.options.versa, progress)
            rows += rows_of_versa(suite.cases, suite.options.versa)
        evaluation = Evaluation(suite.title, facts, rows, {name: list(why) for name, why in failed.items() if why})
        write_evaluation(evaluation, out_dir)
    return evaluation


def _facts(suite: Suite, rows: Sequence[Row], found: Iterable[Record]) -> dict[str, str]:
    """Return the facts to be listed beside the figures."""
    cases, judges = suite.cases, Evaluators(suite.options)
    facts = {"clips": str(len(cases)), "language of the dubs": ", ".join(sorted({case.language for case in cases})) or "not said"}

    if report_to := listeners(record.texts for record in found):
        true = [(row.title, row.figure_of(TRUTH)) for row in rows if row.figure_name in ("cer", "wer")]
        figures = ", ".join(
            f"{title} {number(figure.value)} ({several(figure.n, 'clip')})" for title, figure in true if figure is not None
        )
        errors = f"errors on true speech: {figures}" if figures else "errors are not known: no reference speech is given"
        facts["recognizer"] = f"{report_to}; its own {errors}"
        has_published = any(row.figure_name.startswith(SEAMLESS.prefix) for row in rows)
        as_whisper = "; those of ASR figures as Whisper's authors do" if has_published else ""
        facts["texts compared"] = f"normalised as {VERSION}{as_whisper}"
    elif "recognizer" not in judges.there:
        facts["recognizer"] = "none: give --recognizer FOLDER or --unit2text-path FILE"

    is_asked = any("extractor" in metric.needs for one in suite.by_group.values() for metric in one.metrics)
    encoder = judges.files["extractor"]
    if is_asked and "extractor" in judges.there and encoder is not None:
        facts["unit encoder"] = f"{encoder.name} ({judges.identity('extractor')[:_DIGITS]})"
    return facts | {"intervals": "95 %, of shares Wilson's, else bootstrap over clips", "made with": f"NetfLips {__version__}"}


# `netflips evaluate dubs`, `speech` and `dub`


def measure_dubs(options: DubsOptions) -> None:
    """Measure the dubs of a manifest. Raises NetflipsError."""
    _run(options, options.cases, read_cases(options.cases, ("source",), options.lang), DUBS, "Dubs")


def measure_speech(options: SpeechOptions) -> None:
    """Measure speech with the words and the timing of a recording. Raises NetflipsError."""
    cases = read_cases(options.cases, (), options.lang)
    truths = [replace(case, reference=case.reference or case.source) for case in cases]
    if lacking := [case.id for case in truths if case.reference is None]:
        found = ", ".join(lacking[:_NAMED])
        raise UsageError("some lines have nothing to compare with", expected="reference, or source", found=found)
    _run(options, options.cases, truths, SPEECH, "Speech")


def measure_one_dub(options: OneDubOptions) -> None:
    """Measure a dub. Raises NetflipsError."""
    name = options.dub.name
    if options.source is not None:
        require_no_still(probe(options.source).still, options.source)
    case = CaseFiles(name, options.dub, options.source, language=options.lang or "", report=options.report)
    cases = check_cases({name: case}, options.dub)

    if options.out_dir is not None:
        _run(options, options.dub, cases, DUBS, name)
        return
    with private_folder() as folder:
        _run(replace(options, out_dir=folder), options.dub, cases, DUBS, name, is_kept=False)


def _run(options: MeasureOptions, manifest: Path, cases: Sequence[CaseFiles], of: str, title: str, is_kept: bool = True) -> None:
    """Check everything, measure, and print the table. manifest: where the cases are from. is_kept: whether the folder stays."""
    cases = [replace(case, language=case.language or normalise_language(options.lang or "ko")) for case in cases]
    suite, folder = suite_of(options, cases, of, title), options.out_dir or Path()

    models = [path for path in Evaluators(options).files.values() if path is not None]
    inputs = [manifest, *models, *(file for case in cases for file in case.files.values())]
    keep_folder_apart(folder, FILES, (), inputs, "choose another --out-dir")
    require_place(folder / RECORDS, "the records")
    check_media(cases, manifest)

    with bars(options.quiet) as progress:
        evaluation = run_suite(suite, folder, progress)
    print_text(f"{facts_text(evaluation)}\n{markdown(evaluation.rows)}".rstrip("\n"))
    if is_kept:
        LOG.info("written: %s", folder / PAGE)


def suite_of(options: MeasureOptions, cases: Sequence[CaseFiles], of: str, title: str, programs: Sequence[str] = ()) -> Suite:
    """Return the suite that options ask for. of: what is evaluated, `DUBS` or `SPEECH`. programs: in a bench, those that made the
    dubs. Raises UsageError, InputError."""
    known = {need.partition(":")[2] for metric in all_metrics() for need in metric.needs if need.startswith("judge:")}
    for one in options.judge:
        name, is_there, path = one.partition("=")
        if name not in known or not is_there:
            raise UsageError("--judge cannot be used", expected=f"NAME=PATH, NAME one of {', '.join(sorted(known))}", found=one)
        onnx_file(Path(path))

    has = {DUBBED: True, ITSELF: any(case.source for case in cases), SHUFFLED: len(cases) > 1}
    has[TRUTH] = any(case.reference for case in cases)
    subjects = tuple(programs) or tuple(name for name, is_there in has.items() if is_there)
    return Suite(cases, {"": AskedFigures(chosen(options.metrics, of), subjects)}, options, title)


# A bridge to VERSA (Shi et al. 2024), whose hundred measures need packages of their own


def write_for_versa(cases: Sequence[CaseFiles], folder: Path, progress: Progress) -> None:
    """Write the sound of dubs, and of references, else sources, as WAV at 16 kHz, and the lists that name these files by id.

    Files that are there already are used again. Raises NetflipsError for a file that cannot be read.
    """
    lists: dict[str, list[str]] = {"pred.scp": [], "gt.scp": [], "text": []}
    for case in track(cases, "sound for VERSA", progress, len(cases)):
        beside = case.reference or case.source
        for name, path in (("pred.scp", case.dub), *([] if beside is None else [("gt.scp", beside)])):
            # Named by content: an id need not be a file name, and a dub that has changed is written again.
            sound = folder / "sound" / f"{file_digest(path)[:_KEY_DIGITS]}.wav"
            if not sound.is_file():
                write_speech(sound, read_speech(path))
            lists[name].append(f"{_key(case)} {sound.resolve()}")
        if case.reference_text:
            lists["text"].append(f"{_key(case)} {case.reference_text}")

    for name, lines in lists.items():
        if lines:
            write_text(folder / name, "\n".join(lines) + "\n")


def _key(case: CaseFiles) -> str:
    """Return a case's id in the form that VERSA's lists allow: without spaces."""
    return "_".join(case.id.split())


def rows_of_versa(cases: Sequence[CaseFiles], folder: Path) -> list[Row]:
    """Return a row for each number in VERSA's answers; none where it was not run. The answers do not say which way is better.

    NaN, which Python writes but JSON does not have, is left out. Raises InputError for lines that are not VERSA's.
    """
    path = folder / RESULT
    if not path.is_file():
        return []

    by_key, found = {_key(case): case for case in cases}, dict[tuple[str, str], dict[str, float]]()
    for place, text in enumerate(read_text(path, "the answers of VERSA").splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise InputError(f"line {place} is no JSON object", path=path, expected=_FORM, found=text[:_SHOWN])

        key = str(line.get("key", "no key"))
        if key not in by_key:
            raise InputError(f"line {place} is of no clip", path=path, expected=_FORM, found=key[:_SHOWN])
        for name, value in line.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"):
                found.setdefault((by_key[key].group, name), {})[by_key[key].id] = float(value)

    rows = list[Row]()
    for (group, name), values in found.items():
        kind = FigureKind(name, f"VERSA: {name}", "near", "VERSA", "which way is better, its pages say")
        own = Record("", DUBBED, "versa", "", missing={name: "VERSA has none"})
        records = {case.id: own for case in cases if case.group == group}
        records |= {id_: replace(own, figures={name: value}, missing={}) for id_, value in values.items()}
        rows.append(Row(row_name(group, f"versa_{name}"), "versa", kind, {DUBBED: Cell(kind, records)}, group=group))
    return rows
