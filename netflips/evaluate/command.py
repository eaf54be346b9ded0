"""`netflips evaluate`: its actions and their options. Libraries are loaded when an action starts."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from avcore.bounds import Count
from avcore.checkpoints.bundle import find_bundle, read_bundle
from avcore.errors import UsageError
from avcore.files import Input, Output
from avcore.flags import Command, Commands, CommonOptions, QuietOptions, flag, positional
from avcore.loading import loading
from avcore.parts import Part
from netflips.commands.checkout import from_checkout

_UNITS, _RIGHT = Input("the hypotheses", may_be_folder=True), Input("the references", may_be_folder=True)
_FORMS = "JSON lines with id and units, a folder of such or of unit files, or lines of units (ids in FILE.ids beside, else numbers)"


@dataclass(frozen=True, kw_only=True)
class DemoEvaluation(CommonOptions):
    """Measure the demo's models on unseen material, which is made as needed. A stopped run continues where it was. Needs espeak-ng
    (pip install espeakng-loader), and flite (apt-get install flite) for the untouched speaker."""

    bundle: Path | None = flag(default=None, metavar="DIR")
    """folder of the models (default: those that come with NetfLips)"""
    out_dir: Path = flag(default=Path("evaluation"), metavar="DIR")
    """for records and tables (default: evaluation)"""
    number: Count = flag(default=200)
    """clips of each group; in most groups at most 100 (default: 200)"""
    jobs: Count = flag(default=2)
    """processes (default: 2)"""
    rows: str = flag(default="", metavar="A,B")
    """only these groups of rows; an unknown name lists them all"""
    with_untouched_speaker: bool = flag(default=False)
    """also measure the untouched speaker: once per bundle, listed in recipes/demo/EXAM.md"""
    with_natural_voices: bool = flag(default=False)
    """also measure natural voices, through microphones and with lips of other clips; `make voices` installs them"""
    write_docs: bool = flag(default=False)
    """put the table into recipes/demo/EXAM.md and the figures into bundle.json"""


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(CommonOptions):
    """What is measured, and the models that listen and look. What only many clips need has no flag here."""

    out_dir: Path | None = None
    versa: Path | None = None
    jobs: int = 1
    metrics: str = flag(default="", metavar="A,B", group="measuring")
    """only these, by name or preset (av2av, dub, demo); a name that is none lists them all"""
    lang: str | None = flag(default=None, metavar="LANG")
    """language of what was made (default: as the lines say, else ko)"""
    recognizer: Path | None = flag(default=None, metavar="DIR", group="models that listen and look")
    """Whisper converted for faster-whisper; or judge-whisper or judge-whisper-en, which `make judges`
    installs (default: judge-whisper where it is installed, else unit2text)"""
    judge: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="NAME=PATH")
    """an ONNX file, or a folder with one, that takes sound: mos (a score) or speaker (a vector); can be given again"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit-to-text model"))
    """unit-to-text model (default: the bundle's, where it has one)"""
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder (default: the bundle's)"""
    syncnet: Path | None = flag(default=None, file=Input("SyncNet"))
    """syncnet_v2.model, as published, for LSE-C and LSE-D"""
    least_frames: int = flag(default=100)
    """SyncNet looks at faces of more than N frames (default: 100)"""
    least_face: float = flag(default=100, metavar="PIXELS")
    """and larger than this (default: 100)"""


@dataclass(frozen=True, kw_only=True)
class ManyOptions(MeasureOptions):
    """What is measured of many clips."""

    cases: Path = positional("MANIFEST", file=Input("the manifest"))
    """JSON lines of {"id", "dub", "source", "reference_text"?, "other_texts"?, "reference"?, "speaker"?, "language"?, "group"?,
    "report"?}"""
    out_dir: Path | None = flag(default=Path("figures"), metavar="DIR")
    """for records.jsonl, metrics.json, table.md and report.html (default: figures)"""
    versa: Path | None = flag(default=None, metavar="DIR")
    """write the clips as VERSA reads them, and add what it has answered in DIR/result.jsonl to the table"""
    jobs: Count = flag(default=1, group="spreading the work")
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
    report: Path | None = flag(default=None, file=Input("the report"), metavar="JSON")
    """of netflips dub --report, for time and memory"""
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """for records.jsonl, metrics.json, table.md and report.html (default: none is written)"""


@dataclass(frozen=True, kw_only=True)
class BenchOptions(MeasureOptions):
    """Compare programs that dub, on clips that may be given away: 24 are made where DIR has none (needs make voices). NetfLips
    dubs them by its roads; what other programs made of them lies in DIR/systems/NAME, with a system.yaml that says how. Writes
    one table with intervals, and a page with players. Stopped, it goes on where it was."""

    folder: Path = positional("DIR")
    """clips.jsonl and clips, systems, and the results"""
    number: Count = flag(default=24)
    """clips that are made (default: 24)"""
    roads: str | None = flag(default=None, metavar="A,B")
    """NetfLips' roads: units, cascade, subtitles, kokoro; '' = none (default: all that can run here)"""
    jobs: Count = flag(default=1, group="spreading the work")
    """processes that measure (default: 1)"""
    metrics: str = flag(default="bench", metavar="A,B", group="measuring")
    """figures, by name or preset (default: bench)"""


@dataclass(frozen=True, kw_only=True)
class WrittenScores(QuietOptions):
    """Where figures are written."""

    rows: Path | None = flag(default=None, file=Output("--rows"))
    """write figures and units of each utterance, as JSON lines"""
    json: Path | None = flag(default=None, file=Output("--json"))
    """write the table's figures as JSON"""


@dataclass(frozen=True, kw_only=True)
class UnitScoresOptions(WrittenScores):
    """Score unit sequences against references. Repeats are merged on both sides first. Unit error rate: edits over units of the
    references. BLEU: a unit is a word. chrF: a unit is a character. All over the whole split (sacrebleu), none a mean over
    utterances."""

    hypotheses: Path = flag(file=_UNITS, metavar="PATH", help=f"what was found: {_FORMS}")
    references: Path = flag(file=_RIGHT, metavar="PATH")
    """what is right: the same, with the same ids; one without a hypothesis counts as wrong"""


@dataclass(frozen=True, kw_only=True)
class TranslationScoresOptions(CommonOptions, WrittenScores):
    """Translate a test split and score the result against its references, as `netflips evaluate units` does."""

    pairs: Path = flag(metavar="DIR")
    """folder made by unit2unit.utut_finetune.prepare_pairs"""
    split: str = flag(default="test", metavar="NAME")
    """test, valid or train (default: test)"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"), group="translation")
    """translator checkpoint (default: the bundle's)"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says)"""
    max_target_units: int | None = flag(default=None)
    """stop a translation at N units and marks"""
    part: Part | None = flag(default=None, type=Part.of, metavar="K/N", group="spreading the work")
    """translate only this part, as 3/16 in a task of an array; the same without --part scores them all"""
    workers: Count = flag(default=1)
    """processes, each on a GPU of its own where there are several (default: 1)"""


def measure_demo(options: DemoEvaluation) -> None:
    """Measure a bundle. Raises NetflipsError."""
    bundle = find_bundle() if options.bundle is None else read_bundle(options.bundle)
    if bundle is None:
        raise UsageError("no models come with this installation", hint="give --bundle FOLDER")
    with loading():
        exam = from_checkout("recipes.demo.evaluate.demo")
    exam.evaluate_demo(bundle, options)


def _later(module: str, work: str) -> Callable[[Any], int | None]:
    """Return an action of `netflips.evaluate` whose module is loaded when it starts."""

    def run(options: Any) -> int | None:
        with loading():
            function = getattr(import_module(f"netflips.evaluate.{module}"), work)
        done: int | None = function(options)
        return done

    return run


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(QuietOptions):
    """How far a live dub was behind: StartOffset, EndOffset and average token delay of the record that it kept."""

    record: Path = positional("RECORD", file=Input("the record"))
    """what netflips live wrote with --record"""


_ACTIONS: dict[str, tuple[type[Any], Callable[[Any], int | None]]] = {
    "demo": (DemoEvaluation, measure_demo),
    "dubs": (DubsOptions, _later("suite", "measure_dubs")),
    "speech": (SpeechOptions, _later("suite", "measure_speech")),
    "dub": (OneDubOptions, _later("suite", "measure_one_dub")),
    "bench": (BenchOptions, _later("bench", "compare_programs")),
    "latency": (LatencyOptions, _later("latency", "measure_latency")),
    "units": (UnitScoresOptions, _later("unit_scores", "score_units")),
    "translate": (TranslationScoresOptions, _later("unit_scores", "score_translations")),
}
_COMMANDS = Commands(
    "netflips evaluate",
    "Measure the demo's models, one's own dubs, speech and test splits of units, or programs that dub, side by side.",
    {name: Command(options, f"netflips evaluate {name}", work) for name, (options, work) in _ACTIONS.items()},
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
