"""All metrics on a case whose figures are known: a copy, a dub that lacks sides, a side that cannot be read.

Units against units of one utterance, on errors that were made on purpose. Frames against frames: changes of a known place and
size. The nearest of all sentences of a bundle, by what a recognizer hears. When it is spoken: pauses,
syllables, and the original voice under a dub. Lip sync: a delay of 120 ms is found, and clips that do not belong.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from av2unit.features import to_int16_scale
from avcore.errors import NetflipsError, NoFaceError
from avcore.speech.figures import leak, syllables
from avcore.units import Units, unit_sync
from netflips.evaluate.clips import Clip
from netflips.evaluate.judges import in_words
from netflips.evaluate.lip_sync import cepstra, judge_lip_sync, sync_vectors
from netflips.evaluate.metric import DUBS, PRESETS, Measured, Missing, all_metrics, chosen, measured, metric
from netflips.evaluate.metrics.frames import beside_source, sharpness, unchanged_outside
from netflips.evaluate.metrics.letters import misheard_letters
from netflips.evaluate.metrics.lips import CORRECTED, PUBLISHED, sync, sync_by_syncnet, sync_by_units, sync_of_faces
from netflips.evaluate.metrics.rhythm import pause_alignment
from netflips.evaluate.metrics.text import by_letters, to_the_nearest
from netflips.evaluate.metrics.units import unit_errors_of
from tests.netflips.evaluate.made import SPEECH, MadeCase, MadeClip, values
from unit2av.face.syncnet import load_syncnet

ALL = frozenset({"source", "reference", "reference_text", "faces", "others", "recognizer", "published", "extractor", "speaker"})


def all_of(case: MadeCase, outcome: Clip | None = None, there: frozenset[str] = ALL) -> Measured:
    found: dict[str, float | Missing] = {}
    for one in all_metrics():
        try:
            found |= measured(one, case, outcome or MadeClip(), there)
        except NetflipsError as error:
            found |= dict.fromkeys(one.figures, Missing(str(error)))
    return found


def test_every_figure_is_told_what_it_is_and_every_need_has_a_name() -> None:
    metrics = all_metrics()
    names = [name for metric in metrics for name in metric.figures]
    assert len(names) == len(set(names))
    assert all(kind.source and kind.is_not and kind.title for metric in metrics for kind in metric.kinds.values())
    assert all(in_words(need) for metric in metrics for need in metric.needs)
    assert [metric.place for metric in metrics] == sorted(metric.place for metric in metrics)
    for figures in PRESETS.values():
        assert set(figures) <= set(names)
    assert (set(chosen("dub", DUBS)), chosen("cer", DUBS)) == (set(PRESETS["dub"]), ("wer", "cer"))
    assert "stoi" not in chosen("", DUBS)


def test_a_copy_of_the_source_is_right_in_all_there_is() -> None:
    found = all_of(MadeCase())
    right = {
        "wer": 0, "cer": 0, "unit_error_rate": 0, "harmonicity_off": 0, "f0_off": 0,
        "speaker_cosine": 1, "speaker": 0.7, "speaker_others": 0.3, "speaker_reference": 1, "stoi": 1, "estoi": 1,
        "pause": 1, "speech_overlap": 1, "silent_share": 0, "rate": 1,
        "duration_ratio": 1, "slc_20": 1, "outside_unchanged": 1, "sharpness": 1, "unit_sync_delay_ms": 0,
        "unit_sync_at_zero": 1, "chrf": 100, "chrf_words": 100, "loudness_follows": 1, "pitch_follows": 1,
    }  # fmt: skip
    assert {name: found[name] for name in right} == {name: pytest.approx(value, abs=1e-3) for name, value in right.items()}
    assert values(found)["unit_sync"] > 0.8
    assert values(found)["floor_db"] < -20
    assert found["lse_c"] == Missing("needs SyncNet (--syncnet)")
    assert found["mos"] == Missing("needs a model (--judge mos=PATH)")


def test_what_is_not_there_is_said_and_what_cannot_be_read_too() -> None:
    alone = all_of(MadeCase(), None, frozenset())
    assert alone["wer"] == Missing("needs a recognizer, a reference text")
    assert alone["stoi"] == Missing("needs reference speech")
    assert isinstance(alone["harmonicity_db"], float)
    mute = all_of(MadeCase(), replace(MadeClip(), samples=np.zeros(0, np.float32)))
    assert mute["stoi"] == mute["clicks"] == Missing("made.mp4: it has no sound track")
    assert mute["sharpness"] == pytest.approx(1)
    silent = all_of(MadeCase(), replace(MadeClip(), samples=np.zeros_like(SPEECH)))
    assert isinstance(silent["harmonicity_db"], Missing)
    faceless = all_of(MadeCase(source=replace(MadeClip(), has_face=False)))
    assert faceless["sharpness"] == Missing("made.mp4: no face was found in any frame")


def test_swapped_voices_and_another_length_are_told() -> None:
    found = all_of(MadeCase(), replace(MadeClip(), voice=np.array([0, 1, 0], np.float32), samples=np.tile(SPEECH, 2)))
    assert values(found)["speaker"] < -0.5
    assert (found["duration_ratio"], found["slc_20"], found["slc_40"]) == (2, 0, 0)
    assert isinstance(found["stoi"], Missing)


def test_a_figure_that_is_no_number_is_missing() -> None:
    kind = next(one for one in all_metrics() if one.name == "wer").kinds["wer"]
    odd = metric(replace(kind, name="a"), replace(kind, name="b"), place=1)(lambda *_: {"a": float("nan"), "a_sum": 1.0})
    found = measured(odd, MadeCase(), MadeClip(), frozenset())
    assert isinstance(found["a"], Missing)
    assert (found["b"], found["a_sum"]) == (Missing("nothing was measured"), 1)


def test_a_file_in_the_folder_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else has to be touched."""
    text = """
from netflips.evaluate.metric import FigureKind, metric


@metric(FigureKind("loudest", "highest sample", "near", "the wave", "not loudness"), place=99)
def loudest(case, outcome):
    return {"loudest": float(abs(outcome.speech).max())}
"""
    (tmp_path / "loudest.py").write_text(text)
    from netflips.evaluate import metrics

    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    all_metrics.cache_clear()
    try:
        assert chosen("loudest", DUBS) == ("loudest",)
        assert values(all_of(MadeCase()))["loudest"] == pytest.approx(np.abs(SPEECH).max())
    finally:
        all_metrics.cache_clear()


