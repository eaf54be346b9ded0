"""`netflips lipsync`: the lips of a drawn head to other speech, by each of the mouths."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avcore.media import VideoWriter, probe, read_frames, read_speech, write_speech
from avcore.speech.voice_activity import detect_activity
from avcore.timeline import Interval
from netflips.commands.options import lipsync
from netflips.dubbing import segments
from netflips.dubbing.segments import SegmentEncoder
from netflips.dubbing.speech import quiet_moments
from netflips.dubbing.track_faces import FaceSearch
from netflips.evaluate.command import main as evaluate
from netflips.provenance.manifest import read_provenance
from netflips.provenance.options import LIPS
from netflips.script.files import script_from, script_json
from netflips.script.targets import SpokenSound
from netflips.script.utterance import DrawnFrames
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import talk as said
from tests.unit2av.lip_programs import command
from tests.unit2av.mouth_samples import open_mouth
from unit2av.lipsync.mesh import lip_sync
from unit2av.lipsync.mesh.rewrite import Footage

main = lipsync.main

RATE, FRAMES, SIDE = 20, 24, 160
LABEL = slice(0, 12), slice(0, 60)
"""Where a label is burnt in."""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn head of 1.2 s at 20 fps whose mouth moves, without sound."""
    path, head = tmp_path_factory.mktemp("talk") / "talk.mp4", head_of(905)
    with VideoWriter(path, SIDE, SIDE, RATE, crf=8, preset="ultrafast") as writer:
        for k, pose in enumerate(motion(3, FRAMES, Pose(scale=0.6))):
            writer.write_rgb(draw(head, pose, MouthShape(0.3 + 0.3 * float(np.sin(k)), 0.0), SIDE))
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of noise that comes and goes."""
    path, rng = tmp_path_factory.mktemp("voice") / "voice.wav", np.random.default_rng(2)
    write_speech(path, (rng.normal(0, 0.1, 32000) * np.repeat(rng.integers(0, 2, 20), 1600)).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    open_mouth().save(path := tmp_path_factory.mktemp("table") / "mouth.npz")
    return path


def arguments(talk: Path, voice: Path, out: Path, parity: Path, *more: str) -> list[str]:
    models = ["--av2unit-path", str(parity / "mavhubert.pt"), "--unit2av-path", str(parity / "unit2av_renderer.pt")]
    return [str(talk), "--speech", str(voice), "--out-vid-path", str(out), "--cpu", "--quiet", *models, *more]


def _files(table: Path, parity: Path, mouth: str) -> list[str]:
    own = {"wav2lip": ["--wav2lip-path", str(parity / "wav2lip_tiny.pth")], "mesh": ["--mouth-table", str(table)]}
    own["program"] = ["--lips-with", command("mouth", ""), "--lips-size", "128"]
    return own.get(mouth, [])


@pytest.mark.parametrize("mouth", ["units", "wav2lip", "mesh", "program"])
def test_each_mouth_moves_the_lips_and_the_speech_is_heard(
    talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path, mouth: str
) -> None:
    out, files = tmp_path / "out.mp4", _files(table, parity_dir, mouth)
    reports = "--report", str(tmp_path / "out.json"), "--report", str(tmp_path / "out.html")
    assert main(arguments(talk, voice, out, parity_dir, "--lips", mouth, *reports, *files)) == 0
    script = script_from(json.loads((tmp_path / "out.json").read_text()))
    assert script_from(json.loads(json.dumps(script_json(script)))) == script
    (one,) = script.processed
    assert (script.schedule, script.result.lips, script.result.frames) == ("ping_pong", mouth, 2 * RATE)
    assert isinstance(one.target, SpokenSound)
    assert (one.target.file, one.target.keep_sound) == (str(voice), True)
    assert (one.fit.output, one.drawn) == (Interval(0, 2), DrawnFrames(2 * RATE, 2 * RATE))
    page = (tmp_path / "out.html").read_text()
    assert "voice.wav" in page
    assert "40 frames, 20 a second" in page
    assert page.count("data:image/jpeg") >= 4
    info = probe(out)
    assert info.comment.startswith("synthetic:")
    assert info.frame_rate == RATE
    assert abs(float(info.duration_s) - 2) < 0.1
    assert info.num_frames == 2 * RATE
    heard, given = read_speech(out), read_speech(voice)
    assert np.corrcoef(heard[: len(given)], given[: len(heard)])[0, 1] > 0.9
    before, after = ([frame.rgb.astype(int) for frame in read_frames(path)] for path in (talk, out))
    middle = SIDE // 2
    forehead = [np.abs(one[:middle] - other[:middle]).mean() for one, other in zip(before, after, strict=False)]
    mouths = [np.abs(one[middle:] - other[middle:]).mean() for one, other in zip(before, after, strict=False)]
    # the program's mouth is small, and closed half of the time
    assert np.mean(mouths) > (1.3 if mouth == "program" else 1.5) * np.mean(forehead)


def test_a_program_that_fails_its_only_utterance_leaves_no_video(
    talk: Path, voice: Path, tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert main(arguments(talk, voice, out, parity_dir, "--lips-with", command("small"), "--lips-size", "128")) == 2
    first, second = capsys.readouterr().err.strip().splitlines()
    assert "the lips in utterance 1 stay as they are" in first
    assert first.endswith("wrote frames of another size; expected 128x128; found 64x64")
    assert second.endswith("no lips could be drawn; the warnings say why")
    assert not out.exists()


@pytest.mark.parametrize("mouth", ["units", "mesh"])  # what is pasted is left out in one place
def test_a_mouth_that_the_edge_of_the_frame_cuts_off_stays_as_it_is(
    voice: Path, table: Path, tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str], mouth: str
) -> None:
    # The lower lip is at the edge, but for three frames in which the head is higher: too few for a mouth that fades in and out.
    poses = list(motion(3, 10, Pose(scale=0.6)))
    poses[4:7] = [replace(pose, shift=(pose.shift[0], pose.shift[1] - 0.04)) for pose in poses[4:7]]
    mouths = [MouthShape(0.3 + 0.3 * float(np.sin(k)), 0.0) for k in range(10)]
    frames = [draw(head_of(905), pose, shape, SIDE)[:116] for pose, shape in zip(poses, mouths, strict=True)]
    with VideoWriter(tmp_path / "cut.mp4", SIDE, 116, 25, crf=8) as writer:
        for frame in frames:
            writer.write_rgb(frame)
    out = tmp_path / "out.mp4"
    more = "--fit", "video", "--lips", mouth, "--report", str(tmp_path / "out.json"), *_files(table, parity_dir, mouth)
    assert main(arguments(tmp_path / "cut.mp4", voice, out, parity_dir, *more)) == 0
    assert "the mouth is cut off by the edge of the frame in 7 of 10 frames" in capsys.readouterr().err
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["utterances"][0]["drawn"] == {"frames": 10, "left": {"brief": 3, "cut_off": 7}}
    assert [note["code"] for note in told["notes"]] == ["mouth_cut"]
    shown = [frame.rgb.astype(int) for frame in read_frames(out)]
    assert max(np.abs(one - other)[80:].mean() for one, other in zip(shown, frames, strict=True)) < 4  # coding alone


def test_auto_takes_the_mouth_whose_file_is_there(
    talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [word for word in arguments(talk, voice, tmp_path / "out.mp4", parity_dir) if word != "--quiet"]
    assert main([*argv, "--wav2lip-path", str(parity_dir / "wav2lip_tiny.pth")]) == 0
    assert "lips by wav2lip" in capsys.readouterr().err
    assert main([*argv, "--mouth-table", str(table), "--fit", "video", "--burn-label"]) == 0
    assert "lips by mesh" in capsys.readouterr().err
    assert abs(float(probe(tmp_path / "out.mp4").duration_s) - FRAMES / RATE) < 0.1
    for before, after in zip(read_frames(talk), read_frames(tmp_path / "out.mp4"), strict=False):
        assert np.abs(before.rgb.astype(int) - after.rgb)[LABEL].mean() > 10


def test_an_operator_labels_signs_and_asks_for_consent(
    talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("c2pa")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    consent, out, plain = tmp_path / "consent.yaml", tmp_path / "out.mp4", tmp_path / "plain.mp4"
    consent.write_text("- {who: A. Kim, agreed_to: lips that fit a Korean actor}\n")
    argv = arguments(talk, voice, out, parity_dir, "--mouth-table", str(table), "--operator", "Studio")
    assert main(argv) == 2
    assert not out.exists()
    assert main([*argv, "--consent", str(consent)]) == 0
    assert main(arguments(talk, voice, plain, parity_dir, "--mouth-table", str(table))) == 0
    found = read_provenance(out)
    assert found.state == "valid"
    assert [one["action"] for one in found.actions] == ["c2pa.opened", "c2pa.edited"]
    assert found.actions[1]["description"] == LIPS.done
    assert (found.made["operator"], found.made["notice"]) == ("Studio", LIPS.notice)
    assert [one["who"] for one in found.made["consent"]] == ["A. Kim"]
    assert "languages" not in found.made
    assert probe(out).comment.endswith(f"{LIPS.notice} Studio")
    assert read_provenance(plain).state == "none"
    for labelled, bare in zip(read_frames(out), read_frames(plain), strict=True):
        assert np.abs(labelled.rgb.astype(int) - bare.rgb)[LABEL].mean() > 10


def test_the_last_frame_can_be_held(talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path) -> None:
    out = tmp_path / "out.mp4"
    assert main(arguments(talk, voice, out, parity_dir, "--mouth-table", str(table), "--fit", "hold")) == 0
    shown = [frame.rgb[: SIDE // 3].astype(int) for frame in read_frames(out)]
    assert len(shown) == 2 * RATE
    assert np.abs(shown[-1] - shown[FRAMES]).mean() < 1.5
    assert np.abs(shown[-1] - shown[0]).mean() > np.abs(shown[-1] - shown[FRAMES]).mean()


def test_a_stopped_run_goes_on_where_it_was(
    talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of a second: what was drawn is not drawn again, and the result is the one of an unbroken run."""
    monkeypatch.setattr(segments, "LONGEST_S", 1)
    monkeypatch.setattr(segments, "SHORTEST_S", 0.5)
    found = [Path(segments.__file__)]  # counts what is drawn and looked for
    write, look = SegmentEncoder._write, FaceSearch.look
    monkeypatch.setattr(FaceSearch, "look", lambda *given: found.append(Path("faces")) or look(*given))

    def stops_at(most: int, studio: SegmentEncoder, path: Path, *given: object) -> object:
        if len([path for path in found if path.suffix == ".mp4"]) == most:
            raise KeyboardInterrupt
        found.append(path)
        return write(studio, path, *given)  # type: ignore[arg-type]

    out, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"
    words = arguments(talk, voice, out, parity_dir, "--mouth-table", str(table), "--work-dir", str(tmp_path / "work"))
    monkeypatch.setattr(SegmentEncoder, "_write", lambda *given: stops_at(1, *given))
    assert main(words) == 130
    assert not out.exists()
    assert len(list((tmp_path / "work" / "frames").glob("*.mp4"))) == 1
    monkeypatch.setattr(SegmentEncoder, "_write", lambda *given: stops_at(-1, *given))
    assert main(words) == 0
    drawn = [path for path in found if path.suffix == ".mp4"]
    assert len(drawn) == len(set(drawn)) >= 2
    assert found.count(Path("faces")) == 1
    assert main(arguments(talk, voice, whole, parity_dir, "--mouth-table", str(table))) == 0
    shown, wanted = ([frame.rgb.astype(int) for frame in read_frames(path)] for path in (out, whole))
    assert len(shown) == len(wanted) == 2 * RATE
    assert max(np.abs(one - other).mean() for one, other in zip(shown, wanted, strict=True)) < 0.5  # encoders differ by a bit
    assert probe(out).duration_s == probe(whole).duration_s
    assert not list(tmp_path.glob("*.work"))  # of a short one nothing stays


