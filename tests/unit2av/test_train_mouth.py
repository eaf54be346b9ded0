"""The command that learns a mouth's table from videos of drawn heads, with the face mesh as teacher."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.data.unit_store import UnitRow, write_units
from avcore.faces.boxes import write_boxes
from avcore.faces.geometry import hull
from avcore.media import VideoWriter
from avcore.units import Units
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from unit2av.lipsync.mesh.table import MouthTable
from unit2av.train_mouth import main

CLIPS, FRAMES, SIDE = 4, 80, 128
VOCABULARY = "sha256:00000000000000aa"
OPENINGS = (0.0, 0.35, 0.7, 1.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of one drawn head whose mouth opens as far as its unit says; one more has no units, and one no file."""
    folder, rng, rows, entries = tmp_path_factory.mktemp("talk"), np.random.default_rng(5), [], []
    head = head_of(903)
    for number in range(CLIPS):
        name = f"talk_{number}"
        frames = np.repeat(rng.integers(0, len(OPENINGS), FRAMES), 10)[: 2 * FRAMES]
        track = np.convolve([OPENINGS[unit] for unit in frames[::2]], np.ones(3) / 3, "same")
        boxes = []
        with VideoWriter(folder / f"{name}.mp4", SIDE, SIDE, 25, crf=10, preset="ultrafast") as writer:
            for pose, opening in zip(motion(number, FRAMES, Pose(scale=0.6)), track, strict=True):
                positions, _ = Camera(pose, (SIDE, SIDE)).project(head.shape.rest[:468])
                boxes.append(hull(positions))
                writer.write_rgb(draw(head, pose, MouthShape(float(opening), 0.0), SIDE))
        write_boxes(folder / f"{name}.bbox.pkl", boxes)
        entries.append({"id": name, "video": f"{name}.mp4", "boxes": f"{name}.bbox.pkl", "speaker": "one"})
        rows.append(UnitRow(name, Units.from_frames(frames, "ko", VOCABULARY), {}))
    entries.append({"id": "silent", "video": "talk_0.mp4"})
    entries.append({"id": "gone", "video": "gone.mp4"})
    rows.append(UnitRow("gone", rows[0].units, {}))
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, entries)))
    write_units(folder / "units.jsonl", rows)
    return folder


def arguments(corpus: Path, out: Path, *more: str) -> list[str]:
    return [str(corpus / "manifest.jsonl"), "--units", str(corpus / "units.jsonl"), "--out-path", str(out), *more]


def test_a_table_is_learnt_from_video_which_is_looked_at_once(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unit2av.lipsync.mesh.learn._ROUNDS", 300)
    cache = tmp_path / "cache"
    more = ("--cache", str(cache), "--hold-out", "4")
    assert main(arguments(corpus, tmp_path / "mouth.npz", *more)) == 0
    assert "gone: left out" in capsys.readouterr().err
    table = MouthTable.load(tmp_path / "mouth.npz")
    assert (table.num_units, table.vocabulary) == (len(OPENINGS), VOCABULARY)
    asked = [table.parameters(Units(np.array([unit]), np.array([20]), "ko", VOCABULARY))[5, 0] for unit in range(len(OPENINGS))]
    assert np.all(np.diff(asked) > 0.08)
    assert asked[0] < 0.15
    assert asked[-1] > 0.6
    assert len(list(cache.glob("*.npy"))) == CLIPS
    monkeypatch.setattr("unit2av.lipsync.mesh.learn.measure_video", lambda *_: pytest.fail("looked again"))
    assert main(arguments(corpus, tmp_path / "two.npz", *more)) == 0
    np.testing.assert_array_equal(MouthTable.load(tmp_path / "two.npz").weights, table.weights)


def test_bad_input_is_one_line(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.jsonl"
    write_units(other, [UnitRow("nobody", Units(np.array([1]), np.array([2])), {})])
    out = tmp_path / "mouth.npz"
    wrong = {
        "no clip has a video and units": ["--units", str(other)],
        "--num-units is smaller": ["--num-units", "2"],
        "--hold-out must be": ["--hold-out", "1"],
    }
    for what, more in wrong.items():
        assert main(arguments(corpus, out, *more)) == 2
        told = capsys.readouterr().err
        assert what in told
        assert told.count("\n") == 1
    assert not out.exists()
