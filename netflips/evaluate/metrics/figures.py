"""What a metric looks at and what it answers with: a case, figures by name, or why there is none.

What cannot be measured is `Missing` with its reason, never a zero: a row of a table then says why it is empty.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from avcore.arrays import Floats, Pixels, Samples
from avcore.errors import NetflipsError, OutputError
from avcore.faces.crop import Box
from avcore.units import Units

Better = Literal["higher", "lower", "near"]
"""Which figure is better: more, less, or one near that of the recordings (of a ratio: near 1, of a difference: near 0)."""

DUB, SOURCE, REFERENCE, REFERENCE_TEXT = "dub", "source", "reference", "reference_text"
RECOGNIZER, EXTRACTOR, SPEAKER, SYNCNET, INCEPTION = "recognizer", "extractor", "speaker", "syncnet", "inception"
FACES, OTHERS = "faces", "others"
NEEDS = frozenset({DUB, SOURCE, REFERENCE, REFERENCE_TEXT, RECOGNIZER, EXTRACTOR, SPEAKER, SYNCNET, INCEPTION, FACES, OTHERS})
"""Names of what metrics need: sides of a case; its text; models; faces to be found in pictures; clips of other people."""


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
    """A clip to measure and what it is compared with; None where there is no such side."""

    @property
    def id(self) -> str:
        """Its name in the set."""

    @property
    def language(self) -> str:
        """That the dub speaks, two letters, "" = unknown."""

    @property
    def dub(self) -> Clip:
        """What was made."""

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
    def other_voices(self) -> Sequence[Floats]:
        """Voices of other people's sources in the same set, float32 [E] of unit length each."""


class Metric(Protocol):
    """A measure of a case; its name is that of its first figure."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def unit(self) -> str:
        """Of its first figure, "" = a plain number."""

    @property
    def better(self) -> Better:
        """Of its first figure."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of all that it answers with."""

    @property
    def needs(self) -> frozenset[str]:
        """Some of NEEDS."""

    def measure(self, case: Case) -> Measured:
        """The figures of a case. Raises NetflipsError where a side of it cannot be used."""


@dataclass(frozen=True)
class Kind:
    """What a figure is.

    title: as a table calls it, which says all where source is "". unit: "" = a plain number. sums: figures over whose sums the rate
    of a set is taken, None = a set has the mean. source: where it comes from; is_not: what it must not be taken for.
    """

    title: str
    unit: str
    better: Better
    source: str
    is_not: str
    sums: tuple[str, str] | None = None


@dataclass(frozen=True)
class PlainMetric:
    """A metric made of a function."""

    name: str
    unit: str
    better: Better
    figures: tuple[str, ...]
    needs: frozenset[str]
    function: Callable[[Case], Measured]

    def measure(self, case: Case) -> Measured:
        """The figures of a case."""
        return self.function(case)


def measured(metric: Metric, case: Case, there: frozenset[str]) -> Measured:
    """The figures of a case, each of them `Missing` where a need is not there or a side of it cannot be used.

    there: which of NEEDS there are for this case. An output that cannot be written is still an error.
    """
    lacking = sorted(metric.needs - there)
    if lacking:
        return dict.fromkeys(metric.figures, Missing(f"needs {', '.join(_IN_WORDS[name] for name in lacking)}"))
    try:
        found = metric.measure(case)
    except OutputError:
        raise
    except NetflipsError as error:
        return dict.fromkeys(metric.figures, Missing(str(error)))
    lost: dict[str, float | Missing] = dict.fromkeys(metric.figures, Missing("nothing was measured"))
    return {name: finite(value) for name, value in {**lost, **found}.items()}


def finite(value: float | Missing) -> float | Missing:
    """A figure as it is; `Missing` for one that is no number."""
    if isinstance(value, Missing) or abs(value) < float("inf"):
        return value
    return Missing("it is no finite number here")


def values(found: Mapping[str, Any]) -> dict[str, float]:
    """The figures that there are, without those that are missing."""
    return {name: float(value) for name, value in found.items() if not isinstance(value, Missing)}


_IN_WORDS = {
    DUB: "the dub",
    SOURCE: "the source",
    REFERENCE: "reference speech",
    REFERENCE_TEXT: "a reference text",
    RECOGNIZER: "a recognizer",
    EXTRACTOR: "a unit encoder",
    SPEAKER: "a speaker encoder",
    SYNCNET: "SyncNet (--syncnet)",
    INCEPTION: "a network for pictures (--inception)",
    FACES: "pictures with a face",
    OTHERS: "clips of other people",
}
"""Needs as a reason names them."""
