"""What a metric is: a file in `netflips/evaluate/metrics` with a function from a case and an outcome to figures.

The file exports METRICS: what the function needs and what each figure is. It is found by being there. What cannot be measured is
`Missing` with its reason, never a zero: a row of a table then says why it is empty.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal, Protocol

import numpy as np

from avcore.arrays import Floats, Pixels, Samples
from avcore.errors import MediaError, NoSpeechError, UsageError
from avcore.faces.crop import Box
from avcore.units import Units
from avcore.usage import did_you_mean

Better = Literal["higher", "lower", "near"]
"""Which figure is better: more, less, or one near that of the recordings (of a ratio: near 1, of a difference: near 0)."""

SOURCE, REFERENCE, REFERENCE_TEXT, FACES, OTHERS = "source", "reference", "reference_text", "faces", "others"
RECOGNIZER, EXTRACTOR, SPEAKER, SYNCNET = "recognizer", "extractor", "speaker", "syncnet"
READER, PHRASEBOOK = "reader", "phrasebook"
_PACKAGE, _JUDGE = "package:", "judge:"
_IN_WORDS = {
    SOURCE: "the source",
    REFERENCE: "reference speech",
    REFERENCE_TEXT: "a reference text",
    FACES: "pictures with a face",
    OTHERS: "clips of other people",
    RECOGNIZER: "a recognizer",
    EXTRACTOR: "a unit encoder",
    SPEAKER: "a speaker encoder",
    SYNCNET: "SyncNet (--syncnet)",
    READER: "a text reader of units (--unit2text-path)",
    PHRASEBOOK: "the units of all sentences that a bundle knows",
}
"""What metrics may need beside the outcome, as a reason names it: sides of a case, faces in pictures, models."""

DUBS, SPEECH = "dubs", "speech"
"""What is evaluated: dubs into another language; speech with the words and the time of a recording."""


def package(name: str) -> str:
    """The need of an installed package."""
    return _PACKAGE + name


def user_judge(name: str) -> str:
    """The need of a model of the user's own, given as `--judge NAME=PATH`."""
    return _JUDGE + name


def judge_named(need: str) -> str | None:
    """The NAME of a need of `--judge`; None for another need."""
    return need.removeprefix(_JUDGE) if need.startswith(_JUDGE) else None


def in_words(need: str) -> str:
    """A need as a reason names it."""
    if need.startswith(_PACKAGE):
        return f"{need.removeprefix(_PACKAGE)}, which is not installed"
    name = judge_named(need)
    return _IN_WORDS[need] if name is None else f"a model (--judge {name}=FILE)"


def is_installed(need: str) -> bool:
    """Whether a need is a package that is there."""
    return need.startswith(_PACKAGE) and find_spec(need.removeprefix(_PACKAGE)) is not None


@dataclass(frozen=True)
class Missing:
    """Why there is no figure, as a clause: "needs pesq, which is not installed"."""

    reason: str


Measured = Mapping[str, float | Missing]
"""Figures by name. Beside a rate stand the sums that it is made of, so that a set has the rate of its sums."""


class Clip(Protocol):
    """A video or a sound as metrics look at it; each part is made when it is first asked for.

    Any of them may raise a NetflipsError: no sound, no face, a file that cannot be decoded.
    """

    @property
    def path(self) -> Path:
        """The file itself."""

    @property
    def seconds(self) -> float:
        """How long its sound lasts."""

    @property
    def speech(self) -> Samples:
        """Its sound, float32 [S] at 16 kHz in -1..1."""

    def pictures(self) -> Iterator[Pixels]:
        """Its pictures at 25 fps, uint8 [height, width, 3] RGB, of the size of the file."""

    def faces(self) -> Sequence[Box | None]:
        """Where the speaker's face is in each of its pictures, [4] (x1, y1, x2, y2) in pixels; None = none was found."""

    def openings(self) -> Floats:
        """The gap between the lips in each picture, in distances between the eyes' outer corners; NaN = unseen: float [T]."""

    @property
    def heard(self) -> Units:
        """Units of the sound alone, with their own durations."""

    @property
    def seen(self) -> Units:
        """Units of the lips alone, with their own durations."""

    @property
    def voice(self) -> Floats:
        """Whose voice it is: float32 [E] of unit length."""

    @property
    def text(self) -> str:
        """What the recognizer writes of its sound, as it is shown."""


class Case(Protocol):
    """What went in and what was expected; None where there is no such side."""

    @property
    def language(self) -> str:
        """That the outcome speaks, two letters, "" = unknown."""

    @property
    def source(self) -> Clip | None:
        """What it was made from."""

    @property
    def reference(self) -> Clip | None:
        """What is right: speech or a video of the same words."""

    @property
    def reference_text(self) -> str | None:
        """What should be said."""

    @property
    def report(self) -> Path | None:
        """JSON of `netflips dub --report`."""

    @property
    def other_voices(self) -> Sequence[Floats]:
        """Voices of other people's sources in the same set, float32 [E] of unit length each."""

    def model(self, need: str) -> Any:
        """The model that a need names; of a need of `user_judge`, its path."""