class Hurried(MadeClip):
    """Twenty steps each of four units without a pause: in a few steps of the second one, a stop, there is silence."""

    @property
    def audio_units(self) -> Units:
        return Units.from_frames(np.repeat(np.arange(4), 20))


def test_a_stop_is_no_pause() -> None:
    samples = (0.2 * np.random.default_rng(0).standard_normal(80 * 320)).astype(np.float32)
    samples[24 * 320 : 30 * 320] *= 1e-4
    assert all_of(MadeCase(), Hurried(samples=samples))["floor_db"] == Missing("it has no pause of 0.1 s")
    samples[20 * 320 : 34 * 320] *= 1e-4  # now the unit is silence more often than not
    assert values(all_of(MadeCase(), Hurried(samples=samples)))["floor_db"] < -5


def test_errors_that_were_made_are_counted_and_repeats_are_not() -> None:
    reference = np.arange(20)
    found = np.repeat(reference, 3)
    assert values(unit_errors_of(found, reference))["unit_error_rate"] == 0
    found[30:33] = 99
    wrong = values(unit_errors_of(found, reference))
    assert (wrong["unit_error_rate"], wrong["unit_error_rate_above"], wrong["unit_error_rate_below"]) == (0.05, 1, 20)
    assert isinstance(unit_errors_of(found, np.zeros(0, np.int64))["unit_error_rate"], Missing)


_RNG = np.random.default_rng(0)
BOX = np.array([40, 20, 136, 116], np.float32)  # 96 x 96: the crop is the frame itself


def frames(count: int = 3) -> list[np.ndarray]:
    smooth = cv2.GaussianBlur(_RNG.integers(0, 255, (count * 160, 200, 3), dtype=np.uint8), (0, 0), 2)
    return list(smooth.reshape(count, 160, 200, 3))


def test_a_change_inside_the_face_leaves_what_is_outside_as_it_was() -> None:
    source = frames()
    made = [one.copy() for one in source]
    for one in made:
        one[30:100, 50:120] += 128  # by half of all levels, around the end: nothing is as bright as it was
    assert values(beside_source(made, source, [BOX] * 3))["outside_unchanged"] == 1
    unseen = values(beside_source(made, source, [None] * 3))
    assert unseen["outside_unchanged"] == pytest.approx(1 - 70 * 70 / (160 * 200), abs=0.01)
    assert "sharpness" not in unseen


