"""Lips by a program: what it gets, when and where its frames are shown, in which colours, and what is said of bad ones."""

import os
import shlex
import sys
import weakref
from collections.abc import Iterator, Sequence
from errno import ENOSPC
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.errors import InputError, OutputError, UsageError
from avcore.faces.crop import paste_face, paste_face_hard
from avcore.media import read_speech
from avcore.notes import Note
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import Actor, clip, head_of
from tests.parity.published_wav2lip import published_starts
from tests.refusal import refused
from tests.unit2av.lip_programs import FREE, GOOD, command, loudness
from unit2av.lipsync import DrawError, Scene, SpokenUnits, TwoPassLipSync, program
from unit2av.lipsync.backend import LipSyncChoice, ready_names, resolve_backend
from unit2av.lipsync.patches import Paste
from unit2av.lipsync.program import ProgramLipSync

SIZE, TAIL = 192, 16
BOX = np.array([60, 40, 180, 176], np.float32)
SOUND = (0.3 * np.sin(np.arange(48000) / 7) * np.repeat([0, 1, 0, 1, 0.5, 0], 8000)).astype(np.float32)


def lips_of(how: str, paste: Paste = paste_face_hard, places: str = FREE, size: int = SIZE) -> ProgramLipSync:
    return ProgramLipSync(shlex.split(command(how, places)), size, paste)


def level(number: int) -> np.ndarray:
    """A frame whose level tells its number."""
    return np.full((220, 240, 3), 20 + 4 * number, np.uint8)


def scene(number: int, rate: Fraction | int = 25, **more: object) -> Scene:
    return Scene(level(number), **{"box": BOX, "time": number / Fraction(rate), **more})  # type: ignore[arg-type]