@dataclass(frozen=True)
class Kind:
    """What a figure is.

    title: as a table calls it. unit: "" = a plain number. sums: figures over whose sums the rate of a set is taken, None = a set
    has the mean. is_share: of a clip it is 0 or 1, and a set's interval is Wilson's. source: where it comes from; is_not: what it
    must not be taken for.
    """

    title: str
    unit: str
    better: Better
    source: str
    is_not: str
    sums: tuple[str, str] | None = None
    is_share: bool = False


@dataclass(frozen=True)
class Metric:
    """A function that measures, what it needs beside the outcome, and its figures.

    place: where it stands in tables. suits: what it says something of. of_pairs: whether it says anything of a shuffled pair,
    whose pictures are one clip's and whose sound another's; None = as its needs say. of_baselines: whether of other subjects than
    the dub.
    """

    measure: Callable[[Case, Clip], Measured]
    needs: frozenset[str]
    kinds: Mapping[str, Kind]
    place: int
    suits: tuple[str, ...] = (DUBS, SPEECH)
    of_pairs: bool | None = None
    of_baselines: bool = True

    @property
    def name(self) -> str:
        """That of its first figure."""
        return self.figures[0]

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of all that it answers with."""
        return tuple(self.kinds)

    @property
    def is_paired(self) -> bool:
        """Whether it compares the sound with something, so that a shuffled pair says what chance gives."""
        if self.of_pairs is not None:
            return self.of_pairs
        return bool({SOURCE, REFERENCE, REFERENCE_TEXT, OTHERS} & self.needs) and FACES not in self.needs


@cache
def all_metrics() -> tuple[Metric, ...]:
    """The metrics of all files of `netflips/evaluate/metrics`, in the order of tables."""
    folder = import_module("netflips.evaluate.metrics")
    modules = [import_module(f"{folder.__name__}.{one.name}") for one in iter_modules(folder.__path__)]
    found = [metric for module in modules for metric in getattr(module, "METRICS", ())]
    return tuple(sorted(found, key=lambda metric: metric.place))


def all_kinds() -> dict[str, Kind]:
    """What each figure is, by name, in the order of tables."""
    return {name: kind for metric in all_metrics() for name, kind in metric.kinds.items()}


PRESETS: Mapping[str, tuple[str, ...]] = {
    "av2av": (
        "bleu_13a", "bleu_char", "bleu_ko_mecab", "chrf", "chrf_words", "wer", "cer", "lse_c", "lse_d", "speaker_cosine", "mos",
        "slc_20", "slc_40",
    ),
    "dub": (
        "cer", "wer", "chrf_words", "dnsmos", "speaker", "harmonicity_db", "f0_off", "clicks", "floor_db", "slc_20",
        "loudness_follows", "unit_sync", "lse_c", "lip_leak", "closures", "outside_unchanged", "sharpness", "real_time",
    ),
    "demo": ("cer", "right", "dnsmos", "speaker", "f0_off", "harmonicity_db", "slc_20", "unit_sync", "lip_leak", "closures"),
}  # fmt: skip
"""Choices of metrics: what papers on this task report; what a studio asks of a dub; what the demo's exam tells."""


def chosen(text: str, suite: str) -> tuple[str, ...]:
    """The figures that are asked for by names of presets, or of figures, which bring those of their metric along, as
    `cer,unit_sync`; "" = all that suit the suite.

    Raises UsageError for a name that is none; it lists them.
    """
    known = all_metrics()
    if not text:
        return tuple(name for one in known if suite in one.suits for name in one.figures)
    found = set[str]()
    for wanted in (part.strip() for part in text.split(",") if part.strip()):
        of = next((one for one in known if wanted in one.figures), None)
        if of is None and wanted not in PRESETS:
            names = [figure for one in known for figure in one.figures]
            raise UsageError(
                "--metrics cannot be used",
                expected=", ".join((*PRESETS, *(one.name for one in known))),
                found=wanted,
                hint=did_you_mean(wanted, [*PRESETS, *names]) or None,
            )
        found.update(PRESETS[wanted] if of is None else of.figures)
    return tuple(name for one in known for name in one.figures if name in found)


def measured(metric: Metric, case: Case, outcome: Clip, there: frozenset[str]) -> Measured:
    """The figures of an outcome, each `Missing` where a need is not there. there: which needs there are for this case.

    Raises NetflipsError where a side of it cannot be used.
    """
    lacking = sorted(need for need in metric.needs - there if not is_installed(need))
    if lacking:
        return dict.fromkeys(metric.figures, Missing(f"needs {', '.join(map(in_words, lacking))}"))
    lost: dict[str, float | Missing] = dict.fromkeys(metric.figures, Missing("nothing was measured"))
    return {name: _finite(value) for name, value in {**lost, **metric.measure(case, outcome)}.items()}


def _finite(value: float | Missing) -> float | Missing:
    if isinstance(value, Missing) or abs(value) < float("inf"):
        return value
    return Missing("it is no finite number here")


def side(clip: Clip | None, what: str) -> Clip:
    """A side that the metric's needs say is there. Raises MediaError where they were not looked at."""
    if clip is None:
        raise MediaError(f"the case has no {what}")
    return clip


def sound_of(clip: Clip) -> Samples:
    """The sound of a clip, float32 [S] at 16 kHz. Raises NoSpeechError where it is silent."""
    samples = clip.speech
    if not np.any(samples):
        raise NoSpeechError("there is only silence", path=clip.path)
    return samples
