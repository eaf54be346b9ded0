"""A person's subtitles against the speech that was found: how late they are, how far they reach, what they leave out."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import NoSpeechError, UsageError
from avcore.speech.audio import level_dbfs
from avcore.speech.voice_activity import STEP_SAMPLES, SpeechActivity
from avcore.timeline import Interval
from netflips.dubbing.coverage import offset_of, outside, to_edges
from netflips.dubbing.dub import dub
from netflips.dubbing.mix import soft_edges
from netflips.dubbing.options import DubOptions
from netflips.dubbing.sound import Sound
from netflips.models import Models
from netflips.report.files import summary_of
from tests.netflips.dubbing.made import PLAN, RATE, decode
from unit2av.lipsync.backend import LipSyncChoice


def spans(*pairs: tuple[float, float]) -> list[Interval]:
    return [Interval(*pair) for pair in pairs]


TALK = spans((0.5, 2.5), (3.4, 7.0), (7.6, 9.0), (10.4, 15.0), (15.5, 17.2), (18.9, 22.0), (22.8, 25.0), (27.0, 31.0))
EVEN = np.arange(0.0, 40.0, 2.0)


def moved(talk: list[Interval], seconds: float, early: float = 0.0) -> list[Interval]:
    return spans(*((max(start + seconds + 0.05, 0.0), end + seconds - early) for start, end in talk if end + seconds > 0.2))


@pytest.mark.parametrize(
    ("cues", "speech", "late"),
    [
        (moved(TALK, 1.5), TALK, 1.5),
        (moved(TALK, -0.6), TALK, -0.6),
        (moved(TALK, 40.0, early=-0.6), TALK, 40.0),  # each is shown for longer than it is spoken
        (spans((1.2, 3.3), (5.2, 7.3)), spans((0.2, 2.2), (4.2, 6.2)), 1.0),
        (moved(TALK, 0.0), TALK, 0.0),
        (moved(TALK[4:], 0.0), TALK, None),  # the first half has none
        (spans((4.1, 6.4)), spans((0.2, 2.2), (4.2, 6.2)), None),  # one cue fits anywhere
        (spans((0.0, 30.0), (30.0, 60.0)), spans((0.0, 61.0)), None),  # speech without a pause says nothing
        (
            spans(*((k, k + 1.0) for k in range(0, 40, 2))),
            spans(*((k + 1.0, k + 2.0) for k in range(0, 40, 2))),
            None,
        ),  # even ones fit twice
        ([], TALK, None),
    ],
)
def test_how_late_subtitles_are(cues: list[Interval], speech: list[Interval], late: float | None) -> None:
    assert offset_of(cues, speech) == (None if late is None else pytest.approx(late, abs=0.12))


def activity(speech: list[Interval], quiet: float) -> SpeechActivity:
    """Speech of 12 s with one quiet moment."""
    times = np.arange(round(12 * 31.25)) / 31.25
    spoken = np.any([(start <= times) & (times < end) for start, end in speech], axis=0) & (np.abs(times - quiet) > 0.05)
    return SpeechActivity(spoken.astype(np.float32), np.where(spoken, -20.0, -60.0).astype(np.float32), 375 * STEP_SAMPLES)


@pytest.mark.parametrize(
    ("places", "speech", "found"),
    [
        ([(1.05, 2.85)], [(1.0, 3.0)], [(1.0, 3.0)]),  # as people's cues are
        ([(0.8, 3.4)], [(1.0, 3.0)], [(0.8, 3.4)]),
        ([(1.1, 4.8)], [(1.0, 3.0), (3.5, 5.0)], [(1.0, 5.0)]),
        ([(1.1, 2.9), (3.1, 4.9)], [(1.0, 5.0)], [(1.0, 3.0), (3.0, 5.0)]),  # they share the gap, at its quiet moment
        ([(1.0, 2.8)], [(1.0, 6.0)], [(1.0, 3.0)]),  # what follows for long is another's
        ([(3.2, 6.0)], [(1.0, 6.0)], [(3.0, 6.0)]),
        ([(1.0, 2.8), (5.0, 6.0)], [(1.0, 6.0)], [(1.0, 3.0), (4.75, 6.0)]),
        ([(1.0, 3.6)], [(1.0, 3.0), (3.5, 6.0)], [(1.0, 3.6)]),  # it is only shown into the next
        ([(7.0, 9.0)], [(1.0, 3.0)], [(7.0, 9.0)]),
    ],
)
def test_cues_reach_to_the_edges_of_their_speech(places: list[Interval], speech: list[Interval], found: list[Interval]) -> None:
    edges = to_edges(spans(*places), spans(*speech), activity(speech, quiet=3.0))
    assert np.allclose(edges, found, atol=0.26 if found[-1][0] == 4.75 else 0.03)
    assert all(before[1] <= after[0] for before, after in pairwise(edges))


def test_what_is_left_of_speech() -> None:
    assert outside(spans((1, 3), (4, 8)), spans((0, 1.5), (2, 2.5), (5, 6), (7, 9))) == [(1.5, 2), (2.5, 3), (4, 5), (6, 7)]


@pytest.mark.parametrize(
    ("place", "softly"),
    [
        ((1.0, 3.0), (0.1, 0.12)),  # a soft beginning from 0.9 on, and an end up to 3.12
        ((1.5, 3.0), (0.0, 0.12)),  # it begins amid speech
        ((6.0, 8.0), (0.0, 0.0)),  # silence around it
        ((1.0, 2.5), (0.1, 0.0)),
    ],
)
def test_speech_is_heard_beyond_its_detected_edges(tmp_path: Path, place: Interval, softly: tuple[float, float]) -> None:
    speech = [(1.0, 3.0), (6.0, 8.0)]
    found = activity(speech, quiet=11.0)
    times = np.arange(len(found.levels)) / 31.25
    levels = np.where((times >= 0.9) & (times < 3.12), -20.0, found.levels).astype(np.float32)
    sound = Sound(tmp_path / "x.f32", replace(found, levels=levels))
    sound.__dict__["regions"] = [Interval(*one) for one in speech]
    assert soft_edges([place], sound)[0] == pytest.approx(softly, abs=0.13)
    assert [bool(one) for one in soft_edges([place], sound)[0]] == [bool(one) for one in softly]
    assert soft_edges([place], Sound(tmp_path / "x.f32", replace(found, probabilities=0 * found.probabilities))) == [(0.0, 0.0)]


@pytest.fixture
def quick(settings: DubOptions) -> DubOptions:
    return replace(settings, modalities="audio", lips=LipSyncChoice("none"), check="off")


def srt(path: Path, *cues: Interval) -> Path:
    rows = (f"{number}\n00:00:{a:06.3f} --> 00:00:{b:06.3f}\n네, 있어요.\n" for number, (a, b) in enumerate(cues, 1))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


SPEECH = [(sum(PLAN[:k]), sum(PLAN[: k + 1])) for k in (1, 3, 5)]


def test_what_subtitles_leave_out_is_told_and_muted(recording: Path, spelling: Models, quick: DubOptions, tmp_path: Path) -> None:
    given = srt(tmp_path / "a.srt", *((start + 0.1, end - 0.2) for start, end in SPEECH[1:]))
    first, last = SPEECH[0]
    for how, level in (("keep", -30.0), ("mute", -38.0)):
        report = dub(recording, tmp_path / f"{how}.mp4", spelling, replace(quick, script_in=given, other_speech=how))
        (note,) = (one for one in report.notes if one.code == "speech_uncovered")
        assert note.values["spans"] == [[pytest.approx(first, abs=0.4), pytest.approx(last, abs=0.4)]]
        assert note.values["is_muted"] == (how == "mute")
        assert " s of speech have no subtitle (" in summary_of(report).split("\n")[2]
        assert not [one for one in report.notes if one.code.startswith("subtitles_offset")]
        places = [one.place for one in report.processed]
        assert [(one.start_s, one.end_s) for one in places] == [pytest.approx(span, abs=0.4) for span in SPEECH[1:]]
        left = decode(tmp_path / f"{how}.mp4").sound[round((first + 0.3) * RATE) : round((last - 0.3) * RATE), 0]
        assert (level_dbfs(left) > level) == (how == "keep")


def test_late_subtitles_are_told_and_moved(recording: Path, spelling: Models, quick: DubOptions, tmp_path: Path) -> None:
    late = replace(quick, script_in=srt(tmp_path / "a.srt", *moved(SPEECH, 1.2)))
    notes = {one.code: one.values for one in dub(recording, tmp_path / "told.mp4", spelling, late).notes}
    assert notes["subtitles_offset"]["seconds"] == pytest.approx(1.2, abs=0.2)
    assert notes["speech_uncovered"]["seconds"] > 2
    for asked in ("auto", -1.2):
        moved_ = dub(recording, tmp_path / "moved.mp4", spelling, replace(late, subtitle_offset=asked))
        assert {one.code for one in moved_.notes} >= {"subtitles_moved"}
        assert {one.code for one in moved_.notes}.isdisjoint({"speech_uncovered", "subtitles_offset", "no_speech_there"})
        assert [one.place.start_s for one in moved_.processed] == [pytest.approx(start, abs=0.4) for start, _ in SPEECH]

    one = replace(quick, script_in=srt(tmp_path / "b.srt", SPEECH[0]), subtitle_offset="auto")
    assert "subtitles_offset_unknown" in {note.code for note in dub(recording, tmp_path / "c.mp4", spelling, one).notes}


def test_subtitles_beside_all_speech_are_the_cause(
    recording: Path, spelling: Models, quick: DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netflips.dubbing.voices.embedded", lambda *_: np.zeros(0, np.float32))  # as in silence
    pauses = [(sum(PLAN[:k]) + 0.5, sum(PLAN[: k + 1]) - 0.2) for k in (2, 4)]
    with pytest.raises(NoSpeechError, match=r"hardly anybody speaks; expected speech at 0\.\d-3\.\d, .*subtitle_offset"):
        dub(recording, tmp_path / "a.mp4", spelling, replace(quick, script_in=srt(tmp_path / "a.srt", *pauses)))


def test_flags_of_subtitles_belong_to_them(tmp_path: Path) -> None:
    for asked in ({"subtitle_offset": 1.0}, {"other_speech": "mute"}, {"subtitle_offset": 1.0, "script_in": tmp_path / "a.json"}):
        with pytest.raises(UsageError, match="belongs to"):
            DubOptions(**asked)
