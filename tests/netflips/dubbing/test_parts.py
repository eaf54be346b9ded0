"""The parts that draw and mix: where a face may be drawn, what the mouth does in silence, what sound is left alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from avcore.arrays import Pixels
from avcore.contracts import Word
from avcore.media.source import Part
from avcore.timeline import Interval
from avcore.units import Units
from netflips.commands.dub_options import DubCommand
from netflips.commands.dub_videos import _print_draft
from netflips.dubbing.face_path import FacePath, follow, paste_lower_face
from netflips.dubbing.mix import Line, Mixer, SoundReader, output_blocks
from netflips.dubbing.part import OutputClock, Placed
from netflips.dubbing.render import PlacedTalk, segment_borders
from netflips.dubbing.shots import Shots
from netflips.dubbing.speech import silent_frames
from netflips.dubbing.track_faces import Face, FaceMeasures, FrameSpan
from netflips.script.targets import Text, WrittenText
from netflips.script.types import Media, Script, Term
from netflips.script.utterance import Utterance
from tests.unit2av.mouth_samples import open_mouth
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.mesh.lip_sync import MeshLipSync
from unit2av.lipsync.patches import UnitLipSync
from unit2av.rendering import OutputFrame, Reason, drawn

BOX = np.array([20, 10, 80, 90], np.float32)


def _path(cuts: Sequence[float] = (), count: int = 100, there: np.ndarray | None = None, **changes: Any) -> FacePath:
    """Where a face is drawn that is level and sharp but for `changes`; there: bool [count], where it is seen at all."""
    level, tracks = np.zeros(count, np.float32), changes.get("tracks", np.zeros(count, np.int64))
    plain = {"yaw": level, "pitch": level, "sharpness": level + 50, "lip_margin": level + 0.3, "opening": level}
    measures = {name: changes.get(name, column) for name, column in plain.items()}
    boxes = changes.get("boxes", np.tile(BOX, (count, 1)))
    seen = np.ones(count, bool) if there is None else there
    edges = [0, *(np.flatnonzero((np.diff(tracks) != 0) | (np.diff(seen) != 0)) + 1).tolist(), count]
    spans = [slice(*pair) for pair in pairwise(edges) if seen[pair[0]]]
    look = np.zeros(1, np.float32)

    def cut(rows: slice) -> FaceMeasures:
        return FaceMeasures(**{name: column[rows] for name, column in measures.items()})

    faces = [Face(int(tracks[one.start]), 0, one.start, 0, boxes[one], cut(one), look) for one in spans]
    return follow(faces, FrameSpan(0, count, count), Shots(cuts))


def _marked(count: int, start: int, stop: int, value: float, base: float = 0.0) -> np.ndarray:
    column = np.full(count, base, np.float32)
    column[start:stop] = value
    return column


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"yaw": _marked(100, 40, 60, -1.2)}, Reason.PROFILE),
        ({"pitch": _marked(100, 40, 60, 1.2)}, Reason.PROFILE),
        ({"sharpness": _marked(100, 40, 60, 0.5, 50)}, Reason.BLURRED),
        ({"there": _marked(100, 40, 60, 0, 1) > 0}, Reason.NO_FACE),
        ({"lip_margin": _marked(100, 40, 60, 0.0, 0.3)}, Reason.CUT_OFF),
    ],
)
def test_faces_that_cannot_be_drawn_are_left_alone_and_blended_around(changes: dict[str, Any], reason: Reason) -> None:
    path = _path(**changes)
    strengths = [path.at(Fraction(k, 25))[1] for k in range(100)]
    assert path.at(2.0) == (None, 0.0, reason)
    assert all(value == 0 for value in strengths[40:60])
    assert all(value == 1 for value in strengths[:35] + strengths[65:])
    assert 0 < strengths[39] < strengths[38] < strengths[37] <= 1
    assert 0 < strengths[60] < strengths[61] < strengths[62] <= 1
    assert _path(there=abs(np.arange(100) - 50) < 2).at(2.0)[2] == Reason.BRIEF


def test_boxes_are_smooth_within_a_shot_and_follow_without_lag() -> None:
    rng = np.random.default_rng(0)
    boxes = np.tile(BOX, (100, 1)) + rng.normal(0, 2, (100, 4)).astype(np.float32)
    boxes[50:] += 60
    tracks = (np.arange(100) >= 50).astype(np.int64)
    path = _path([1.985], boxes=boxes, tracks=tracks)  # the cut is before the first box of the new shot, as at 29.97 Hz
    at = [path.at(k / 60) for k in range(230)]
    assert all(box is not None for box, _, _ in at)
    steps = np.abs(np.diff([box for box, _, _ in at if box is not None], axis=0)).max(axis=1)
    cut = next(k for k in range(230) if k / 60 >= 1.985) - 1
    assert steps[cut] > 50
    assert np.delete(steps, cut).max() < 1.0 < np.abs(np.diff(boxes[:50], axis=0)).max()
    assert all(strength == 1 for _, strength, _ in at)  # no blending at a cut
    boxes = BOX + np.arange(100, dtype=np.float32)[:, None]
    steady = _path(boxes=boxes)
    for k in (0, 3, 50, 99):
        assert steady.at(Fraction(k, 25))[0] == pytest.approx(BOX + k, abs=0.01)


class _Renderer:
    """One code for each unit; draws it as a level of gray."""

    num_units = 1000

    def codes(self, units: Units) -> torch.Tensor:
        frames = units.frames()[::2].astype(np.float32)
        return torch.from_numpy(np.pad(frames, (0, -len(frames) % 10), mode="edge"))[:, None]

    def draw(self, codes: torch.Tensor, faces: list[np.ndarray], times: list[Fraction], first_row: int = 0) -> np.ndarray:
        return np.stack([np.full((96, 96, 3), int(codes[int(time * 25), 0]), np.uint8) for time in times])


def test_the_mouth_rests_in_silence_without_quivering() -> None:
    said = Units(np.arange(10, 60), np.full(50, 2), "ko", is_merged=True)
    silent = np.zeros(50, bool)
    silent[20:30] = True
    renderer: Any = _Renderer()
    codes = UnitLipSync(renderer).codes(SpokenUnits(said, quiet=silent, rest=5))[:, 0].tolist()
    assert (codes[:20], codes[20:30], codes[30:50]) == (list(range(10, 30)), [5] * 10, list(range(40, 60)))
    assert codes[50:] == [5]  # it holds on
    assert UnitLipSync(renderer).codes(SpokenUnits(said, quiet=silent))[50:, 0].tolist() == [59]


def test_only_lasting_silence_is_rest() -> None:
    tone = 0.2 * np.sin(np.arange(16_000) / 5).astype(np.float32)
    tone[640 * 5 : 640 * 7] = 0
    tone[640 * 12 : 640 * 20] = 0
    assert np.flatnonzero(silent_frames(tone)).tolist() == list(range(12, 20))
    assert silent_frames(np.zeros(6400, np.float32)).all()


def _talk(path: FacePath) -> PlacedTalk:
    place = Placed(Fraction(1), Fraction(4), Fraction(0))
    return PlacedTalk(1, Fraction(1), torch.full((200, 1), 200.0), place, path)


class _Drawn:
    """A frame that never was stored."""

    def __init__(self, rgb: Pixels, time: Fraction, index: int) -> None:
        self.rgb, self.time, self.index, self.whole = rgb, time, index, Part(slice(0, rgb.shape[0]), slice(0, rgb.shape[1]))

    def part(self, place: Part) -> Pixels:
        return self.rgb[place.rows, place.columns].copy()


def _frames(count: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [_Drawn(rng.integers(0, 100, (100, 100, 3)).astype(np.uint8), Fraction(k, 25), k) for k in range(count)]


def _scheduled(talk: PlacedTalk, frames: Sequence[Any], inside: range) -> Iterator[OutputFrame]:
    shots: dict[tuple[int, int], int] = {}
    for one in frames:
        yield (
            OutputFrame(one, one.time, talk, talk.face(one.time, one.time, shots))
            if one.index in inside
            else OutputFrame(one, one.time)
        )


def test_frames_are_the_same_outside_of_talk_and_the_mouth() -> None:
    talk = _talk(_path(count=150))
    frames = _frames(150)
    renderer: Any = _Renderer()
    inside = range(25, 100)
    shown = list(drawn(UnitLipSync(renderer, paste_lower_face), _scheduled(talk, frames, inside)))
    assert [one.time for one in shown] == [one.time for one in frames]
    for k, (one, frame) in enumerate(zip(shown, frames, strict=True)):
        if k not in inside:
            assert one.rgb is frame.rgb
            continue
        assert np.array_equal(one.rgb[:43], frame.rgb[:43])
        assert np.array_equal(one.rgb[90:], frame.rgb[90:])
        assert np.array_equal(one.rgb[:, :20], frame.rgb[:, :20])
        assert one.owner == 1
    middle = [float(one.rgb[65:80, 40:60].mean()) for one in shown]
    assert middle[60] == 200
    assert middle[25] < middle[26] < middle[27] < middle[28] < middle[30] == 200
    assert 200 == middle[94] > middle[97] > middle[98] > middle[99]


def test_a_frame_without_a_face_is_passed_on_with_the_reason() -> None:
    talk = _talk(_path(count=150, there=np.zeros(150, bool)))
    renderer: Any = SimpleNamespace(draw=None)
    (shown,) = drawn(UnitLipSync(renderer), _scheduled(talk, _frames(50)[40:41], range(50)))
    assert shown.face.reason == Reason.NO_FACE


class _FarSighted:
    """A mouth that reads three scenes ahead, and paints the faces that it is to draw, but for one frame that it cannot."""

    name, needs_units, needs_sound, needs_whole = "far-sighted", False, False, True

    def __init__(self) -> None:
        self.scenes, self.most_held, self._given = list[Scene](), 0, 0

    def codes(self, said: SpokenUnits) -> None:
        """None are needed."""

    def draw(self, codes: Any, scenes: Iterable[Scene]) -> Iterator[np.ndarray]:
        del codes
        held: list[Scene] = []
        for scene in scenes:
            self.scenes.append(scene)
            held.append(scene)
            if len(held) > 3:
                yield self._shown(held.pop(0))
        yield from map(self._shown, held)

    def _shown(self, scene: Scene) -> np.ndarray:
        return scene.rgb if scene.box is None or scene.time == 1 else np.full_like(scene.rgb, 255)


def test_a_mouth_that_looks_ahead_meets_each_face_of_each_shot_anew() -> None:
    talk, mouth = _talk(_path([2.0], count=150, tracks=np.repeat([4, 7], [90, 60]))), _FarSighted()
    frames = _frames(150)
    inside = range(25, 100)
    shown = list(drawn(mouth, _scheduled(talk, frames, inside)))
    assert [one.time for one in shown] == [one.time for one in frames]
    assert [scene.time for scene in mouth.scenes] == [Fraction(k, 25) for k in range(75)]
    assert np.flatnonzero(np.diff([scene.shot for scene in mouth.scenes])).tolist() == [24, 64]  # the cut, the other face
    assert len({scene.shot for scene in mouth.scenes}) == 3
    assert [scene.strength for scene in mouth.scenes[1:5]] == [0.25, 0.5, 0.75, 1.0]
    assert [k for k, one in enumerate(shown) if one.face.reason == Reason.HIDDEN] == [50]  # what it left alone is said
    assert all(one.rgb is frame.rgb for one, frame in zip(shown, frames, strict=True) if frame.index not in inside)
    assert shown[60].rgb.min() == 255


def test_a_mesh_closes_in_silence_and_stays_closed() -> None:
    mouth, silent = MeshLipSync(open_mouth(100)), np.zeros(50, bool)
    silent[20:30] = True
    opening = mouth.codes(SpokenUnits(Units(np.arange(10, 60), np.full(50, 2), "ko", is_merged=True), quiet=silent))[:, 0]
    mouth.close()
    assert opening[:18].min() > 0.7  # lips take their time
    assert opening[19] > opening[20] > 0
    assert set(opening[21:29].tolist()) == {0.0}
    assert opening[32:50].min() > 0.7


def _line(start: int, stop: int, length: int, level: float = 0.5) -> Line:
    return Line(start, stop, length, lambda: np.full(length, level, np.float32))


@pytest.mark.parametrize("block", [100, 997, 48_000])
def test_old_sound_is_the_very_same_outside_of_lines(block: int) -> None:
    old = np.random.default_rng(0).normal(0, 0.1, (30_000, 2)).astype(np.float32)
    mixer = Mixer([_line(5000, 9000, 3000), _line(15_000, 18_000, 4000)], 10_000, 2)
    starts = range(0, len(old), block)
    mixed = np.concatenate([sum(mixer.parts(start, old[start : start + block])) for start in starts])
    untouched = np.ones(len(old), bool)
    untouched[5000:9000] = untouched[15_000:19_000] = False
    assert np.array_equal(mixed[untouched], old[untouched])
    assert np.all(mixed[5300:7700] == 0.5)  # nothing of the old speech is left
    assert np.all(mixed[8000 + 300 : 8700] == 0)
    assert mixed[18_300:18_700] == pytest.approx(old[18_300:18_700] + 0.5)  # in the pause, over what is heard there
    faded = mixed[5000:5200, 0] - old[5000:5200, 0]
    assert abs(faded[0]) < 0.01 < 0.2 < abs(faded[100])  # no click


def test_old_speech_that_begins_softly_and_ends_late_is_not_heard() -> None:
    old = np.full((1000, 1), 0.1, np.float32)
    line = replace(_line(400, 600, 100, 0.3), before=50, behind=80)
    mixed = np.concatenate([sum(Mixer([line], 1000, 1).parts(start, old[start : start + 345])) for start in (0, 345, 690)])[:, 0]
    assert mixed[[349, 380, 450, 620, 680]] == pytest.approx([0.1, 0.0, 0.3, 0.0, 0.1])


def test_effects_are_heard_between_voices_and_a_bed_below_them() -> None:
    old, effects = np.full((1000, 1), 0.1, np.float32), np.full((1000, 1), 0.3, np.float32)
    kept = sum(Mixer([_line(400, 600, 100, 0.0)], 1000, 1).parts(0, old, effects))[:, 0]
    assert kept[[0, 399, 500, 600]] == pytest.approx([0.1, 0.1, 0.3, 0.1])
    muted = sum(Mixer([_line(400, 600, 100, 0.0)], 1000, 1, kept=0.0).parts(0, old, effects))[:, 0]
    assert muted == pytest.approx(0.3)
    bed = np.full((1000, 1), 0.05, np.float32)
    lines = [_line(100, 300, 100, 0.0), replace(_line(600, 800, 100, 0.0), has_background=False)]
    mixed = sum(Mixer(lines, 1000, 1).parts(0, old, bed, is_background=True))[:, 0]
    assert mixed[[50, 200, 450, 700, 900]] == pytest.approx([0.1, 0.05, 0.1, 0.0, 0.1])


def test_a_voice_over_has_the_original_below_it() -> None:
    old = np.full((1000, 1), 0.1, np.float32)
    speech, rest = Mixer([_line(400, 600, 300)], 1000, 1, under=0.1).parts(0, old)
    assert rest[[0, 399, 450, 650, 700], 0] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.1])
    assert speech[[399, 500, 699 - 30, 700], 0] == pytest.approx([0, 0.5, 0.5, 0])
    mixed = sum(Mixer([_line(0, 1000, 1000)], 1000, 6, kept=0.0).parts(0, np.ones((1000, 6), np.float32)))
    assert mixed[500].tolist() == [0, 0, 0.5, 0, 0, 0]


def _clock(start: Fraction, *holds: tuple[Fraction, Fraction]) -> Any:
    """start: of the part. holds: when frames are held, and for how long."""
    sums = [sum((held for _, held in holds[:count]), Fraction(0)) for count in range(len(holds) + 1)]
    at = partial(OutputClock.at, SimpleNamespace(part=SimpleNamespace(start=start), _ends=[end for end, _ in holds], _sums=sums))
    return SimpleNamespace(part=SimpleNamespace(start=start), freezes=list(holds), at=at)


def test_held_frames_put_silence_into_the_sound() -> None:
    clock = _clock(Fraction(1, 2), (Fraction(1), Fraction(1, 2)), (Fraction(3), Fraction(1)))
    old = np.arange(400, dtype=np.float32)[:, None] + 1
    blocks = list(output_blocks([old[:130], old[130:330], old[330:]], clock, 100, 500))
    assert [start for start, _ in blocks] == np.cumsum([0, *(len(block) for _, block in blocks)])[:-1].tolist()
    joined = np.concatenate([block for _, block in blocks])[:, 0]
    expected = np.concatenate([old[50:100, 0], np.zeros(50), old[100:300, 0], np.zeros(100), old[300:, 0]])
    assert np.array_equal(joined[: len(expected)], expected)
    cut = np.concatenate([block for _, block in output_blocks([old], _clock(Fraction(1)), 100, 100, 100)])
    assert np.array_equal(cut, old[100:200])
    reader = SoundReader([np.ones((3, 2), np.float32), np.full((4, 2), 3, np.float32)], 1)
    assert [reader.take(count)[:, 0].tolist() for count in (2, 3, 4)] == [[1, 1], [1, 3, 3], [3, 3, 0, 0]]


def test_pieces_begin_with_utterances_and_are_not_long() -> None:
    spans = [(Fraction(5), Fraction(40)), (Fraction(45), Fraction(50)), (Fraction(130), Fraction(140))]
    borders = segment_borders(Fraction(0), Fraction(200), spans)
    assert borders == sorted(set(borders))
    assert {0, 5, 45, 130} <= set(borders)
    for begin, end in spans:
        assert not any(begin < border < end for border in borders)
    gaps = np.diff([float(border) for border in [*borders, Fraction(200)]])
    assert max(gap for gap, begin in zip(gaps, borders, strict=True) if begin != 5) <= 30


def test_a_draft_shows_what_subtitles_say_and_lists_terms(caplog: pytest.LogCaptureFixture) -> None:
    given = Utterance(1, Interval(0.0, 2.0), target=WrittenText("첫 번째입니다."))
    heard = Utterance(2, Interval(2.0, 4.0), text=Text("Hello."))
    media, terms = Media("x.mp4", duration_s=5.0), (Term("Hello", "", "헬로"), Term("Emily", "에밀리", "엠"))
    script = Script("en", "ko", media=media, utterances=(given, heard), terms=terms)
    with caplog.at_level("INFO", "netflips"):
        _print_draft(DubCommand(videos=(Path("x.mp4"),), draft=Path("d.json")), script)
    lines = [record.getMessage().strip() for record in caplog.records]
    assert lines[:2] == ["1: 첫 번째입니다.", "2: Hello. -> (not read)"]
    assert lines[3:5] == ["1x Hello: (헬로)", "0x Emily: 에밀리"]


def test_a_draft_marks_what_was_heard_unsurely(caplog: pytest.LogCaptureFixture) -> None:
    said = "A lab admit, U-Band plastic stress scientist."
    words = tuple(Word(one, 0.0, 1.0, 0.4 if one[0] in "aUp" else 0.9) for one in said.split())
    text = Text(said, "en", "recognizer", words)
    one = Utterance(1, Interval(0.0, 2.0), text=text, target=WrittenText("네."))
    with caplog.at_level("INFO", "netflips"):
        _print_draft(DubCommand(videos=(Path("x.mp4"),), draft=Path("d.json")), Script("en", "ko", utterances=(one,)))
    assert caplog.messages[0] == "1: A lab (?admit, U-Band plastic) stress scientist. -> 네."
    assert caplog.messages[1].startswith("(?...): heard unsurely")
    assert replace(text, text="A lab at MIT").doubted == "A lab at MIT"  # a person's