def test_what_changes_outside_is_measured() -> None:
    source = np.full((160, 200, 3), 100, np.uint8)
    made = source.copy()
    made[:10] = 151  # above the face, 10 of the 160 rows by 51 of 255 levels
    inner = (round(96 + 2 * 0.08 * 96)) ** 2  # the box with its margin
    assert unchanged_outside(made, source, BOX) == pytest.approx(1 - 2000 / (32000 - inner), abs=0.003)
    assert unchanged_outside(source + np.uint8(8), source, None) == 1
    assert unchanged_outside(source + np.uint8(9), source, None) == 0


def test_a_blurred_face_is_less_sharp() -> None:
    source = frames()
    blurred = [cv2.GaussianBlur(one, (0, 0), 2) for one in source]
    assert 0 < values(beside_source(blurred, source, [BOX] * 3))["sharpness"] < 0.5
    assert values(beside_source(source, source, [BOX] * 3))["sharpness"] == 1
    assert sharpness(np.full((50, 50, 3), 9, np.uint8)) == 0


def test_frames_of_another_size_cannot_be_compared() -> None:
    lost = beside_source([one[:100] for one in frames()], frames(), [BOX] * 3)
    assert all(isinstance(one, Missing) and "200x100, 200x160" in one.reason for one in lost.values())
    assert isinstance(beside_source([], [], [])["sharpness"], Missing)


@dataclass(frozen=True, eq=False)
class WithSentences(MadeCase):
    known: tuple[str, ...] = ("불 한 잔 주세요", "물 두 잔 주세요")

    def model(self, need: str) -> tuple[str, ...]:  # type: ignore[override]
        return self.known


@pytest.mark.parametrize(
    ("heard", "is_right"),
    [
        ("물 한 잔 주세요", True),
        ("물한잔, 주새요.", True),  # blanks, marks and a letter
        ("불 한 잔 주세요", False),
        ("뿔 한 잔 주세요", False),  # as near to one as to the other
        ("", False),
    ],
)
def test_the_right_sentence_is_the_nearest_by_letters(heard: str, is_right: bool) -> None:
    assert by_letters.measure(WithSentences(), MadeClip(text=heard)) == {"right": float(is_right)}


def test_with_no_other_sentence_silence_is_wrong() -> None:
    case = WithSentences(known=("물 한 잔 주세요",))
    assert by_letters.measure(case, MadeClip(text="")) == {"right": 0.0}
    assert by_letters.measure(case, MadeClip(text="물 한 잔")) == {"right": 1.0}


@pytest.mark.parametrize(
    ("heard", "onsets", "as_a"),
    [
        ("저는 기차역에 거기서 왔어요", 0.0, 0.0),
        ("자는 비차역에 가기서 왔어요", 1 / 3, 2 / 5),  # ㄱ as ㅂ, and twice ㅓ as ㅏ
        ("", 1.0, 0.0),
        ("저는 차역에 거기서 왔어요", 1 / 3, 0.0),
    ],
)
def test_letters_that_are_misheard_are_counted_where_they_stand(heard: str, onsets: float, as_a: float) -> None:
    found = values(misheard_letters.measure(MadeCase(reference_text="저는 기차역에 거기서 왔어요"), MadeClip(text=heard)))
    assert (found["onset_errors"], found["eo_as_a"]) == pytest.approx((onsets, as_a))
    assert set(misheard_letters.measure(MadeCase(language="en"), MadeClip()).values()) == {Missing("for Korean texts only")}


def test_one_right_text_is_the_figure_the_nearest_stands_beside_it() -> None:
    case = MadeCase(other_texts=("물 좀 주세요",))
    found = values(next(one for one in all_metrics() if one.name == "wer").measure(case, MadeClip(text="물 좀 주세요")))
    assert found["cer"] > 0
    assert values(to_the_nearest.measure(case, MadeClip(text="물 좀 주세요")))["cer_nearest"] == 0
    assert to_the_nearest.measure(MadeCase(), MadeClip()) == {"cer_nearest": Missing("there is one right text")}


S = 16_000


@pytest.mark.parametrize(
    ("text", "count"), [("공항이 어디에 있어요?", 9), ("Where is the airport?", 6), ("3시 30분", 5), ("...", 0)]
)
def test_syllables(text: str, count: int) -> None:
    assert syllables(text) == count


