"""What this stage is to the rest of the house: the renderer, voices and face in one file, and the speaker encoder."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from avcore.checkpoints.stages import Running, Stage

if TYPE_CHECKING:
    from unit2av.layout import RendererLayout, SpeakerLayout
    from unit2av.renderer import LipRenderer
    from unit2av.speaker import SpeakerEncoder
    from unit2av.voice.speech import UnitVocoder


class VoiceAndFace(NamedTuple):
    """Both halves of a renderer: the voice of one language and the lips. fingerprint: of the whole checkpoint."""

    vocoder: "UnitVocoder"
    lips: "LipRenderer"
    fingerprint: str


def _is_renderer(names: Collection[str]) -> bool:
    return any(str(name).startswith(("audio.", "video.")) for name in names)


def _is_speaker_encoder(names: Collection[str]) -> bool:
    return "lstm.weight_ih_l0" in names


def _load_renderer(path: Path, how: Running) -> VoiceAndFace:
    """Raises LanguageError where it has no voice of the target language."""
    from unit2av.model import open_renderer_checkpoint
    from unit2av.renderer import LipRenderer
    from unit2av.voice.speech import UnitVocoder

    checkpoint = open_renderer_checkpoint(path)
    offset: int | Literal["auto"] = "auto" if how.unit_offset is None else how.unit_offset
    vocoder = UnitVocoder.from_checkpoint(checkpoint, how.target, how.device, how.precision, offset)
    lips = LipRenderer.from_checkpoint(checkpoint, how.device, how.precision)
    return VoiceAndFace(vocoder, lips, checkpoint.source.fingerprint)


def _load_speaker_encoder(path: Path, how: Running) -> "SpeakerEncoder":
    from unit2av.speaker import SpeakerEncoder

    return SpeakerEncoder.from_checkpoint(path, how.device)


def _renderer_layout() -> "RendererLayout":
    from unit2av.layout import RendererLayout

    return RendererLayout()


def _speaker_layout() -> "SpeakerLayout":
    from unit2av.layout import SpeakerLayout

    return SpeakerLayout()


RENDERER: Stage[VoiceAndFace] = Stage(
    kind="renderer",
    file="renderer.safetensors",
    recognises=_is_renderer,
    load=_load_renderer,
    name="unit2av",
    flag="--unit2av-path",
    example="unit_av_renderer_withKO.pt",
    place="needed",
    layout=_renderer_layout,
)
SPEAKER_ENCODER: "Stage[SpeakerEncoder]" = Stage(
    kind="speaker encoder",
    file="speaker_encoder.safetensors",
    recognises=_is_speaker_encoder,
    load=_load_speaker_encoder,
    name="speaker_encoder",
    flag="--speaker-encoder-path",
    example="encoder.pt",
    place="no",
    layout=_speaker_layout,
)
STAGE = (RENDERER, SPEAKER_ENCODER)
