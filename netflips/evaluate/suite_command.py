"""`netflips evaluate dubs`, `speech` and `dub`: suites over clips of one's own; `compare`: two of their folders."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.command import LOG, Parser, add_common_options, device_name
from avcore.errors import UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import private_folder, require_place, write_text
from avcore.loading import loading
from avcore.outputs import Input, Output, keep_folder_apart
from avcore.plain_text import print_text
from avcore.progress import bars
from avcore.units.vocabulary import normalise_language
from avcore.usage import add_quiet_options

if TYPE_CHECKING:
    from netflips.evaluate.cases import CaseFiles
    from netflips.evaluate.suite import SuiteSettings

_LINE = '{"id", "source", "dub", "reference_text", "reference"?, "speaker"?, "language"?, "report"?}'
_OUT_DIR = Path("figures")
_GONE = {
    "noise": "mix noise into sources, dub them, and make each level a group of the manifest",
    **dict.fromkeys(("dubs", "split", "speech"), "write a line of a manifest for each clip of the split"),
}
"""Flags of `dubs` until 0.1, and what to do in their place."""
_BASELINES = (
    "Beside the dubs stand the source itself, shuffled pairs (the sound of another dub), and where references are given, those. "
    "Stopped, it goes on where it was; finished measures are taken again only where a file or model changed."
)


def build_dubs_parser() -> Parser:
    """Return the options of `evaluate dubs`."""
    parser = Parser(prog="netflips evaluate dubs", description=f"Measure dubs against what they were made from. {_BASELINES}")
    parser.add_argument(
        "cases",
        type=Input("the manifest"),
        metavar="MANIFEST",
        help=f"JSON lines of {_LINE}",
    )
    for flag in _GONE:
        parser.add_argument(f"--{flag}", help=argparse.SUPPRESS)
    _add_suite(parser)
    return parser


def build_speech_parser() -> Parser:
    """Return the options of `evaluate speech`."""
    parser = Parser(
        prog="netflips evaluate speech",
        description="Measure speech that says the same words in the same time as a recording: for silent lips, resynthesis. The "
        f"reference of a line is its `reference`, else its `source`. {_BASELINES}",
    )
    line = '{"id", "dub", "reference" or "source", ...}'
    parser.add_argument("cases", type=Input("the manifest"), metavar="MANIFEST", help=f"JSON lines of {line}")
    _add_suite(parser)
    return parser


def build_dub_parser() -> Parser:
    """Return the options of `evaluate dub`."""
    parser = Parser(prog="netflips evaluate dub", description="Measure one dub beside its source, without references.")
    parser.add_argument("dub", type=Input("the dub"), metavar="DUB", help="the dubbed video")
    parser.add_argument("--source", type=Input("the source"), required=True, metavar="VIDEO", help="what it was made from")
    parser.add_argument("--reference-text", default="", metavar="TEXT", help="what it should say, where that is known")
    parser.add_argument("--report", type=Input("the report"), metavar="JSON", help="of netflips dub --report, for time and memory")
    _add_suite(parser, is_single=True)
    return parser


def build_compare_parser() -> Parser:
    """Return the options of `evaluate compare`."""
    parser = Parser(
        prog="netflips evaluate compare",
        description="Say what of two evaluations of the same clips differs significantly (paired bootstrap, p below 0.05). Of "
        "twenty figures that do not differ, one will seem to.",
    )
    run_folder = Input("the records", may_be_folder=True)
    parser.add_argument("first", type=run_folder, metavar="A", help="folder that netflips evaluate wrote")
    parser.add_argument("second", type=run_folder, metavar="B", help="another, of the same clips")
    parser.add_argument("--json", type=Output("--json"), metavar="FILE", help="write the figures as JSON too")
    add_quiet_options(parser, "the table")
    return parser


def _add_suite(parser: Parser, is_single: bool = False) -> None:
    folder = None if is_single else _OUT_DIR
    told = f"for records.jsonl, metrics.json, table.md, table.tex and report.html (default: {folder or 'none is written'})"
    parser.add_argument("--out-dir", type=Path, default=folder, metavar="DIR", help=told)
    told = "only these, by name or preset (av2av, dub, demo); a name that is none lists them all"
    parser.add_argument("--metrics", "--measures", default="", metavar="A,B", help=told)
    parser.add_argument("--lang", metavar="LANG", help="language of what was made (default: as the lines say, else ko)")
    parser.add_argument("--face", default="auto", help="whose face: auto (the largest that speaks), largest, or N-th from the left")
    judges = parser.add_argument_group("models that listen and look")
    judges.add_argument(
        "--recognizer",
        type=Path,
        metavar="DIR",
        help="Whisper converted for faster-whisper, or Vosk; or judge-whisper, judge-whisper-en or judge-vosk-ko, which `make "
        "judges` installs (default: judge-whisper where it is installed, else unit2text)",
    )
    told = "an ONNX file, or a folder with one, that takes sound: mos (a score) or speaker (a vector); can be given again"
    judges.add_argument("--judge", action="append", default=[], metavar="NAME=PATH", help=told)
    for name, file, told in (
        ("unit2text-path", "the text reader", "text reader (default: the bundle's, where it has one)"),
        ("av2unit-path", "the unit encoder", "unit encoder (default: the bundle's)"),
        ("speaker-encoder-path", "the speaker encoder", "encoder.pt (default: comes with NetfLips)"),
        ("syncnet", "SyncNet", "syncnet_v2.model, as published, for LSE-C and LSE-D"),
    ):
        judges.add_argument(f"--{name}", type=Input(file), metavar="FILE", help=told)
    told = "SyncNet looks at faces of more than N pictures (default: 100)"
    judges.add_argument("--least-pictures", type=int, default=100, metavar="N", help=told)
    judges.add_argument("--least-face", type=float, default=100, metavar="PIXELS", help="and larger than this (default: 100)")
    if is_single:
        parser.set_defaults(jobs=1, ray=False, address=None, worst=1, true_units=False)
    else:
        parser.add_argument("--true-units", action="store_true", help="say references from their own units too, as a ceiling")
        parser.add_argument("--worst", type=int, default=10, metavar="N", help="clips that the page shows (default: 10)")
        spread = parser.add_argument_group("spreading the work")
        spread.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
        spread.add_argument("--ray", action="store_true", help="workers on Ray in their place, one a core or GPU")
        spread.add_argument("--address", help="Ray cluster to work on, host:port or auto (default: here)")
    add_common_options(parser)


def _dubs(options: argparse.Namespace) -> None:
    with loading():
        from netflips.evaluate.cases import read_cases
        from netflips.evaluate.metric import DUBS

    for flag, hint in _GONE.items():
        if getattr(options, flag) is not None:
            raise UsageError(f"--{flag} is no longer there", hint=hint)
    cases = read_cases(options.cases, ("source",), options.lang)
    _run(options, cases, DUBS, "Dubs")


def _speech(options: argparse.Namespace) -> None:
    with loading():
        from netflips.evaluate.cases import read_cases
        from netflips.evaluate.metric import SPEECH

    cases = read_cases(options.cases, (), options.lang)
    truths = tuple(replace(case, reference=case.reference or case.source) for case in cases)
    if lacking := [case.id for case in truths if case.reference is None]:
        raise UsageError("some lines have nothing to compare with", expected="reference, or source", found=", ".join(lacking[:20]))
    _run(options, truths, SPEECH, "Speech")


def _dub(options: argparse.Namespace) -> None:
    with loading():
        from avcore.media import probe
        from avcore.media.limits import require_no_still
        from netflips.evaluate.cases import CaseFiles, check_cases
        from netflips.evaluate.metric import DUBS

    require_no_still(probe(options.source).still, options.source)
    text = " ".join(options.reference_text.split())
    case = CaseFiles(options.dub.name, options.dub, options.source, None, text, "", options.lang or "", options.report)
    cases = check_cases([case], options.dub)
    if options.out_dir is not None:
        _run(options, cases, DUBS, options.dub.name)
        return
    with private_folder() as options.out_dir:
        _run(options, cases, DUBS, options.dub.name, is_kept=False)


def _run(
    options: argparse.Namespace,
    cases: "tuple[CaseFiles, ...]",
    suite: str,
    title: str,
    is_kept: bool = True,
) -> None:
    """Check everything, measure, and say the table."""
    from netflips.evaluate.cases import check_media
    from netflips.evaluate.results import PAGE, facts_text
    from netflips.evaluate.suite import FILES, FOLDERS, run_suite
    from netflips.evaluate.tables import markdown

    cases = tuple(replace(case, language=case.language or normalise_language(options.lang or "ko")) for case in cases)
    settings = _settings(options, cases, suite, title)
    manifest, folder = getattr(options, "cases", cases[0].dub), options.out_dir
    inputs = [manifest, *settings.judges.given, *(file for case in cases for file in case.files.values())]
    keep_folder_apart(folder, FILES, FOLDERS, inputs, "choose another --out-dir")
    require_place(folder / FILES[0], "the records")
    check_media(cases, manifest)
    with bars(options.quiet) as progress:
        told = run_suite(cases, settings, folder, progress)
    print_text(f"{facts_text(told)}\n{markdown(told.rows)}".rstrip("\n"))
    if is_kept:
        LOG.info("written: %s", folder / PAGE)


def _settings(options: argparse.Namespace, cases: "tuple[CaseFiles, ...]", suite: str, title: str) -> "SuiteSettings":
    from netflips.bulk.spread import Spread
    from netflips.bundles.paths import bundle_paths
    from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUE_UNITS, TRUTH
    from netflips.evaluate.face_clips import LeastFace
    from netflips.evaluate.judges import JudgePaths
    from netflips.evaluate.measuring import AskedFigures
    from netflips.evaluate.metric import chosen
    from netflips.evaluate.suite import SuiteSettings
    from netflips.recognizers.outside import recognizer_folder

    if options.jobs < 1 or options.worst < 0:
        raise UsageError("--jobs must be 1 or more, --worst 0 or more", found=f"{options.jobs} and {options.worst}")
    if options.address is not None and not options.ray:
        raise UsageError("--address goes with --ray", found=options.address)
    has = {ITSELF: any(case.source for case in cases), SHUFFLED: len(cases) > 1, TRUTH: any(case.reference for case in cases)}
    if options.true_units and not has[TRUTH]:
        raise UsageError("--true-units needs reference speech", expected="lines with a reference")
    subjects = (DUBBED, *(name for name, is_there in has.items() if is_there), *([TRUE_UNITS] if options.true_units else []))
    judges = JudgePaths(
        None if options.recognizer is None else recognizer_folder(options.recognizer), options.unit2text_path,
        options.av2unit_path, options.speaker_encoder_path, options.syncnet, device_name(options), options.precision,
        parse_face_choice(options.face), LeastFace(options.least_pictures, options.least_face), _judges(options.judge),
        outside=True,
    )  # fmt: skip
    return SuiteSettings(
        title, {"": AskedFigures(chosen(options.metrics, suite), subjects)}, judges,
        bundle_paths() if options.true_units else None, options.jobs,
        Spread(address=options.address) if options.ray else None, options.worst,
    )  # fmt: skip


def _judges(given: Sequence[str]) -> dict[str, Path]:
    """Read NAME=PATH of `--judge`. Raises UsageError for a name that no metric needs, InputError for a path without a network."""
    from netflips.evaluate.metric import all_metrics
    from netflips.evaluate.needs import judge_named
    from netflips.evaluate.onnx_judges import onnx_file

    known = {name for metric in all_metrics() for need in metric.needs if (name := judge_named(need))}
    found = dict[str, Path]()
    for one in given:
        name, is_there, path = one.partition("=")
        if name not in known or not is_there:
            raise UsageError("--judge cannot be used", expected=f"NAME=PATH, NAME one of {', '.join(sorted(known))}", found=one)
        found[name] = Path(path)
        onnx_file(found[name])
    return found


def _compare(options: argparse.Namespace) -> None:
    with loading():
        from netflips.evaluate.compare import compare, comparison_json, comparison_table

    found, notes = compare(options.first, options.second)
    if options.json is not None:
        write_text(options.json, json.dumps(comparison_json(found, notes), indent=1) + "\n")
    for note in notes:
        LOG.warning("%s", note)
    print_text(comparison_table(found).rstrip("\n"))


COMMANDS = {
    "dubs": (build_dubs_parser, _dubs),
    "speech": (build_speech_parser, _speech),
    "dub": (build_dub_parser, _dub),
    "compare": (build_compare_parser, _compare),
}
"""Parsers of the commands, and what they do."""
