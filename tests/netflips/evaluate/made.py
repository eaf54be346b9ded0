"""Cases and clips whose figures are known, and what tests ask of figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from av2unit.training.noise import coloured_noise, mix_in
from avcore.contracts import Transcript
from avcore.errors import MediaError, NoFaceError
from avcore.units import Units
from netflips.evaluate.cases import nearest
from netflips.evaluate.metric import Measured, Missing
from tests.avcore.made_speech import talk

SPEECH = np.asarray(talk([0.3, 1.2, 0.4, 1.0, 0.3]), np.float32)
FRAMES = np.where(np.square(SPEECH.reshape(-1, 320)).mean(1) < 1e-5, 0, 1 + np.arange(len(SPEECH) // 320) // 3 % 40)
BOX = np.array([10, 10, 60, 60], np.float32)
_FRAMES = np.random.default_rng(0).integers(0, 255, (6, 72, 80, 3), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class MadeClip:
    path: Path = Path("made.mp4")
    samples: np.ndarray = field(default_factory=lambda: SPEECH)
    shown: Sequence[np.ndarray] = field(default_factory=lambda: list(_FRAMES))
    text: str = "물 한 잔 주세요"
    voice: np.ndarray = field(default_factory=lambda: np.array([1, 0, 0], np.float32))
    has_face: bool = True

    @property
    def published_text(self) -> str:
        return self.text

    @property
    def in_its_language(self) -> Transcript:
        return Transcript(self.text, "ko")

    @property
    def seconds(self) -> float:
        return len(self.samples) / 16_000

    @property
    def speech(self) -> np.ndarray:
        if not len(self.samples):
            raise MediaError("it has no sound track", path=self.path)
        return self.samples

    def frames(self) -> Iterator[np.ndarray]:
        return iter(self.shown)

    def faces(self) -> list[np.ndarray | None]:
        if not self.has_face:
            raise NoFaceError("no face was found in any frame", path=self.path)
        return [BOX] * len(self.shown)

    def openings(self) -> np.ndarray:
        return np.zeros(len(self.shown), np.float32) if self.has_face else np.array([self.faces()])

    @property
    def audio_units(self) -> Units:
        return Units.from_frames(FRAMES)

    @property
    def seen(self) -> Units:
        return Units.from_frames(FRAMES)


@dataclass(frozen=True, eq=False)
class MadeCase:
    """Stands in for a case, and for its files."""

    language: str = "ko"
    source: MadeClip = field(default_factory=MadeClip)
    reference: MadeClip = field(default_factory=MadeClip)
    reference_text: str = "물 한 잔 주세요"
    other_texts: tuple[str, ...] = ()
    report: Path | None = None
    other_voices: tuple[np.ndarray, ...] = (np.array([0, 1, 0], np.float32), np.array([0.6, 0.8, 0], np.float32))

    @property
    def files(self) -> "MadeCase":
        return self

    def wanted(self, found: str) -> str:
        return nearest((self.reference_text, *self.other_texts), found)

    def model(self, need: str) -> None:
        raise AssertionError(need)


def in_white_noise(speech: np.ndarray, snr_db: float) -> np.ndarray:
    """Speech float32 [S] with white noise at a ratio of root mean squares (dB)."""
    noise = coloured_noise(len(speech), 0.0, np.random.default_rng(0))
    return (mix_in(speech.astype(np.float64) * 32768, noise, snr_db) / 32768).astype(np.float32)


def values(found: Measured) -> dict[str, float]:
    """The figures that there are, without those that are missing."""
    return {name: float(value) for name, value in found.items() if not isinstance(value, Missing)}


def made_network(path: Path, nodes: Sequence[tuple[str, str, str, dict[str, Any]]], *outputs: str, **constants: np.ndarray) -> None:
    """Write an ONNX network of sound "x" float32 [1, S]. nodes: operation, its inputs, its output, its attributes."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, None])
    answers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = [helper.make_node(kind, inputs.split(), [output], **how) for kind, inputs, output, how in nodes]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(made, "g", [given], answers, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
