"""`netflips evaluate dubs`, `speech` and `dub`: suites over clips of one's own; `compare`: two of their folders."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import Input, Output, keep_folder_apart, private_folder, require_place, write_text
from avcore.flags import Command, CommonOptions, QuietOptions, flag, positional
from avcore.loading import loading
from avcore.notes import print_text
from avcore.progress import bars
from avcore.units import normalise_language

if TYPE_CHECKING:
    from netflips.evaluate.cases import CaseFiles
    from netflips.evaluate.suite import SuiteSettings

_RECORDS = Input("the records", may_be_folder=True)


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(CommonOptions):
    """What is measured, and the models that listen and look. What only many clips need has no flag here."""

    out_dir: Path | None = None
    versa: Path | None = None
    worst: int = 1
    jobs: int = 1
    metrics: str = flag(default="", metavar="A,B", group="measuring")
    """only these, by name or preset (av2av, dub, demo); a name that is none lists them all"""
    lang: str | None = flag(default=None, metavar="LANG")
    """language of what was made (default: as the lines say, else ko)"""
    face: str = flag(default="auto")
    """whose face: auto (the largest that speaks), largest, or N-th from the left"""
    recognizer: Path | None = flag(default=None, metavar="DIR", group="models that listen and look")
    """Whisper converted for faster-whisper, or Vosk; or judge-whisper, judge-whisper-en or judge-vosk-ko, which `make judges`
    installs (default: judge-whisper where it is installed, else unit2text)"""
    judge: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="NAME=PATH")
    """an ONNX file, or a folder with one, that takes sound: mos (a score) or speaker (a vector); can be given again"""
    unit2text_path: Path | None = flag(default=None, file=Input("the text reader"))
    """text reader (default: the bundle's, where it has one)"""
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder (default: the bundle's)"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """encoder.pt (default: comes with NetfLips)"""
    syncnet: Path | None = flag(default=None, file=Input("SyncNet"))
    """syncnet_v2.model, as published, for LSE-C and LSE-D"""
    least_pictures: int = flag(default=100)
    """SyncNet looks at faces of more than N pictures (default: 100)"""
    least_face: float = flag(default=100, metavar="PIXELS")
    """and larger than this (default: 100)"""


@dataclass(frozen=True, kw_only=True)
class ManyOptions(MeasureOptions):
    """What is measured of many clips."""

    cases: Path = positional("MANIFEST", file=Input("the manifest"))
    """JSON lines of {"id", "dub", "source", "reference_text"?, "reference"?, "speaker"?, "language"?, "group"?, "report"?}"""
    out_dir: Path | None = flag(default=Path("figures"), metavar="DIR")
    """for records.jsonl, metrics.json, table.md and report.html (default: figures)"""
    versa: Path | None = flag(default=None, metavar="DIR")
    """write the clips as VERSA reads them, and add what it has answered in DIR/result.jsonl to the table"""
    worst: int = flag(default=10)
    """clips that the page shows (default: 10)"""
    jobs: int = flag(default=1, group="spreading the work")
    """processes (default: 1)"""


@dataclass(frozen=True, kw_only=True)
class DubsOptions(ManyOptions):
    """Measure dubs against what they were made from. Beside the dubs stand the source itself, shuffled pairs (the sound of another
    dub), and where references are given, those. Stopped, it goes on where it was; finished measures are taken again only where a
    file or model changed."""


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(ManyOptions):
    """Measure speech that says the same words in the same time as a recording: for silent lips, resynthesis. The reference of a
    line is its `reference`, else its `source`. Beside it stands what netflips evaluate dubs has."""


@dataclass(frozen=True, kw_only=True)
class OneDubOptions(MeasureOptions):
    """Measure one dub beside its source, without references; or any video alone, as with --metrics lse_c --syncnet FILE."""

    dub: Path = positional("DUB", file=Input("the dub"))
    """the dubbed video"""
    source: Path | None = flag(default=None, file=Input("the source"), metavar="VIDEO")
    """what it was made from (default: not known, and what compares with it is left out)"""
    reference_text: str = flag(default="", metavar="TEXT")
    """what it should say, where that is known"""
    report: Path | None = flag(default=None, file=Input("the report"), metavar="JSON")
    """of netflips dub --report, for time and memory"""
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """for records.jsonl, metrics.json, table.md and report.html (default: none is written)"""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(QuietOptions):
    """Say what of two evaluations of the same clips differs significantly (paired bootstrap, p below 0.05). Of twenty figures that
    do not differ, one will seem to."""

    first: Path = positional("A", file=_RECORDS)
    """folder that netflips evaluate wrote"""
    second: Path = positional("B", file=_RECORDS)
    """another, of the same clips"""
    json: Path | None = flag(default=None, file=Output("--json"))
    """write the figures as JSON too"""


def _dubs(options: DubsOptions) -> None:
    with loading():
        from netflips.evaluate.cases import read_cases
        from netflips.evaluate.metric import DUBS

    cases = read_cases(options.cases, ("source",), options.lang)
    _run(options, options.cases, cases, DUBS, "Dubs")


def _speech(options: SpeechOptions) -> None:
    with loading():
        from netflips.evaluate.cases import read_cases
        from netflips.evaluate.metric import SPEECH

    cases = read_cases(options.cases, (), options.lang)
    truths = tuple(replace(case, reference=case.reference or case.source) for case in cases)
    if lacking := [case.id for case in truths if case.reference is None]:
        raise UsageError("some lines have nothing to compare with", expected="reference, or source", found=", ".join(lacking[:20]))
    _run(options, options.cases, truths, SPEECH, "Speech")


def _dub(options: OneDubOptions) -> None:
    with loading():
        from avcore.media import probe
        from avcore.media.opening import require_no_still
        from netflips.evaluate.cases import CaseFiles, check_cases
        from netflips.evaluate.metric import DUBS

    if options.source is not None:
        require_no_still(probe(options.source).still, options.source)
    text = " ".join(options.reference_text.split())
    case = CaseFiles(options.dub.name, options.dub, options.source, None, text, "", options.lang or "", options.report)
    cases = check_cases([case], options.dub)
    if options.out_dir is not None:
        _run(options, options.dub, cases, DUBS, options.dub.name)
        return
    with private_folder() as folder:
        _run(replace(options, out_dir=folder), options.dub, cases, DUBS, options.dub.name, is_kept=False)


def _run(
    options: MeasureOptions,
    manifest: Path,
    cases: "tuple[CaseFiles, ...]",
    suite: str,
    title: str,
    is_kept: bool = True,
) -> None:
    """Check everything, measure, and say the table. manifest: where the cases are from."""
    from netflips.evaluate.cases import check_media
    from netflips.evaluate.results import PAGE, facts_text
    from netflips.evaluate.suite import FILES, run_suite
    from netflips.evaluate.tables import markdown

    cases = tuple(replace(case, language=case.language or normalise_language(options.lang or "ko")) for case in cases)
    settings = settings_of(options, cases, suite, title)
    folder = options.out_dir or Path()
    inputs = [manifest, *settings.judges.given, *(file for case in cases for file in case.files.values())]
    keep_folder_apart(folder, FILES, (), inputs, "choose another --out-dir")
    require_place(folder / FILES[0], "the records")
    check_media(cases, manifest)
    with bars(options.quiet) as progress:
        told = run_suite(cases, settings, folder, progress)
    print_text(f"{facts_text(told)}\n{markdown(told.rows)}".rstrip("\n"))
    if is_kept:
        LOG.info("written: %s", folder / PAGE)


def settings_of(options: MeasureOptions, cases: "tuple[CaseFiles, ...]", suite: str, title: str) -> "SuiteSettings":
    """Return what options ask for. Raises UsageError, InputError."""
    from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUTH
    from netflips.evaluate.face_clips import LeastFace
    from netflips.evaluate.judges import JudgePaths
    from netflips.evaluate.measuring import AskedFigures
    from netflips.evaluate.metric import all_metrics, chosen
    from netflips.evaluate.needs import judge_named
    from netflips.evaluate.onnx_judges import onnx_file
    from netflips.evaluate.suite import SuiteSettings
    from netflips.recognizers.outside import recognizer_folder

    if options.jobs < 1 or options.worst < 0:
        raise UsageError("--jobs must be 1 or more, --worst 0 or more", found=f"{options.jobs} and {options.worst}")
    has = {ITSELF: any(case.source for case in cases), SHUFFLED: len(cases) > 1, TRUTH: any(case.reference for case in cases)}
    subjects = (DUBBED, *(name for name, is_there in has.items() if is_there))
    known = {name for metric in all_metrics() for need in metric.needs if (name := judge_named(need))}
    others = dict[str, Path]()
    for one in options.judge:
        name, is_there, path = one.partition("=")
        if name not in known or not is_there:
            raise UsageError("--judge cannot be used", expected=f"NAME=PATH, NAME one of {', '.join(sorted(known))}", found=one)
        others[name] = Path(path)
        onnx_file(others[name])
    judges = JudgePaths(
        None if options.recognizer is None else recognizer_folder(options.recognizer), options.unit2text_path,
        options.av2unit_path, options.speaker_encoder_path, options.syncnet, options.device, options.precision,
        parse_face_choice(options.face), LeastFace(options.least_pictures, options.least_face), others, outside=True,
    )  # fmt: skip
    return SuiteSettings(
        title, {"": AskedFigures(chosen(options.metrics, suite), subjects)}, judges,
        options.jobs, options.worst, versa=options.versa,
    )  # fmt: skip


def _compare(options: CompareOptions) -> None:
    with loading():
        from netflips.evaluate.compare import compare, comparison_json, comparison_table

    found, notes = compare(options.first, options.second)
    if options.json is not None:
        write_text(options.json, json.dumps(comparison_json(found, notes), indent=1) + "\n")
    for note in notes:
        LOG.warning("%s", note)
    print_text(comparison_table(found).rstrip("\n"))


COMMANDS: dict[str, Command[Any]] = {
    "dubs": Command(DubsOptions, "netflips evaluate dubs", _dubs),
    "speech": Command(SpeechOptions, "netflips evaluate speech", _speech),
    "dub": Command(OneDubOptions, "netflips evaluate dub", _dub),
    "compare": Command(CompareOptions, "netflips evaluate compare", _compare),
}
build_dubs_parser, build_speech_parser, build_dub_parser, build_compare_parser = (one.parser for one in COMMANDS.values())