@pytest.mark.parametrize(
    ("made", "source", "score"),
    [
        ([(0, S), (2 * S, 3 * S)], [(0, S), (2 * S, 3 * S)], 1.0),
        ([(0, S), (S * 3 // 2, S * 5 // 2)], [(0, S), (2 * S, 3 * S)], 0.5),  # half as long
        ([(0, 3 * S)], [(0, S), (2 * S, 3 * S)], 0.0),
        ([(0, S), (2 * S, 3 * S), (4 * S, 5 * S)], [(0, 3 * S)], 0.0),
        ([(0, S), (2 * S, 9 * S)], [(0, 7 * S), (8 * S, 9 * S)], 0.0),  # one at an eighth, one at seven
        ([(0, S), (2 * S, 3 * S), (4 * S, 5 * S), (6 * S, 7 * S)], [(0, 2 * S), (3 * S, 5 * S)], 1 / 3),  # of three, one is there
        ([(0, 2 * S), (3 * S, 5 * S)], [(0, S), (2 * S, 3 * S), (4 * S, 5 * S), (6 * S, 7 * S)], 1 / 3),
    ],
)
def test_pauses_meet_by_place_and_length(made: list[tuple[int, int]], source: list[tuple[int, int]], score: float) -> None:
    assert pause_alignment(made, source) == pytest.approx(score)


def test_without_pauses_there_is_nothing_to_compare() -> None:
    assert isinstance(pause_alignment([(0, S)], [(0, S)]), Missing)


@pytest.mark.parametrize(("share", "late"), [(0.0, 0), (0.1, 200), (0.1, -200), (0.5, 400)])
def test_the_original_voice_is_measured_wherever_it_was_moved(share: float, late: int) -> None:
    dub = SPEECH[::-1] + share * np.roll(SPEECH, late)
    assert leak(dub, SPEECH) == pytest.approx(share, rel=0.1, abs=0.012)


def test_a_common_hum_and_a_silent_source_are_no_leak() -> None:
    hum = 0.1 * np.sin(2 * np.pi * 50 * np.arange(len(SPEECH)) / S).astype(np.float32)
    assert leak(SPEECH[::-1] + hum, SPEECH + hum) < 0.012
    assert leak(SPEECH, np.zeros_like(SPEECH)) == 0


_PARITY = Path(__file__).parents[2] / "parity"
SILENCE = 7


def said(seed: int, steps: int = 100) -> np.ndarray:
    """Units that change every three steps, silence at both ends."""
    units = np.repeat(np.random.default_rng(seed).integers(10, 60, size=steps // 3 + 1), 3)[:steps]
    return np.concatenate([np.full(20, SILENCE), units, np.full(20, SILENCE)])


@pytest.mark.parametrize("steps", [0, 6, -6, 15])
def test_a_delay_is_found(steps: int) -> None:
    lips = said(0)
    sound = np.roll(lips, steps)  # 6 steps: 120 ms late
    found = values(sync_by_units(sound, lips, SILENCE))
    assert found["unit_sync_delay_ms"] == 20 * steps
    assert found["unit_sync"] > 0.85
    assert (found["unit_sync_at_zero"] == 1) == (steps == 0)


def test_clips_that_belong_together_are_told_from_others() -> None:
    own, foreign = (values(sync_by_units(said(0), said(seed), SILENCE)) for seed in (0, 1))
    assert own["unit_sync"] - foreign["unit_sync"] > 0.7
    assert foreign["unit_sync_at_zero"] < 0.15


def test_silence_counts_for_nothing() -> None:
    lost = sync_by_units(np.full(80, SILENCE), np.full(80, SILENCE), SILENCE)
    assert all(isinstance(lost[name], Missing) for name in sync.figures)
    still = unit_sync(said(0), np.full(140, SILENCE), SILENCE)
    assert (still.confidence, still.delay, still.at_zero) == (0, 0, 0)
    assert unit_sync(np.zeros(0, np.int64), np.zeros(0, np.int64), None) is None
    assert unit_sync(np.arange(12), np.arange(12), None) is not None


def test_lse_is_that_of_both_protocols() -> None:
    network = load_syncnet(_PARITY / "syncnet_v2_tiny.model")
    rng = np.random.default_rng(3)
    frames = list(rng.integers(0, 255, (14, 64, 64, 3), dtype=np.uint8))
    sound = (0.1 * rng.normal(size=14 * 640)).astype(np.float32)
    found = values(sync_by_syncnet(network, frames, sound))
    for names, is_published in ((CORRECTED, False), (PUBLISHED, True)):
        whole = judge_lip_sync(*sync_vectors(network, frames, cepstra(to_int16_scale(sound))), len(sound), is_published)
        theirs = (whole.confidence, whole.distance, whole.offset)
        assert [found[name] for name in names] == pytest.approx(theirs, rel=1e-6)
    with pytest.raises(NoFaceError):
        sync_of_faces(network, [])