def test_footage_is_looked_at_once_and_kept_mouths_draw_the_same(
    voice: Path, table: Path, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed before its first frames were kept draws the same bytes; its people are not looked at again."""
    video, head = tmp_path / "long.mp4", head_of(905)
    with VideoWriter(video, SIDE, SIDE, RATE, crf=8, preset="ultrafast") as writer:
        for k, pose in enumerate(motion(3, 60, Pose(scale=0.6))):
            writer.write_rgb(draw(head, pose, MouthShape(max(0.0, 0.4 * float(np.sin(k / 2))), 0.0), SIDE))
    looked, drawn_by_own = list[int](), list[bool]()
    look, drawn_by = lip_sync.look, Footage.drawn_by
    monkeypatch.setattr(lip_sync, "look", lambda *given: looked.append(1) or look(*given))
    monkeypatch.setattr(Footage, "drawn_by", lambda *given: drawn_by_own.append((own := drawn_by(*given)) is not None) or own)
    work, outs = tmp_path / "work", [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for out in outs:
        given = "--lips", "mesh", *_files(table, parity_dir, "mesh"), "--work-dir", str(work)
        assert main(arguments(video, voice, out, parity_dir, *given)) == 0
        shutil.rmtree(work / "frames")
    assert len(looked) == 1
    assert all(drawn_by_own)
    first, second = ([frame.rgb for frame in read_frames(out)] for out in outs)
    np.testing.assert_array_equal(first, second)


def test_pieces_begin_where_it_is_quiet_and_silence_rests() -> None:
    heard = detect_activity([said([0.5, 14.0, 1.0, 13.0, 0.8, 9.0, 0.5])])
    borders = [border / 25 for border in segments.quiet_borders(heard, 25 * 38, Fraction(25))]
    assert (borders[0], len(borders)) == (0, 3)
    assert 14.4 < borders[1] < 15.6
    assert 28.4 < borders[2] < 29.4
    quiet = quiet_moments(heard)
    assert quiet[round(15.0 * 25)]
    assert quiet[:8].all()
    assert quiet.mean() < 0.3
    assert quiet_moments(detect_activity([np.zeros(16000, np.float32)])) is None


def test_lips_and_sound_of_a_video_are_measured(
    talk: Path, voice: Path, table: Path, tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figures = tmp_path / "out.mp4", tmp_path / "figures"
    assert main(arguments(talk, voice, out, parity_dir, "--mouth-table", str(table))) == 0
    small = ["--least-frames", "20", "--least-face", "40", "--metrics", "lse_c", "--syncnet"]
    syncnet = str(parity_dir / "syncnet_v2_tiny.model")
    assert evaluate(["dub", str(out), *small, syncnet, "--out-dir", str(figures)]) == 0
    assert "| LSE-C" in capsys.readouterr().out
    rows = {row["figure"]: row for row in json.loads((figures / "metrics.json").read_text())["rows"]}
    assert rows["lse_c"]["n"] == rows["lse_d_published"]["n"] == 1
    assert evaluate(["dub", str(out), *small, str(parity_dir / "wav2lip_tiny.pth")]) == 2
    assert "this is no SyncNet" in capsys.readouterr().err
    assert evaluate(["dub", str(talk), *small, syncnet]) == 0
    assert "it has no sound track" in capsys.readouterr().err
