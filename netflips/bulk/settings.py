"""Settings of an extraction. Readers load this module and not torch, which would cost each of them 200 MB."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from avcore.errors import UsageError
from avcore.faces.select import FaceChoice, parse_face_choice

AUDIO, VIDEO = "audio", "video"
ShardLayout = Literal["jsonl", "files"]
LAST_LAYER = "last"
CPU_BATCH_S, GPU_BATCH_S = 32.0, 320.0
CPU_PADDING_S, GPU_PADDING_S = 0.5, math.inf
"""On a CPU, the overhead of a call of the encoder equals about half a second of speech, measured at published and at debug size. An
utterance that joins a batch saves one call, and costs its padding. No bound was measured on a GPU, where few large calls are
best."""
SOUND_ALONE = 2.0
"""Factor on the length of batches without frames: they are read quickly, and most of their cost is the transfer."""


@dataclass(frozen=True)
class ExtractSettings:
    """What is made of each utterance, and where it goes. `for_device` fills in what depends on the device."""

    out_dir: Path
    """folder of the results"""
    modalities: frozenset[str] = frozenset({AUDIO, VIDEO})
    """what the units are made from"""
    face: str = "auto"
    """whose lips: `auto`, `largest`, or a number from the left"""
    layout: ShardLayout = "jsonl"
    """form of the shards"""
    shard_size: int = 1000
    """utterances in a shard"""
    units: bool = True
    """whether units are made"""
    features: str = ""
    """number of a layer or `last`, "" = none"""
    speaker: Literal["", "row", "npy"] = ""
    """voice vector in the `row` or as `npy` file, "" = none"""
    lips: bool = False
    """whether lip crops and boxes are kept"""
    batch_s: float = 0.0
    """most seconds, with padding, that go through the encoder together, 0 = depends on the device"""
    most_padding_s: float | None = None
    """most padding of an utterance in a batch, None = depends on the device"""
    part_s: float = CPU_BATCH_S
    """most seconds that one task reads"""

    def __post_init__(self) -> None:
        parse_face_choice(self.face)
        if self.features not in ("", LAST_LAYER) and not self.features.isdecimal():
            raise UsageError("--features cannot be used", expected=f"a layer's number or {LAST_LAYER}", found=self.features)
        if not (self.units or self.features or self.speaker or self.lips):
            raise UsageError("nothing is asked for", hint="with --no-units, give --features, --with-speaker or --with-lips")

    @property
    def needs_encoder(self) -> bool:
        """Whether the unit encoder is needed."""
        return self.units or bool(self.features)

    @property
    def uses_audio(self) -> bool:
        """Whether the encoder takes the sound."""
        return self.needs_encoder and AUDIO in self.modalities

    @property
    def uses_video(self) -> bool:
        """Whether the encoder takes the lips."""
        return self.needs_encoder and VIDEO in self.modalities

    @property
    def needs_names(self) -> bool:
        """Whether files are named after the ids."""
        return self.layout == "files" or bool(self.features) or self.speaker == "npy" or self.lips

    @property
    def face_choice(self) -> FaceChoice:
        """The parsed choice of the face."""
        return parse_face_choice(self.face)

    @property
    def layer(self) -> int | None:
        """The layer whose features are kept; None = the last, normalised."""
        return None if self.features in ("", LAST_LAYER) else int(self.features)

    @property
    def padding_s(self) -> float:
        """Most padding of an utterance in a batch; no bound before `for_device`."""
        return math.inf if self.most_padding_s is None else self.most_padding_s

    def for_device(self, device: str) -> "ExtractSettings":
        """Return the settings with size and padding of batches, and how much a task reads, set for a device."""
        batch_s, padding_s = (GPU_BATCH_S, GPU_PADDING_S) if device.startswith("cuda") else (CPU_BATCH_S, CPU_PADDING_S)
        times = 1.0 if self.uses_video or self.lips else SOUND_ALONE
        return replace(
            self,
            batch_s=self.batch_s or times * batch_s,
            most_padding_s=padding_s if self.most_padding_s is None else self.most_padding_s,
            # A large batch for a GPU is read in several parts, side by side.
            part_s=times * CPU_BATCH_S,
        )

    def key(self) -> dict[str, Any]:
        """Return the settings that must be the same for all results in a folder."""
        names = ("face", "layout", "shard_size", "units", "features", "speaker", "lips")
        return {"modalities": ",".join(sorted(self.modalities)), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class ExtractModels:
    """The models, and how they run."""

    encoder: Path | None
    """unit encoder; None = it is not needed"""
    speaker: Path | None = None
    """speaker encoder; None = resemblyzer's"""
    device: str = "cpu"
    precision: str = "float32"
