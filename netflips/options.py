"""What a user asks for when dubbing, apart from the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avcore.errors import UsageError
from avcore.vocabulary import normalise_language

MODALITIES = ("audio,video", "audio", "video")
UnitOffset = int | Literal["auto"]


@dataclass(frozen=True)
class ModelPaths:
    """Where the weights are. speaker_encoder: None takes the weights that come with resemblyzer."""

    av2unit: Path
    utut: Path
    unit2av: Path
    speaker_encoder: Path | None = None


@dataclass(frozen=True)
class DubOptions:
    """One dub: languages, what the unit encoder sees, and where pieces come from that are not made here.

    modalities: what the units are taken from (the lips are rendered whenever there is a face). beam, max_target_units:
    None = as the checkpoint says; max_target_units 0 = no limit. face: `auto` (the largest that speaks), `largest` or a
    number. speaker: a recording or .npy vector in place of the source's voice. hard_paste: the published paste without
    a feathered edge. label: text burnt into the picture, "" = none.
    """

    source: str = "en"
    target: str = "ko"
    modalities: str = "audio,video"
    beam: int | None = None
    max_target_units: int | None = None
    face: str = "auto"
    speaker: Path | None = None
    lips: Path | None = None
    boxes: Path | None = None
    hard_paste: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", normalise_language(self.source))
        object.__setattr__(self, "target", normalise_language(self.target))
        if self.modalities not in MODALITIES:
            raise UsageError("unknown modalities", expected=" or ".join(MODALITIES), found=self.modalities)
        if self.beam is not None and self.beam < 1:
            raise UsageError("--beam must be 1 or more", found=self.beam)
        if self.max_target_units is not None and self.max_target_units < 0:
            raise UsageError("--max-target-units must be 0 (no limit) or more", found=self.max_target_units)

    @property
    def uses_audio(self) -> bool:
        """Whether units are taken from the sound."""
        return "audio" in self.modalities

    @property
    def uses_video(self) -> bool:
        """Whether units are taken from the lips."""
        return "video" in self.modalities


@dataclass(frozen=True)
class RunOptions:
    """How the models run: device, number format, unit offsets."""

    device: str = "auto"
    precision: str = "float32"
    vocoder_unit_offset: UnitOffset = "auto"
    translator_unit_offset: int | None = None
