"""Small models and made material for tests of the whole chain."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from avcore.faces.boxes import write_boxes
from avcore.media import VideoWriter, read_speech
from avcore.timeline import SAMPLE_RATE
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import Models, load_models
from tests.unit2text.tiny import write_random_unit_to_text

WIDTH, HEIGHT = 160, 120


@pytest.fixture(scope="session", autouse=True)
def no_recognizer_here() -> Iterator[None]:
    """Dubs are not checked where nothing is asked for, whether or not `make judges` was run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netflips.dubbing.check_recognizer.recognizer_folders", lambda asked: [])
        yield


@pytest.fixture(scope="session", autouse=True)
def dubs_go_on() -> Iterator[Callable[..., None]]:
    """Random models understand nothing, and are dubbed with all the same; yields what stops elsewhere, as with --strict."""
    stops = DubOptions.require_understood
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            DubOptions, "require_understood", lambda self, quality, path=None: stops(self, quality, path) if self.strict else None
        )
        yield stops


@pytest.fixture(scope="module", autouse=True)
def _faces_are_searched_for_once(each_frame_is_searched_once: None) -> None:
    """In all tests of the product."""


def moving_frame(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A frame that differs from frame to frame and has no face in it: uint8 [height, width, 3]."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // width, rows * 255 // height, (rows + columns + 5 * index) % 256], axis=-1).astype(np.uint8)


def write_clip(path: Path, speech: np.ndarray | None, num_frames: int = 50) -> Path:
    """Write a clip without a face; speech: float32 [S] at 16 kHz or None for no sound track."""
    with VideoWriter(path, WIDTH, HEIGHT, 25, None if speech is None else SAMPLE_RATE, preset="ultrafast") as writer:
        for index in range(num_frames):
            writer.write_rgb(moving_frame(index))
        if speech is not None:
            writer.write_sound(speech)
    return path


def config(**keys: object) -> list[str]:
    """Return the words for a file of options that have no flag."""
    path = Path(mkdtemp(), "options.yaml")
    path.write_text(json.dumps(keys, default=str, ensure_ascii=False), encoding="utf-8")
    return ["--config", str(path)]


def model_flags(paths: ModelPaths) -> list[str]:
    return ["--av2unit-path", str(paths.av2unit), "--utut-path", str(paths.utut), "--unit2av-path", str(paths.unit2av)]


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error that a command wrote."""
    (line,) = (line for line in capsys.readouterr().err.splitlines() if ": error: " in line)
    return line


@pytest.fixture(scope="session")
def paths(parity_dir: Path) -> ModelPaths:
    """The random checkpoints in the published layouts."""
    return ModelPaths(parity_dir / "mavhubert.pt", parity_dir / "utut_ko.pt", parity_dir / "unit2av_renderer.pt")


@pytest.fixture(scope="session")
def models(paths: ModelPaths) -> Models:
    return load_models(paths, "en", "ko", RunOptions(device="cpu"))


@pytest.fixture(scope="session")
def speech(parity_dir: Path) -> np.ndarray:
    """Two seconds of sound, float32 [S]."""
    return read_speech(parity_dir / "clip.wav")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Path:
    """Two seconds of video and sound without a face."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", speech)


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Face boxes for `clip`: none in the first five frames, then one that moves."""
    path = tmp_path_factory.mktemp("boxes") / "clip.bbox.pkl"
    moving = [np.array([40 + i / 4, 20, 90 + i / 4, 80], dtype=np.float32) for i in range(45)]
    write_boxes(path, [None] * 5 + moving)
    return path


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unit-to-text model with random weights of both languages."""
    return write_random_unit_to_text(tmp_path_factory.mktemp("reader") / "reader.safetensors")
