"""Each metric hears: planted damage of its kind moves it by more than its interval, on five clips; one that nothing moves goes.

python -m tests.netflips.evaluate.test_damage     # measure again, and write the table of benchmarks/DAMAGE.md
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch

from av2unit.features import to_int16_scale
from avcore.contracts import Transcript
from avcore.speech.audio import resample
from avcore.speech.espeak import EspeakVoice, espeak_speech
from avcore.speech.figures import phrases_of, spoken_seconds, syllables
from avcore.statistics import Figure, bootstrap, rank_correlations
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from avcore.units import Units
from netflips.evaluate.lip_sync import AS_PUBLISHED, FaceClip, LeastFace, cepstra
from netflips.evaluate.metric import DUBS, SPEECH, Measured, Metric, Missing, all_metrics, measured
from netflips.evaluate.metrics import sound
from netflips.evaluate.metrics import speaker as outside_speaker
from recipes.demo.evaluate.documents import replace_part
from tests.avcore.made_speech import babble
from tests.netflips.evaluate.made import MadeCase, MadeClip, in_white_noise
from tests.netflips.evaluate.test_metrics import ALL
from unit2av.face.syncnet import SIDE

COUNT = 5
LOUDEST = 25
"""Log energy of loud speech."""
TEXTS = ("어머니가 빵을 먹어요", "비가 많이 와요 밥 주세요", "버스가 어디에 있어요", "내 이름은 민수예요", "물 한 병 주세요")
PAUSE = np.zeros(SAMPLE_RATE * 3 // 2, np.float32)


@dataclass(frozen=True, eq=False)
class Spoken(MadeClip):
    """A clip of a sentence said twice with a pause, whose lips fit: openings [T], and units by what is loud."""

    mouth: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    lips_late: int = 0
    lips_backwards: bool = False
    clean: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def openings(self) -> np.ndarray:
        return np.roll(self.mouth, self.lips_late // 2)

    def face_clips(self, least: LeastFace) -> Iterator[FaceClip]:
        """One face, whose frames are as bright as its lips' speech is loud."""
        energy = cepstra(to_int16_scale(self.clean))[0]
        levels = np.clip(energy[: len(energy) // 4 * 4].reshape(-1, 4).mean(1) / LOUDEST * 255, 0, 255)
        shown = np.roll(levels[:: -1 if self.lips_backwards else 1], self.lips_late // 2)
        yield FaceClip((np.full((SIDE, SIDE, 3), level, np.uint8) for level in shown), self.samples)

    @property
    def audio_units(self) -> Units:
        steps = np.square(self.clean[: len(self.clean) // 320 * 320].reshape(-1, 320)).mean(1)
        return Units.from_frames(np.where(steps < 1e-5, 0, 1 + np.arange(len(steps)) // 3 % 40))

    @property
    def seen(self) -> Units:
        return Units.from_frames(np.roll(self.audio_units.frames()[:: -1 if self.lips_backwards else 1], self.lips_late))


class Loudness:
    """Stands in for SyncNet: it sees how brightness rises and falls in a window, and hears the same of log energy."""

    def embed_frames(self, windows: torch.Tensor) -> torch.Tensor:
        return self._shape(windows.mean(dim=(1, 3, 4)) / 255)

    def embed_sound(self, pieces: torch.Tensor) -> torch.Tensor:
        return self._shape(pieces[:, 0, 0].reshape(len(pieces), 5, 4).mean(dim=2) / LOUDEST)

    @staticmethod
    def _shape(levels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(levels - levels.mean(1, keepdim=True) + 1e-3, dim=1)


@dataclass(frozen=True)
class Knowing:
    """Stands in for the unit-to-text model: it writes each letter of a clip's text whose sound or units it meets in place."""

    own: Spoken
    languages = ("ko",)

    def transcribe(self, speech: np.ndarray) -> Transcript:
        return Transcript(self.own.text[: round(len(self.own.text) * len(speech) / len(self.own.samples))])

    def read(self, units: Units, _: str | None) -> Transcript:
        wanted, found = self.own.audio_units.frames(), units.frames()
        places = [number * len(wanted) // len(self.own.text) for number in range(len(self.own.text))]
        is_met = [place < len(found) and found[place] == wanted[place] for place in places]
        return Transcript("".join(letter if met else "x" for letter, met in zip(self.own.text, is_met, strict=True)))


class JudgedCase(MadeCase):
    def model(self, need: str) -> Any:
        """Return a stand-in; of `--judge` none, for `own_judge` needs no path."""
        models = {"syncnet": (Loudness(), AS_PUBLISHED), "phrasebook": [f"{text} {text}" for text in TEXTS]}
        return Knowing(cast(Spoken, self.source)) if need == "reader" else models.get(need)


@cache
def clip(number: int) -> Spoken:
    text = TEXTS[number % len(TEXTS)]
    said = espeak_speech(text, EspeakVoice("ko", 150 + 5 * number, 35 + 4 * number))
    once = resample(said.samples, said.rate, SAMPLE_RATE)
    samples = np.concatenate([once, PAUSE, once]).astype(np.float32)
    times = (np.arange(len(samples) * FRAME_RATE // SAMPLE_RATE) + 0.5) / FRAME_RATE
    mouth = np.where(times > 0, 0.02, 0.0).astype(np.float32)
    for start in (0.0, (len(once) + len(PAUSE)) / SAMPLE_RATE):
        for name, begin, end in said.phonemes:
            mouth[(times > start + begin - 0.02) & (times < start + end + 0.02)] = 0.01 if name[0] in "bmp" else 0.3
    rng = np.random.default_rng(number)
    shown = [cv2.GaussianBlur(rng.integers(0, 255, (72, 80, 3), dtype=np.uint8), (0, 0), 1) for _ in range(3)]
    return Spoken(samples=samples, shown=shown, text=f"{text} {text}", mouth=mouth, clean=samples)


Damage = Callable[[Spoken], Spoken]
another_voice: Damage = partial(replace, voice=np.array([0, 1, 0], np.float32))
late_lips: Damage = partial(replace, lips_late=12)


def hoarse(one: Spoken) -> Spoken:
    """Each 2 ms of speech in another order within 20 ms: as loud, with no pitch."""
    pieces = one.samples[: len(one.samples) // 320 * 320].reshape(-1, 10, 32)
    return replace(one, samples=np.random.default_rng(0).permuted(pieces, axis=1).ravel())


def clicking(one: Spoken) -> Spoken:
    samples = one.samples.copy()
    samples[800::1600] += 0.6
    return replace(one, samples=samples)


def higher(one: Spoken) -> Spoken:
    """A third higher, as long as before."""
    faster = resample(one.samples, SAMPLE_RATE * 5 // 4, SAMPLE_RATE)
    return replace(one, samples=np.resize(faster, len(one.samples)).astype(np.float32))


def half(one: Spoken) -> Spoken:
    """The second sentence is missing."""
    samples = one.samples[: len(one.samples) // 2]
    return replace(one, samples=samples, clean=samples, text=one.text[: len(one.text) // 2])


def elsewhere(one: Spoken) -> Spoken:
    """The pause lies a third of the way in, and is short."""
    once, rest = np.split(one.samples, [len(one.samples) // 8])
    return replace(one, samples=np.concatenate([once, PAUSE[: len(PAUSE) // 4], rest])[: len(one.samples)])


def at_its_own_pace(one: Spoken) -> Spoken:
    """The faster, the slower the source is."""
    spoken = spoken_seconds(phrases_of(one.samples))
    return replace(one, text="가" * round(100 * spoken * spoken / syllables(one.text)))


def backwards(one: Spoken) -> Spoken:
    """Other speech of the same length."""
    return replace(one, samples=one.samples[::-1].copy())


def left_in(one: Spoken) -> Spoken:
    """Other speech, with the original under it, 20 dB down and 10 ms late."""
    return replace(one, samples=one.samples[::-1] + 0.1 * np.roll(one.samples, 160))


def blurred(one: Spoken) -> Spoken:
    return replace(one, shown=[cv2.GaussianBlur(frame, (0, 0), 4) for frame in one.shown])


def _every_second(one: Spoken) -> np.ndarray:
    """Of the frames: float32 [T]."""
    return (np.arange(len(one.mouth)) % 2).astype(np.float32)


HEARD: Mapping[str, tuple[Damage, tuple[str, ...]]] = {
    "noise at 30 dB": (lambda one: replace(one, samples=in_white_noise(one.samples, 30.0)), ("floor_db",)),
    "noise at 5 dB": (
        lambda one: replace(one, samples=in_white_noise(one.samples, 5.0)), ("harmonicity_db", "dnsmos", "stoi", "estoi", "mos"),
    ),
    "hoarse voice": (hoarse, ("harmonicity_db", "harmonicity_off")),
    "clicks": (clicking, ("clicks",)),
    "another pitch": (higher, ("f0_off", "speaker_outside")),
    "flat delivery": (  # syllables all as loud, of one pitch
        lambda one: replace(one, samples=babble(len(one.samples) / SAMPLE_RATE)), ("loudness_follows", "pitch_follows"),
    ),
    "a missing sentence": (
        half,
        ("wer", "cer", "asr_wer", "asr_cer", "read_sound", "unit_error_rate", "duration_ratio", "slc_20", "slc_40",
         "silent_share"),
    ),
    "wrong words": (
        partial(replace, text="전혀 다른 말을 합니다"),
        ("wer", "cer", "right", "chrf", "chrf_words", "bleu_char", "bleu_13a", "asr_chrf", "asr_chrf_words", "asr_bleu_13a",
         "asr_bleu_char"),
    ),
    "another pause": (elsewhere, ("pause", "speech_overlap")),
    "another pace": (at_its_own_pace, ("rate",)),
    "the original 20 dB under other speech": (left_in, ("leak",)),
    "another voice": (another_voice, ("speaker", "speaker_cosine", "speaker_others", "speaker_reference")),
    "lips 240 ms late": (
        late_lips, ("unit_sync_delay_ms", "unit_sync_at_zero", "lse_offset", "lse_offset_published", "closures"),
    ),
    "lips of other speech": (
        partial(replace, lips_backwards=True),
        ("unit_sync", "lse_c", "lse_d", "lse_c_published", "lse_d_published", "read_lips"),
    ),
    "open closures": (lambda one: replace(one, mouth=np.maximum(one.mouth, 0.1)), ("closures",)),
    "moving lips in silence": (lambda one: replace(one, mouth=one.mouth + 0.1 * _every_second(one)), ("lip_leak",)),
    "lips that snap": (lambda one: replace(one, mouth=0.6 * _every_second(one)), ("lip_speed", "lip_snap")),
    "blur": (blurred, ("sharpness", "outside_unchanged")),
    "a covered face": (partial(replace, has_face=False), ("face_found", "face_share")),
}  # fmt: skip
"""Damage in words, what does it, and the figures that it moves."""
BEFORE: Mapping[Damage, Damage] = {left_in: backwards}
"""What stands before damage where an undamaged clip, which is its own source, says nothing."""
UNMOVED = {
    **dict.fromkeys(("real_time", "peak_memory_mb", "pace_fits", "pace_squeezed"), "a report, not a judgement"),
    **dict.fromkeys(("onset_errors", "eo_as_a"), "parts of cer"),
    "cer_nearest": "as cer, where there are several right texts",
    "pesq_wide": "as stoi, where pesq is installed",
    "bleu_ko_mecab": "as bleu_13a, where mecab is installed",
}
PAGE, PART = Path(__file__).parents[3] / "benchmarks" / "DAMAGE.md", "damage"
FIGURES = PAGE.parents[1] / "docs" / "evaluation.md"


def own_judge(_: None, speech: np.ndarray) -> np.ndarray:
    """Stands in for the network of `--judge`: how loud speech is beside its quietest, then the levels of four bands (dB)."""
    steps = np.square(speech[: len(speech) // 320 * 320].reshape(-1, 320)).mean(1)
    power = np.square(np.abs(np.fft.rfft(speech.reshape(-1)[: len(steps) * 320].reshape(-1, 320), axis=1))).mean(0)
    bands = 10 * np.log10([band.mean() for band in np.split(power[:160], 32)])
    return np.concatenate([[10 * np.log10(np.quantile(steps, 0.9) / (np.quantile(steps, 0.1) + 1e-9))], bands - bands.mean()])


_THERE = ALL | {"judge:mos", "judge:speaker", "syncnet", "reader", "phrasebook"}


def metric_of(name: str) -> Metric:
    return next(one for one in all_metrics() if name in one.figures)


@cache
def of_clips(name: str, damage: Damage | None) -> list[Measured]:
    """What the metric of a name says of all clips."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sound, "asked", own_judge)
        patch.setattr(outside_speaker, "asked", lambda _, speech: own_judge(None, speech)[1:])
        for own in map(clip, range(COUNT)):
            case = JudgedCase(source=own, reference=own, reference_text=own.text)
            found.append(measured(metric_of(name), case, own if damage is None else damage(own), _THERE))
    return found


def figure(name: str, damage: Damage | None) -> Figure:
    kind, found = metric_of(name).kinds[name], of_clips(metric_of(name).name, damage)
    values = [value for one in found if not isinstance(value := one[name], Missing)]
    if kind.of == "rank":
        sides = f"{name}_above", f"{name}_below"
        sums = [[one[side] for one in found if not isinstance(one.get(side, Missing("")), Missing)] for side in sides]
        return bootstrap(sums[0], sums[1], rank_correlations)  # type: ignore[arg-type]
    return bootstrap(values)


def _marks(name: str) -> list[pytest.MarkDecorator]:
    """DNSMOS is here where `make judges` was run."""
    return [pytest.mark.local] if name == "dnsmos" else []


@pytest.mark.parametrize(
    ("words", "name"), [pytest.param(words, name, marks=_marks(name)) for words, (_, names) in HEARD.items() for name in names]
)
def test_damage_moves_a_figure_by_more_than_its_interval(words: str, name: str) -> None:
    damage = HEARD[words][0]
    if name == "dnsmos":
        pytest.importorskip("speechmos")
    plain, moved = (figure(name, one) for one in (BEFORE.get(damage), damage))
    assert plain.n == moved.n == COUNT
    assert abs(moved.value - plain.value) > max(plain.high - plain.low, moved.high - moved.low), (plain, moved)
    better = metric_of(name).kinds[name].better
    if better != "near":
        assert (moved.value < plain.value) == (better == "higher")


def test_every_figure_is_shown_to_hear() -> None:
    shown = {name for _, names in HEARD.values() for name in names} | UNMOVED.keys()
    assert shown == {name for metric in all_metrics() for name in metric.figures}
    assert {suite for metric in all_metrics() for suite in metric.suits} == {DUBS, SPEECH}


def table() -> str:
    """Return what each damage does to figures: means of the clips before and after it."""
    rows = ["| damage | figures before and after it |", "| --- | --- |"]
    for words, (damage, names) in HEARD.items():
        moved = [f"`{name}` {figure(name, BEFORE.get(damage)).value:.3g} to {figure(name, damage).value:.3g}" for name in names]
        rows.append(f"| {words} | {', '.join(moved)} |")
    return "\n".join(rows)


def test_the_page_has_every_figure_and_the_damage_that_moves_it() -> None:
    page, figures = PAGE.read_text(encoding="utf-8"), FIGURES.read_text(encoding="utf-8")
    kinds = figures.partition("| figures | from |\n")[2].partition("\n\n")[0]
    named = {name for line in kinds.splitlines() for name in re.findall(r"`([a-z]\w+)`", line.split("|")[1])}
    assert named == {name for metric in all_metrics() for name in metric.figures}
    rows = page.partition(f"<!-- {PART}: begin -->")[2].partition(f"<!-- {PART}: end -->")[0].strip().splitlines()[2:]
    told = {line.split("|")[1].strip(): tuple(re.findall(r"`(\w+)`", line)) for line in rows}
    assert told == {words: names for words, (_, names) in HEARD.items()}


if __name__ == "__main__":
    replace_part(PAGE, PART, f"\n{table()}\n")
