"""Noise sweep on models whose hearing is known: lips are always right, sound is the worse the louder the noise."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from av2unit.sources import AUDIO, VIDEO
from avcore.errors import NoFaceError, UsageError
from avcore.media import write_speech
from avcore.timeline import SAMPLES_PER_UNIT
from avcore.units import Units
from netflips.evaluate import sweep
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.charts import noise_curve, standing_alone
from netflips.evaluate.clips import Clip
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.needs import EXTRACTOR
from netflips.evaluate.records import Record
from netflips.evaluate.sweep import BOTH, Sweep, curves_of, parse_levels, run_sweep, subject_of

STEPS, LEVELS = 40, (30.0, 10.0, -30.0)


def said(seed: int) -> np.ndarray:
    """Units that differ from step to step."""
    return np.random.default_rng(seed).permutation(STEPS)


class Hearing:
    """Hears a unit as the mean of a step of sound, or sees it in the lips, which it believes where it has both."""

    def __init__(self) -> None:
        self.calls = 0

    def extract(self, speech: np.ndarray | None = None, lips: np.ndarray | None = None) -> Units:
        self.calls += 1
        if lips is not None:
            return Units.from_frames(lips)
        assert speech is not None
        means = speech.reshape(-1, SAMPLES_PER_UNIT).mean(1) * 100
        return Units.from_frames(np.clip(np.round(means), 0, STEPS - 1).astype(np.int64))


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> Hearing:
    found = Hearing()
    monkeypatch.setattr(sweep, "load_models", lambda *_: SimpleNamespace(extractor=found))
    monkeypatch.setattr(Judges, "there", frozenset({EXTRACTOR}))
    face = property(lambda clip: SimpleNamespace(lips=said(int(clip.path.stem))))
    monkeypatch.setattr(Clip, "face", face)
    return found


def write_cases(folder: Path, number: int = 6) -> list[CaseFiles]:
    cases = []
    for seed in range(number):
        path = folder / f"{seed}.wav"
        write_speech(path, np.repeat(said(seed) / 100, SAMPLES_PER_UNIT).astype(np.float32))
        cases.append(CaseFiles(f"c{seed}", path, path, language="ko"))
    return cases


def test_lips_help_from_where_sound_is_lost(tmp_path: Path, hearing: Hearing) -> None:
    wanted = Sweep(LEVELS, ("white",))
    found = run_sweep(wanted, write_cases(tmp_path), JudgePaths(), tmp_path)
    (curve,) = curves_of(found, wanted)
    errors = {level: figure.value for level, figure in curve.points[AUDIO].items()}
    assert errors[30.0] == 0.0
    assert errors[30.0] < errors[10.0] < errors[-30.0]
    assert {figure.value for figure in (*curve.points[BOTH].values(), *curve.points[VIDEO].values())} == {0.0}
    assert curve.helps_from == 10.0
    assert "white: lips begin to help at 10 dB" in curve.sentence
    assert curve.gains[30.0].value == 0.0


def test_a_sweep_goes_on_and_takes_further_levels(tmp_path: Path, hearing: Hearing) -> None:
    cases = write_cases(tmp_path, 2)
    run_sweep(Sweep((0.0,), ("white",)), cases, JudgePaths(), tmp_path)
    calls = hearing.calls
    run_sweep(Sweep((0.0,), ("white",)), cases, JudgePaths(), tmp_path)
    assert hearing.calls == calls
    run_sweep(Sweep((0.0, -5.0), ("white",)), cases, JudgePaths(), tmp_path)
    assert hearing.calls == calls + 2 * 3  # of each case what is clean, and sound and both at the new level


def test_babble_is_what_the_others_say_and_a_file_is_what_it_is(tmp_path: Path, hearing: Hearing) -> None:
    cases = write_cases(tmp_path, 3)
    for wanted in (Sweep((0.0,), ("babble",)), Sweep((0.0,), file=cases[1].source)):
        (curve,) = curves_of(run_sweep(wanted, cases, JudgePaths(), tmp_path), wanted)
        assert curve.noise == wanted.names[0]
        assert curve.points[AUDIO][0.0].value > 0.5


def test_a_case_without_a_face_has_failed_and_is_named_beside_the_curve(
    tmp_path: Path, hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def face(clip: Clip) -> SimpleNamespace:
        if clip.path.stem == "1":
            raise NoFaceError("no face was found in any picture", path=clip.path)
        return SimpleNamespace(lips=said(int(clip.path.stem)))

    monkeypatch.setattr(Clip, "face", property(face))
    wanted = Sweep((-30.0,), ("white",))
    found = run_sweep(wanted, write_cases(tmp_path, 3), JudgePaths(), tmp_path)
    assert {one.id for one in found if one.failed} == {"c1"}
    (curve,) = curves_of(found, wanted)
    assert (curve.failed, curve.points[AUDIO][-30.0].n) == (1, 2)
    assert "1 clip failed" in curve.sentence


def _records(gain: dict[float, float]) -> list[Record]:
    """Texts of four clips: sound alone 50, both better by so much at each level."""
    found = [Record(f"c{n}", VIDEO, "noise", "", {"chrf": 30.0 + n}) for n in range(4)]
    for level, more in gain.items():
        found += [Record(f"c{n}", subject_of(AUDIO, "x", level), "noise", "", {"chrf": 50.0 + n}) for n in range(4)]
        found += [Record(f"c{n}", subject_of(BOTH, "x", level), "noise", "", {"chrf": 50.0 + n + more}) for n in range(4)]
    return found


@pytest.mark.parametrize(
    ("gain", "begins"),
    [
        ({20: 0.0, 0: 5.0, -10: 5.0}, 0),
        ({20: 5.0, 0: 0.0, -10: 5.0}, -10),  # above a level at which they do not help, nothing is begun
        ({20: 5.0, 0: 5.0, -10: 0.0}, None),
        ({20: 0.0, 0: -5.0, -10: -5.0}, None),
    ],
)
def test_where_lips_begin_to_help_is_the_highest_level_from_which_on_they_do(
    gain: dict[float, float], begins: float | None
) -> None:
    wanted = Sweep(tuple(gain), ("x",))
    (curve,) = curves_of(_records(gain), wanted)
    assert curve.figure == "chrf"
    assert curve.helps_from == begins
    drawn = noise_curve(curve)
    assert ("lips help from here on" in drawn) == (begins is not None)
    assert standing_alone(drawn).startswith('<svg xmlns="http://www.w3.org/2000/svg" ')


def test_levels_are_read_from_clean_to_loud() -> None:
    assert parse_levels("0,-5,20,0") == (20.0, 0.0, -5.0)
    for wrong in ("", "a", "1;2", "nan", "inf"):
        with pytest.raises(UsageError, match="--noise cannot be used"):
            parse_levels(wrong)
