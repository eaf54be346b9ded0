"""A lip-sync backend is a class and its place in `BACKENDS`: dub, lipsync, portrait and the page have it from there."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from avcore.media import VideoWriter, read_frames, write_speech
from avcore.media.frames import Frame
from netflips.commands.dub import main as dub_main
from netflips.commands.options import lipsync, portrait
from netflips.dubbing.licences import terms_of_lips
from netflips.model_paths import ModelPaths
from netflips.serve.service import Service
from netflips.serve.settings import Settings
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.netflips.conftest import model_flags
from tests.netflips.dubbing.made import write_times
from unit2av.lipsync import backend
from unit2av.rendering import FaceToDraw, OutputFrame, Reason, Talk, drawn

SIDE = 160
GREEN = np.array([0, 255, 0])
PACKAGE = {
    "__init__.py": '"""A backend that paints the middle of a face."""\n',
    "backend.py": """
from contextlib import nullcontext
from unit2av.lipsync.backend import Backend, Option


class ToyBackend(Backend):
    name = "toy"
    words = "a colour"
    options = (Option("--toy-colour", "for toy: a file with the colour", "the colour"),)
    needs_units = False
    around_s = 0.2

    def is_ready(self, choice, renderer):
        return "toy_colour" in choice.values

    def weights(self, choice, renderer):
        return choice.values["toy_colour"]

    def key(self, choice, renderer, arithmetic):
        return [choice.values["toy_colour"].read_text()]

    def open(self, choice, opening):
        from toysync.mouth import ToyMouth
        return nullcontext(ToyMouth([int(one) for one in choice.values["toy_colour"].read_text().split()]))


BACKEND = ToyBackend()
""",
    "mouth.py": """
class ToyMouth:
    name, needs_units, needs_sound, needs_whole = "toy", False, True, True

    def __init__(self, colour):
        self.colour = colour

    def codes(self, said):
        assert said.samples is not None
        return None

    def draw(self, codes, scenes):
        for scene in scenes:
            if scene.box is None or scene.cover == 1.0:
                yield scene.rgb
                continue
            rgb = scene.rgb.copy()
            left, top, right, bottom = (round(float(edge)) for edge in scene.box)
            rgb[(top + bottom) // 2 : bottom, left:right] = self.colour
            yield rgb
""",
}


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the backend, its line, and a file that it takes."""
    folder = tmp_path / "path" / "toysync"
    folder.mkdir(parents=True)
    for name, content in PACKAGE.items():
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr(backend, "BACKENDS", [import_module("toysync.backend").BACKEND, *backend.BACKENDS])
    (tmp_path / "colour.txt").write_text("0 255 0")
    yield tmp_path / "colour.txt"
    for name in [name for name in sys.modules if name.partition(".")[0] == "toysync"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return draw(head_of(905), Pose(scale=0.6), MouthShape(0.0, 0.0), SIDE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Path:
    """A drawn head whose mouth moves with what it says: a second and a half."""
    path, face = tmp_path_factory.mktemp("toy") / "clip.mp4", head_of(905)
    said = speech[:24320]
    loud = np.abs(said.reshape(38, -1)).max(axis=1) / np.abs(said).max()
    with VideoWriter(path, SIDE, SIDE, 25, 16000, crf=8, preset="ultrafast") as writer:
        for open_by in loud:
            writer.write_rgb(draw(face, Pose(scale=0.6), MouthShape(float(open_by), 0.0), SIDE))
        writer.write_sound(said)
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write_speech(path, speech[:16000])
    return path


def _is_painted(path: Path) -> bool:
    """Whether the frames of a video have a large green area."""
    shown = [frame.rgb.astype(int) for frame in read_frames(path)]
    return np.median([(np.abs(one - GREEN).max(axis=2) < 60).mean() for one in shown]) > 0.03


@pytest.mark.parametrize("timing", ["free", "source"])
def test_a_dub_has_it(clip: Path, colour: Path, tmp_path: Path, paths: ModelPaths, timing: str) -> None:
    write_times(tmp_path / "times.json", (0, 1.4))
    words = [str(clip), "--out-vid-path", str(tmp_path / "o.mp4"), "--toy-colour", str(colour), *model_flags(paths)]
    words += ["--src-lang", "en", "--tgt-lang", "ko", "--modalities", "audio", "--cpu", "--quiet", "--timing", timing]
    assert dub_main([*words, *(["--script-in", str(tmp_path / "times.json")] if timing == "source" else [])]) == 0
    assert _is_painted(tmp_path / "o.mp4")


def test_lipsync_has_it_and_looks_for_its_file(
    clip: Path, voice: Path, colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(clip), "--speech", str(voice), "--out-vid-path", str(tmp_path / "o.mp4"), "--cpu", "--quiet"]
    assert lipsync.main([*words, "--lips", "toy", "--toy-colour", str(tmp_path / "none.txt")]) == 2
    assert "none.txt" in capsys.readouterr().err
    assert lipsync.main([*words, "--toy-colour", str(colour)]) == 0  # no encoder is asked for: it goes by the sound
    assert _is_painted(tmp_path / "o.mp4")
    before = (tmp_path / "o.mp4").read_bytes()
    inside = [str(tmp_path / "o.mp4"), *words[1:], "--toy-colour", str(colour)]
    assert lipsync.main(inside) == 2  # the result would be an input
    assert (tmp_path / "o.mp4").read_bytes() == before


def test_a_portrait_has_it(voice: Path, head: np.ndarray, colour: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(head).save(tmp_path / "face.png")
    words = [str(tmp_path / "face.png"), "--speech", str(voice), "--out-vid-path", str(tmp_path / "o.mp4"), "--cpu", "--quiet"]
    assert portrait.main([*words, "--lips", "toy", "--toy-colour", str(colour)]) == 0
    assert _is_painted(tmp_path / "o.mp4")


def test_a_frame_that_it_returns_itself_is_told_as_a_hidden_mouth(colour: Path, head: np.ndarray) -> None:
    mouth, talk = import_module("toysync.mouth").ToyMouth(GREEN), Talk(1, Fraction(0), None)
    box = np.array([40, 40, 120, 120], np.float32)
    frames = [Frame(head, Fraction(number, 25), number) for number in range(3)]
    faces = FaceToDraw(box, cover=0.0), FaceToDraw(box, cover=1.0), FaceToDraw(reason=Reason.NO_FACE)
    asked = [OutputFrame(frame, frame.time, talk, face) for frame, face in zip(frames, faces, strict=True)]
    shown = list(drawn(mouth, asked))
    assert [one.face.reason for one in shown] == [Reason.DRAWN, Reason.HIDDEN, Reason.NO_FACE]
    assert [one.rgb is head for one in shown] == [False, True, True]


def test_help_and_the_page_name_it(tmp_path: Path, colour: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lipsync.main(["--help"])
    told = capsys.readouterr().out
    assert "--toy-colour" in told
    assert "toy (a colour)" in " ".join(told.split())
    assert backend.lip_sync_names() == ("auto", "toy", "program", "wav2lip", "mesh", "units")
    given = {"--toy-colour": str(colour)}
    offered = [Service(Settings(work_dir=tmp_path, models=models)).about()["mouths"] for models in ({}, given)]
    assert offered == [["auto", "mesh", "units"], ["auto", "toy", "mesh", "units"]]  # only those whose files are there


def test_the_licence_of_its_file_is_looked_for(colour: Path) -> None:
    choice = backend.LipSyncChoice("toy", values={"toy_colour": colour})
    assert [(one.part, one.name) for one in terms_of_lips(choice, None)] == [("lips", colour.name)]
