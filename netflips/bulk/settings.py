"""What is made of each utterance. Readers load this and no torch, which would cost each 200 MB."""

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
"""On a CPU, what a call of the encoder costs beside its frames is worth about half a second of speech, measured at published
and at debug size: an utterance that joins a batch saves one call, and costs what it is filled up with. No bound was measured
on a GPU, where few large calls are wanted.
"""
SOUND_ALONE = 2.0
"""Times as long are batches without pictures: they are read in no time, and handing them over is what costs."""


@dataclass(frozen=True)
class ExtractSettings:
    """What is made of each utterance, and where it goes.

    modalities: what the units are taken from. face: whose lips. units: whether units are made at all. features: a layer's
    number or `last`, "" = none. speaker: the embedding in the `row` or as `npy` file, "" = none. lips: whether lip crops
    and boxes are kept. batch_s: the most seconds, padding counted, that go through the encoder together, 0 = as suits the
    device. most_padding_s: the most that an utterance of a batch is filled up with, None = as suits the device. part_s: the
    most seconds that are read by one task. See `for_device`.
    """

    out_dir: Path
    modalities: frozenset[str] = frozenset({AUDIO, VIDEO})
    face: str = "auto"
    layout: ShardLayout = "jsonl"
    shard_size: int = 1000
    units: bool = True
    features: str = ""
    speaker: Literal["", "row", "npy"] = ""
    lips: bool = False
    batch_s: float = 0.0
    most_padding_s: float | None = None
    part_s: float = CPU_BATCH_S

    def __post_init__(self) -> None:
        parse_face_choice(self.face)
        if self.features not in ("", LAST_LAYER) and not self.features.isdecimal():
            raise UsageError("--features cannot be used", expected=f"a layer's number or {LAST_LAYER}", found=self.features)
        if self.shard_size < 1:
            raise UsageError("--shard-size must be 1 or more", found=self.shard_size)
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
        """Whose lips, parsed."""
        return parse_face_choice(self.face)

    @property
    def layer(self) -> int | None:
        """The layer whose features are kept; None = the last, normalised."""
        return None if self.features in ("", LAST_LAYER) else int(self.features)

    @property
    def padding_s(self) -> float:
        """The most that an utterance of a batch is filled up with; without a bound as long as nothing is settled."""
        return math.inf if self.most_padding_s is None else self.most_padding_s

    def for_device(self, device: str) -> "ExtractSettings":
        """With the size and padding of batches, and how much is read at a time, settled."""
        batch_s, padding_s = (GPU_BATCH_S, GPU_PADDING_S) if device.startswith("cuda") else (CPU_BATCH_S, CPU_PADDING_S)
        times = 1.0 if self.uses_video or self.lips else SOUND_ALONE
        return replace(
            self,
            batch_s=self.batch_s or times * batch_s,
            most_padding_s=padding_s if self.most_padding_s is None else self.most_padding_s,
            part_s=times * CPU_BATCH_S,
        )

    def key(self) -> dict[str, Any]:
        """Return what must be the same for results to lie in one folder."""
        names = ("face", "layout", "shard_size", "units", "features", "speaker", "lips")
        return {"modalities": ",".join(sorted(self.modalities)), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class ExtractModels:
    """The weights and how they run. speaker: None = resemblyzer's."""

    encoder: Path | None
    speaker: Path | None = None
    device: str = "cpu"
    precision: str = "float32"
