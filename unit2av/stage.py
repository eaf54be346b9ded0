"""What this stage is to the rest of the house: the renderer, voices and face in one file, and the speaker encoder."""

from collections.abc import Collection

from avcore.checkpoints.stages import CheckpointLayout, Recognises, Stage
from unit2av.layout import RendererLayout, SpeakerLayout


def _is_renderer(names: Collection[str]) -> bool:
    return any(str(name).startswith(("audio.", "video.")) for name in names)


def _is_speaker_encoder(names: Collection[str]) -> bool:
    return "lstm.weight_ih_l0" in names


def _renderer_layout(recognises: Recognises) -> CheckpointLayout:
    return RendererLayout(recognises)


def _speaker_layout(recognises: Recognises) -> CheckpointLayout:
    return SpeakerLayout(recognises)


RENDERER = Stage(
    kind="renderer",
    file="renderer.safetensors",
    recognises=_is_renderer,
    name="unit2av",
    flag="--unit2av-path",
    example="unit_av_renderer_withKO.pt",
    place="needed",
    make_layout=_renderer_layout,
)
SPEAKER_ENCODER = Stage(
    kind="speaker encoder",
    file="speaker_encoder.safetensors",
    recognises=_is_speaker_encoder,
    name="speaker_encoder",
    flag="--speaker-encoder-path",
    example="encoder.pt",
    place="no",
    make_layout=_speaker_layout,
)
STAGE = (RENDERER, SPEAKER_ENCODER)
