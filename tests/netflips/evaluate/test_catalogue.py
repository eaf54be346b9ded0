"""All metrics on a case whose figures are known: a copy, a dub that lacks sides, a side that cannot be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import MediaError, NoFaceError
from avcore.units import Units
from netflips.evaluate.metrics.catalogue import face_pictures, metrics_of_cases
from netflips.evaluate.metrics.figures import DUB, NEEDS, SYNCNET, Measured, Missing, PlainMetric, measured, values
from netflips.evaluate.metrics.kinds import KINDS
from tests.avcore.made_speech import talk

SPEECH = np.asarray(talk([0.3, 1.2, 0.4, 1.0, 0.3]), np.float32)
FRAMES = np.where(np.square(SPEECH.reshape(-1, 320)).mean(1) < 1e-5, 0, 1 + np.arange(len(SPEECH) // 320) // 3 % 40)
BOX = np.array([10, 10, 60, 60], np.float32)
_PICTURES = np.random.default_rng(0).integers(0, 255, (6, 72, 80, 3), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class MadeClip:
    path: Path = Path("made.mp4")
    samples: np.ndarray = field(default_factory=lambda: SPEECH)
    shown: Sequence[np.ndarray] = field(default_factory=lambda: list(_PICTURES))
    text: str = "물 한 잔 주세요"
    voice: np.ndarray = field(default_factory=lambda: np.array([1, 0, 0], np.float32))
    has_face: bool = True

    @property
    def seconds(self) -> float:
        return len(self.samples) / 16_000

    @property
    def speech(self) -> np.ndarray:
        if not len(self.samples):
            raise MediaError("it has no sound track", path=self.path)
        return self.samples

    def pictures(self) -> Iterator[np.ndarray]:
        return iter(self.shown)

    def faces(self) -> list[np.ndarray | None]:
        if not self.has_face:
            raise NoFaceError("no face was found in any picture", path=self.path)
        return [BOX] * len(self.shown)

    @property
    def heard(self) -> Units:
        return Units.from_frames(FRAMES)

    @property
    def seen(self) -> Units:
        return Units.from_frames(FRAMES)


@dataclass(frozen=True, eq=False)
class MadeCase:
    id: str = "one"
    language: str = "ko"
    dub: MadeClip = field(default_factory=MadeClip)
    source: MadeClip | None = field(default_factory=MadeClip)
    reference: MadeClip | None = field(default_factory=MadeClip)
    reference_text: str | None = "물 한 잔 주세요"
    other_voices: tuple[np.ndarray, ...] = (np.array([0, 1, 0], np.float32), np.array([0.6, 0.8, 0], np.float32))


def all_of(case: MadeCase, there: frozenset[str] = NEEDS - {SYNCNET}) -> Measured:
    found: dict[str, float | Missing] = {}
    for metric in metrics_of_cases():
        found |= measured(metric, case, there)
    return found


def test_every_figure_is_told_what_it_is_and_every_need_has_a_name() -> None:
    metrics = metrics_of_cases()
    assert sorted(name for metric in metrics for name in metric.figures) == sorted(KINDS)
    for metric in metrics:
        assert metric.name == metric.figures[0]
        assert (metric.unit, metric.better) == (KINDS[metric.name].unit, KINDS[metric.name].better)
        assert metric.needs <= NEEDS
    assert all(kind.source and kind.is_not and kind.title for kind in KINDS.values())


def test_a_copy_of_the_source_is_right_in_all_there_is() -> None:
    found = all_of(MadeCase())
    right = {
        "wer": 0, "cer": 0, "unit_error_rate": 0, "harmonicity_off": 0, "f0_off": 0, "f0_error": 0, "voicing_error": 0,
        "speaker_cosine": 1, "speaker": 0.7, "stoi": 1, "estoi": 1, "duration_ratio": 1, "duration_near": 1, "face_ssim": 1,
        "face_l1": 0, "outside_unchanged": 1, "outside_l1": 0, "sharpness": 1, "unit_sync_delay_ms": 0, "unit_sync_at_zero": 1,
    }  # fmt: skip
    assert {name: found[name] for name in right} == {name: pytest.approx(value, abs=1e-3) for name, value in right.items()}
    assert found["chrf"] == found["unit_chrf"] == pytest.approx(100)
    assert values(found)["unit_sync"] > 0.8
    assert values(found)["floor_db"] < -20
    assert found["lse_c"] == Missing("needs SyncNet (--syncnet)")
    assert len(list(face_pictures(MadeClip()))) == len(_PICTURES)


def test_what_is_not_there_is_said_and_what_cannot_be_read_too() -> None:
    alone = all_of(MadeCase(source=None, reference=None, reference_text=None), frozenset({DUB}))
    assert alone["wer"] == Missing("needs a recognizer, a reference text")
    assert alone["stoi"] == Missing("needs reference speech")
    assert isinstance(alone["harmonicity_db"], float)
    mute = all_of(MadeCase(dub=replace(MadeClip(), samples=np.zeros(0, np.float32))))
    assert mute["stoi"] == mute["clicks"] == Missing("made.mp4: it has no sound track")
    assert mute["face_ssim"] == pytest.approx(1)
    silent = all_of(MadeCase(dub=replace(MadeClip(), samples=np.zeros_like(SPEECH))))
    assert isinstance(silent["harmonicity_db"], Missing)
    faceless = all_of(MadeCase(source=replace(MadeClip(), has_face=False)))
    assert faceless["sharpness"] == Missing("made.mp4: no face was found in any picture")


def test_swapped_voices_and_another_length_are_told() -> None:
    swapped = MadeCase(dub=replace(MadeClip(), voice=np.array([0, 1, 0], np.float32), samples=np.tile(SPEECH, 2)))
    found = all_of(swapped)
    assert values(found)["speaker"] < -0.5
    assert (found["duration_ratio"], found["duration_near"]) == (2, 0)
    assert isinstance(found["stoi"], Missing)
    assert isinstance(found["f0_error"], Missing)


def test_a_figure_that_is_no_number_is_missing() -> None:
    odd = PlainMetric("a", "", "higher", ("a", "b"), frozenset(), lambda case: {"a": float("nan"), "a_sum": 1.0})
    found = measured(odd, MadeCase(), frozenset())
    assert isinstance(found["a"], Missing)
    assert found["b"] == Missing("nothing was measured")
    assert found["a_sum"] == 1


class Hurried(MadeClip):
    """Twenty steps each of four units without a pause: in a few steps of the second one, a stop, there is silence."""

    @property
    def heard(self) -> Units:
        return Units.from_frames(np.repeat(np.arange(4), 20))


def test_a_stop_is_no_pause() -> None:
    samples = (0.2 * np.random.default_rng(0).standard_normal(80 * 320)).astype(np.float32)
    samples[24 * 320 : 30 * 320] *= 1e-4
    found = all_of(MadeCase(dub=Hurried(samples=samples)))
    assert found["floor_db"] == Missing("it has no pause of 0.1 s")
    samples[20 * 320 : 34 * 320] *= 1e-4  # now the unit is silence more often than not
    assert values(all_of(MadeCase(dub=Hurried(samples=samples))))["floor_db"] < -5