def levels_of(path: Path) -> list[int]:
    """The numbers that the frames of a clip tell."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert {frame.shape for frame in frames} == {(SIZE, SIZE, 3)}
    return [round((float(frame.mean()) - 20) / 4) for frame in frames]


@pytest.fixture
def head() -> list[Scene]:
    """A drawn head that drifts by parts of a pixel, with its box."""
    scenes = []
    for k in range(12):
        rgb = draw(head_of(905), Pose(scale=0.5, shift=(0.3 * k / 240, 0.3 * k / 240)), MouthShape(0.0, 0.0), 240)
        scenes.append(Scene(rgb, np.array([62, 49, 179, 186], np.float32) + np.float32(0.3 * k), Fraction(k, 25)))
    return scenes


def test_the_clip_is_of_one_face_at_25_fps_with_the_sound_of_its_time(tmp_path: Path) -> None:
    lips = lips_of("mouth")
    assert isinstance(lips, TwoPassLipSync)
    scenes = [scene(number, 50, time=Fraction(1, 5) + Fraction(number, 50)) for number in range(40)]
    (clip,) = lips.first_pass(lips.codes(SpokenUnits(samples=SOUND)), scenes, tmp_path).clips
    shown = levels_of(tmp_path / "0" / "face.mp4")
    assert (shown, len(shown)) == ([*range(0, 40, 2), 39, *[39] * TAIL][: len(shown)], 21 + TAIL)
    assert clip.mask == [True] * 21 + [False] * TAIL
    assert clip.box[0] + clip.box[2] == clip.box[1] + clip.box[3] == SIZE
    assert (clip.box[3] - clip.box[1]) / SIZE == pytest.approx(1 / 1.6, abs=0.01)
    assert (clip.box[2] - clip.box[0]) / (clip.box[3] - clip.box[1]) == pytest.approx(120 / 136, abs=0.02)
    heard = read_speech(tmp_path / "0" / "speech.wav")
    assert len(heard) == 640 * (21 + TAIL)
    np.testing.assert_allclose(heard, SOUND[3200:][: len(heard)], atol=1e-4)


def test_the_nearest_face_fills_in_and_each_shot_has_its_clip(tmp_path: Path) -> None:
    away = range(4, 10)
    scenes = [scene(k, box=None if k in away else BOX, shot=int(k >= 14)) for k in range(20)]
    scenes[0] = scene(0, box=None)
    lips = lips_of("copy")
    seen = lips.first_pass(SOUND, scenes, tmp_path)
    first, second = seen.clips
    assert levels_of(tmp_path / "0" / "face.mp4")[:13] == [1, 2, 3, 3, 3, 3, 10, 10, 10, 10, 11, 12, 13]
    assert first.mask[:13] == [True] * 3 + [False] * 6 + [True] * 4
    assert levels_of(tmp_path / "1" / "face.mp4")[:6] == [14, 15, 16, 17, 18, 19]
    assert (first.begin, second.begin) == (Fraction(1, 25), Fraction(14, 25))
    assert [strength > 0 for _, strength in seen.places] == [one.box is not None for one in scenes]
    shown = list(lips.draw(seen, scenes))
    assert [rgb is one.rgb for rgb, one in zip(shown, scenes, strict=True)] == [one.box is None for one in scenes]


@pytest.mark.parametrize(("rate", "within"), [(25, 0), (30, 1), (Fraction(24000, 1001), 1), (60, 1), (10, 0)])
def test_each_frame_shows_what_was_drawn_for_its_time(tmp_path: Path, rate: Fraction | int, within: int) -> None:
    lips, count = lips_of("copy"), int(2 * rate)
    scenes = [Scene(np.full((220, 240, 3), 20 + round(180 * k / count), np.uint8), BOX, k / Fraction(rate)) for k in range(count)]
    shown = list(lips.draw(lips.first_pass(SOUND, scenes, tmp_path), scenes))
    steps = [abs(float(rgb[100, 120, 0]) - float(one.rgb[0, 0, 0])) for rgb, one in zip(shown, scenes, strict=True)]
    assert max(steps) <= 2 + within * 180 / count  # at most the frame beside it
    assert all(np.array_equal(rgb[:30], one.rgb[:30]) for rgb, one in zip(shown, scenes, strict=True))


def test_an_unchanged_face_goes_back_without_a_seam(head: list[Scene], tmp_path: Path) -> None:
    for how, most in (("copy", 2.0), ("tinted", 4.0)):
        lips = lips_of(how, paste_face)
        (folder := tmp_path / how).mkdir()
        seen = lips.first_pass(np.zeros(16000, np.float32), head, folder)
        for one, rgb in zip(head, lips.draw(seen, head), strict=True):
            change = np.abs(rgb.astype(int) - one.rgb)
            assert change[49:190, 62:183].mean() < most
            assert np.percentile(change, 99.5) < 5 * most
            assert not change[:45].any()


def test_nothing_is_drawn_over_what_comes_before_the_mouth(head: list[Scene], tmp_path: Path) -> None:
    scenes = []
    for k in range(70):
        rgb = head[0].rgb.copy()
        if 30 <= k < 50:
            rgb[140:, 95:150] = (35, 35, 40)  # a microphone
        scenes.append(Scene(rgb, head[0].box, Fraction(k, 25)))
    lips = lips_of("mouth", paste_face)
    seen = lips.first_pass(np.full(40000, 0.3, np.float32), scenes, tmp_path)
    shown = list(lips.draw(seen, scenes))
    is_drawn = [rgb is not one.rgb for rgb, one in zip(shown, scenes, strict=True)]
    assert not any(is_drawn[30:50])
    assert all(is_drawn[:24] + is_drawn[-8:])
    assert not any(seen.clips[0].mask[30:50])
    changes = [np.abs(rgb.astype(int) - one.rgb).sum() for rgb, one in zip(shown[:31], scenes, strict=False)]
    assert max(changes[k] - changes[k + 1] for k in range(30)) < 0.45 * max(changes)  # it fades


def test_the_mouth_moves_with_the_sound_and_with_the_head(head: list[Scene], tmp_path: Path) -> None:
    lips = lips_of("mouth", paste_face, size=256)
    sound = SOUND[8000 - 4 * 640 :]  # it begins with the fifth frame
    seen = lips.first_pass(sound, head, tmp_path)
    loud = loudness(tmp_path / "0" / "speech.wav", len(head) + TAIL)
    shown = list(lips.draw(seen, head))
    y, x = np.mgrid[:240, :240]
    middles = []
    for one, rgb, share in zip(head, shown, loud, strict=False):
        change = np.abs(rgb.astype(float) - one.rgb).sum(axis=2)
        change[change < 20] = 0
        assert (change.sum() > 10_000) == (share > 0.5)
        if share > 0.5:
            middles.append(((change * x).sum() / change.sum(), (change * y).sum() / change.sum()))
    assert len(middles) == 8
    np.testing.assert_allclose(np.diff(middles, axis=0), 0.3, atol=0.1)  # as far as the head, by parts of a pixel
    np.testing.assert_allclose(middles[0], (120.5 + 1.2, 49 + 0.8 * 137 + 1.2), atol=3.5)


@pytest.mark.parametrize("how", GOOD)
def test_good_programs_are_drawn_in_any_form(how: str, tmp_path: Path) -> None:
    scenes = [scene(k) for k in range(30)]
    for places in (FREE, ""):
        (folder := tmp_path / (places or "lines").strip()[:5]).mkdir()
        lips = lips_of(how, places=places)
        shown = list(lips.draw(lips.first_pass(SOUND, scenes, folder), scenes))
        lips.close()
        assert len(shown) == 30
        assert all(rgb is not one.rgb for rgb, one in zip(shown, scenes, strict=True))


BAD = {
    "exit": "failed; found exit code 3: CUDA out of memory",
    "nothing": "wrote no frames; expected a video in {out}, or one video or images in {dir}; found nothing",
    "elsewhere": "wrote no frames; expected a video in {out}, or one video or images in {dir}; found nothing",
    "two": "wrote no frames; expected a video in {out}, or one video or images in {dir}; found a.mp4, b.mp4",
    "text": "wrote frames that cannot be read; found it cannot be read as video or sound",
    "torn": "wrote frames that cannot be read; found it cannot be read as video or sound",
    "torn image": "wrote frames that cannot be read; found 1.png is no image",
    "few": "wrote another number of frames; expected 46 frames; found 23",
    "many": "wrote another number of frames; expected 46 frames; found 92",
    "small": "wrote frames of another size; expected 192x192; found 96x96",
    "slow": "did not end; found nothing within 1 s",
}


@pytest.mark.parametrize(("how", "why"), BAD.items())
def test_bad_programs_are_one_line(how: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "slow":
        monkeypatch.setattr(program, "_LIMIT_S", 1.0)
    message = refused(DrawError, "", lips_of(how).first_pass, SOUND, [scene(k) for k in range(30)], tmp_path)
    assert message == f"{sys.executable}: the program of --lips-with {why}"


@pytest.fixture(scope="module")
def talking() -> list[Scene]:
    """A head that moves and talks."""
    box = np.array([62, 49, 179, 186], np.float32)
    return [Scene(frame.rgb, box, frame.time) for frame in clip([Actor(905, scale=0.5)], 50, (240, 240))]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("black", "another picture; expected the face of the clip, of which only the mouth is new; found none in 66 of 66 frames"),
        (
            "half black",
            "another picture; expected the face of the clip, of which only the mouth is new; found none in 61 of 66 frames",
        ),
        ("green", "another picture"),
        ("upside down", "another picture"),
        ("moved", "another picture"),
        (
            "late",
            "frames of another time; expected 25 frames a second, only the last may be missing; found those of 13 frames later",
        ),
        ("frozen", "a mouth that does not move; expected a mouth that speaks; found the same picture in all frames"),
        ("24", "another number of frames a second; expected 25; found 24"),
        ("30", "another number of frames a second; expected 25; found 30"),
        ("30 as 25", "frames of another time"),
    ],
)
def test_what_is_not_the_clip_with_another_mouth_is_refused(how: str, why: str, talking: list[Scene], tmp_path: Path) -> None:
    lips = lips_of(how, paste_face)
    with pytest.raises(DrawError, match=f"the program of --lips-with wrote {why}"):
        lips.first_pass(np.resize(SOUND[8000:16000], 32000), talking, tmp_path)


@pytest.mark.parametrize(("how", "is_told"), [("mouth", False), ("tinted", False), ("early", False), ("copy", True)])
def test_of_a_copy_a_person_is_told(
    how: str, is_told: bool, talking: list[Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = list[Note]()
    monkeypatch.setattr(program, "report_note", lambda note, *_, **__: notes.append(note))
    lips_of(how, paste_face).first_pass(np.resize(SOUND[8000:16000], 32000), talking, tmp_path)
    assert [note.code for note in notes] == ["lips_unchanged"] * is_told


def test_a_program_that_answers_lines_says_why_and_is_ended(tmp_path: Path) -> None:
    lips = lips_of("sorry", places="")
    refused(DrawError, "failed; found no face in frame 3", lips.first_pass, SOUND, [scene(0)], tmp_path)
    lips.close()


def test_after_three_failures_in_a_row_it_is_not_asked_any_more(tmp_path: Path) -> None:
    lips, good = lips_of("exit"), shlex.split(command("copy"))
    bad = lips._command

    def attempt(words: Sequence[str], **more: object) -> None:
        lips._command = words
        (folder := tmp_path / str(len(list(tmp_path.iterdir())))).mkdir()
        lips.first_pass(SOUND, [scene(0, **more)], folder)

    for words in (bad, bad):
        refused(DrawError, "", attempt, words)
    attempt(good)
    for words in (bad, bad):
        refused(DrawError, "", attempt, words)
    attempt(bad, box=None)  # without a face it is not asked
    with pytest.raises(InputError, match="failed, 3 times in a row; found exit code 3") as caught:
        attempt(bad)
    assert not isinstance(caught.value, DrawError)


@pytest.mark.parametrize("name", ["speech.wav", "mask.txt"])
def test_a_full_disk_is_no_failure_of_the_program(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(ENOSPC, "No space left on device")
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", full)
    lips = lips_of("copy")
    with pytest.raises(OutputError, match=f"{name}: the output cannot be written; found No space left on device"):
        lips.first_pass(SOUND, [scene(0)], tmp_path)
    assert not lips._failures


def test_the_hint_of_a_failure_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise InputError("it failed", hint="try again")

    monkeypatch.setattr(program, "run_program", fails)
    refused(DrawError, r"^it failed; try again$", lips_of("copy").first_pass, SOUND, [scene(0)], tmp_path)


def test_memory_is_flat_in_the_length_of_a_talk(tmp_path: Path) -> None:
    alive, most = dict[int, weakref.ref[np.ndarray]](), 0

    def scenes() -> Iterator[Scene]:
        nonlocal most
        for k in range(200):
            one = scene(k % 50, time=Fraction(k, 25))
            alive[k] = weakref.ref(one.rgb)
            most = max(most, sum(ref() is not None for ref in alive.values()))
            yield one

    lips = lips_of("copy")
    seen = lips.first_pass(np.zeros(128000, np.float32), scenes(), tmp_path)
    assert sum(1 for _ in lips.draw(seen, scenes())) == 200
    assert most <= 4


def test_the_published_way_of_wav2lip_is_such_a_program(head: list[Scene], tmp_path: Path, parity_dir: Path) -> None:
    words = [sys.executable, str(Path(__file__).parent / "wav2lip_program.py"), str(parity_dir / "wav2lip_tiny.pth")]
    lips = ProgramLipSync([*words, "{video}", "{audio}", "{box}", "{out}"], 256, paste_face)
    seen = lips.first_pass(SOUND, head, tmp_path)
    total = len(head) + TAIL
    with av.open(str(tmp_path / "0" / "lips.mp4")) as file:
        assert file.streams.video[0].frames == len(published_starts(1 + total * 640 // 200, 25)) == total - 3
    for one, rgb in zip(head, lips.draw(seen, head), strict=True):
        change = np.abs(rgb.astype(int) - one.rgb)
        assert change[130:170, 100:140].mean() > 5
        assert not change[:45].any()


def test_what_is_not_said_of_a_program_is_refused(tmp_path: Path) -> None:
    def check(command: str, **more: int) -> None:
        resolve_backend(LipSyncChoice("program", {"lips_with": command, **more}), None)

    check(f"{sys.executable} x.py {{video}} {{audio}} {{dir}}")
    check(f"{sys.executable} x.py")
    for places in ("{video} {audio}", "{video} {out}", "{out}", "--size {size}", "{mask}", "{box}"):
        refused(UsageError, "says not all that is read and written", check, f"{sys.executable} x.py {places}")
    for size in (63, 500, 2048):
        with pytest.raises(UsageError, match="--lips-size cannot be used; expected a multiple of 16 from 64 to 1024"):
            check(sys.executable, lips_size=size)
    refused(UsageError, "is not there", check, "nowhere {video} {audio} {out}")
    refused(UsageError, "needs your program", resolve_backend, LipSyncChoice("program"), None)
    assert ready_names({"--lips-with": "echo", "--lips-size": "256"}, None) == ["auto", "program", "units"]


def test_its_key_is_the_command_with_its_files_and_the_size(tmp_path: Path) -> None:
    (tmp_path / "lips.py").write_text("1")
    words = f"{sys.executable} {tmp_path / 'lips.py'}"
    keys = []
    for value in ({}, {"lips_size": 256}):
        choice = LipSyncChoice("program", {"lips_with": words, **value})
        keys.append(resolve_backend(choice, None).key(choice, None, ""))
    (tmp_path / "lips.py").write_text("2")
    keys.append(resolve_backend(choice, None).key(choice, None, ""))
    assert len({str(key) for key in keys}) == 3
