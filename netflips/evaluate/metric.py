"""A metric: a file in `netflips/evaluate/metrics` with a function from a case and an outcome to figures.

The decorator `metric` declares what each figure is and what the function needs; a decorated function is found without being listed
anywhere. A figure that cannot be measured is `Missing` with its reason, never zero, so that a row of a table can say why it is
empty.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal

import numpy as np

from avcore.arrays import Samples
from avcore.command import did_you_mean
from avcore.errors import NoSpeechError, UsageError
from netflips.evaluate.cases import BASELINES, SHUFFLED
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.judges import in_words, is_installed

Better = Literal["higher", "lower", "near"]
"""Which figure is better: a higher one, a lower one, or one near that of the recordings (a ratio near 1, a difference near 0)."""
OfSet = Literal["mean", "share", "rate", "rank"]
"""How the figure of a set is computed: see `FigureKind`."""
DUBS, SPEECH = "dubs", "speech"
"""What is evaluated: dubs into another language; or speech with the words and the timing of a recording."""


@dataclass(frozen=True)
class Missing:
    """Why there is no figure."""

    reason: str
    """a clause, as "needs pesq, which is not installed", without a full stop"""


Measured = Mapping[str, float | Missing]
"""Figures by name. Beside a rate stand the two sums that it is made of, NAME_above and NAME_below."""


def rate(name: str, above: float, below: float, why: str) -> Measured:
    """Return a rate with its sums, or `Missing` where there is nothing to divide by."""
    if not below:
        return {name: Missing(why)}
    return {name: float(above / below), f"{name}_above": float(above), f"{name}_below": float(below)}


@dataclass(frozen=True)
class FigureKind:
    """What a figure is, and how a set of clips gets one."""

    name: str
    """unique among all figures"""
    title: str
    """its name in tables"""
    better: Better
    source: str
    """the paper, program or method that it comes from"""
    is_not: str
    """what it must not be taken for"""
    unit: str = ""
    """"" = a plain number"""
    of: OfSet = "mean"
    """figure of a set. mean: of the clips' figures; share: the same of figures that are 0 or 1, with Wilson's interval; rate: sum
    of all NAME_above over that of all NAME_below; rank: correlation of these two (Spearman)"""


@dataclass(frozen=True)
class Metric:
    """A function that measures, with its figures and needs; made by the decorator `metric`."""

    measure: Callable[[Case, Clip], Measured]
    """the function"""
    kinds: Mapping[str, FigureKind]
    """its figures, by name"""
    place: int
    """its place in tables, lowest first"""
    needs: Collection[str] = ()
    """what it needs beside the outcome (`netflips.evaluate.judges`)"""
    suits: tuple[str, ...] = (DUBS, SPEECH)
    """what it applies to"""
    of_pairs: bool | None = None
    """whether it is meaningful for a shuffled pair, with the frames of one clip and the sound of another; None = if it compares the
    sound with something, and needs no face"""
    of_baselines: bool = True
    """whether it is also measured on other subjects than the dub"""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of all its figures."""
        return tuple(self.kinds)

    @property
    def name(self) -> str:
        """Name of its first figure."""
        return self.figures[0]

    def is_of(self, subject: str) -> bool:
        """Return whether it is measured on a subject."""
        if subject != SHUFFLED:
            return self.of_baselines or subject not in BASELINES
        compares = not {"source", "reference", "reference_text", "others"}.isdisjoint(self.needs) and "faces" not in self.needs
        return compares if self.of_pairs is None else self.of_pairs


def metric(*kinds: FigureKind, **how: Any) -> Callable[[Callable[[Case, Clip], Measured]], Metric]:
    """Make a function a metric. how: the other fields of `Metric`, of which `place` must be given."""
    return lambda measure: Metric(measure, {kind.name: kind for kind in kinds}, **how)


@cache
def all_metrics() -> tuple[Metric, ...]:
    """Return the metrics of all files of `netflips/evaluate/metrics`, in the order of tables."""
    folder = import_module("netflips.evaluate.metrics")
    modules = [import_module(f"{folder.__name__}.{one.name}") for one in iter_modules(folder.__path__)]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Metric)]
    return tuple(sorted(found, key=lambda metric: metric.place))


PRESETS: Mapping[str, tuple[str, ...]] = {
    "av2av": (
        "asr_bleu_13a", "asr_bleu_char", "asr_chrf", "asr_chrf_words", "asr_wer", "asr_cer", "lse_c", "lse_d", "speaker_cosine",
        "speaker_others", "mos", "slc_20", "slc_40", "rate", "pause", "speech_overlap",
    ),
    "seamless": (
        "asr_bleu_13a", "asr_bleu_char", "asr_chrf", "asr_chrf_words", "asr_wer", "asr_cer", "rate", "pause", "speaker_outside",
    ),
    "dub": (
        "cer", "wer", "chrf_words", "dnsmos", "speaker", "harmonicity_db", "f0_off", "clicks", "floor_db", "slc_20",
        "loudness_follows", "pace_fits", "pace_squeezed", "speech_overlap", "silent_share", "leak", "unit_sync", "lse_c",
        "lip_leak", "closures", "lip_speed", "outside_unchanged", "sharpness", "real_time",
    ),
    "bench": (
        "cer", "cer_nearest", "chrf_words", "dnsmos", "clicks", "speaker", "f0_off", "slc_20", "rate", "pause", "leak",
        "unit_sync", "lse_c", "lip_leak", "closures", "sharpness", "pace_fits", "real_time",
    ),
    "demo": (
        "cer", "onset_errors", "eo_as_a", "right", "dnsmos", "speaker", "f0_off", "harmonicity_db", "slc_20", "unit_sync",
        "lip_leak", "closures", "lip_speed",
    ),
}  # fmt: skip
"""Choices of figures: those that papers on this task report; those of Seamless; those that a studio asks of a dub; those that
programs are compared by; those of the demo's exam."""


def chosen(text: str, suite: str) -> tuple[str, ...]:
    """Return the figures asked for, as in `cer,unit_sync`: names of presets, or of figures, which bring along the others of their
    metric; "" = all that apply to the suite.

    Raises UsageError for an unknown name, with a list of all names.
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
    """Return the figures of an outcome, each `Missing` where a need is not met. there: the needs that are met for this case.

    Raises NetflipsError where one of its sides cannot be used.
    """
    lacking = sorted(need for need in {*metric.needs} - there if not is_installed(need))
    if lacking:
        return dict.fromkeys(metric.figures, Missing(f"needs {', '.join(map(in_words, lacking))}"))

    found = {**dict.fromkeys(metric.figures, Missing("nothing was measured")), **metric.measure(case, outcome)}
    # NaN is smaller than nothing, so the comparison finds it as well as infinity.
    no_number = Missing("it is no finite number here")
    return {name: one if isinstance(one, Missing) or abs(one) < float("inf") else no_number for name, one in found.items()}


def sound_of(clip: Clip) -> Samples:
    """Return the sound of a clip, float32 [S] at 16 kHz. Raises NoSpeechError where it is silent."""
    samples = clip.speech
    if not np.any(samples):
        raise NoSpeechError("there is only silence", path=clip.path)
    return samples
