"""The files of this stage: the renderer's, the speaker encoder's, and those that a vocoder's training leaves.

| of | published | config | tensors |
| --- | --- | --- | --- |
| renderer | {audio: {language: state dict}, video: state dict} | {} when published | `audio.<language>.<key>`, `video.<key>` |
| speaker encoder | {model_state: state dict} | {} | `model_state` |
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.layouts import CheckpointLayout, Near, holds_tensors, identify, plain_tensors, trainer_tensors
from avcore.checkpoints.pickles import load_pickled
from avcore.checkpoints.sniff import Format, check_tensors, sniff
from avcore.errors import CheckpointError
from avcore.files import require_file
from unit2av.model import RendererCheckpoint
from unit2av.stage import SPEAKER_ENCODER

_PUT_IN = "put it into a renderer: netflips convert --in-path RENDERER --out-path NEW.safetensors --add-vocoder LANGUAGE=FILE"


class RendererLayout(CheckpointLayout):
    """The unit AV renderer."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        audio = payload.get("audio")
        if trainer_tensors(payload):
            return False
        if (isinstance(audio, Mapping) and any(map(holds_tensors, audio.values()))) or holds_tensors(payload.get("video")):
            return True
        if "generator" in payload:
            return Near("a vocoder training checkpoint (g_XXXXXXXX) of one language", _PUT_IN)
        if "mpd" in payload or "msd" in payload:
            return Near("the discriminators of vocoder training (do_XXXXXXXX)", "they serve to resume training only")
        return False

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        audio = payload.get("audio") or {}
        if not isinstance(audio, Mapping):
            raise CheckpointError(
                "the voices of the renderer cannot be read", path=path, expected="state dicts by language in audio"
            )
        sections = {f"audio.{language}": state for language, state in audio.items()}
        if payload.get("video") is not None:
            sections["video"] = payload["video"]
        states = {name: plain_tensors(state, name, path) for name, state in sections.items()}
        return {}, {f"{name}.{key}": tensor for name, state in states.items() for key, tensor in state.items()}

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Those that it speaks."""
        return list(RendererCheckpoint(checkpoint).languages)

    def updates(self, checkpoint: Checkpoint) -> int | dict[str, int] | None:
        """Of each voice and of the face, which are trained apart."""
        parts = {**(checkpoint.config.get("vocoders") or {}), "face": checkpoint.config.get("face") or {}}
        by_part = {name: one["trained_steps"] for name, one in parts.items() if "trained_steps" in one}
        return super().updates(checkpoint) or by_part or None

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """Those of the voice and of the face; with a language both must be there."""
        renderer = RendererCheckpoint(checkpoint)
        if language is None:
            return {}
        renderer.vocoder_tensors(language), renderer.face_tensors()
        settings = {"speech": renderer.vocoder_settings(language), "face": renderer.face_settings}
        return {part: str(one.get("vocabulary") or "") for part, one in settings.items()}


class SpeakerLayout(CheckpointLayout):
    """The GE2E speaker encoder in the layout of Real-Time Voice Cloning."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        state = payload.get("model_state")
        return not trainer_tensors(payload) and isinstance(state, Mapping) and SPEAKER_ENCODER.recognises(state.keys())

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, plain_tensors(payload["model_state"], "model_state", path)

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """None: it takes no units."""
        return {}


def read_vocoder(path: str | Path) -> dict[str, Tensor]:
    """Read the vocoder of a training checkpoint g_XXXXXXXX, {generator: state dict}, shapes as stored.

    Raises CheckpointError or InputError.
    """
    path = require_file(path, "the vocoder checkpoint")
    stored = sniff(path)
    payload = load_pickled(path, stored) if stored is not Format.SAFETENSORS else {}
    generator = payload.get("generator") if isinstance(payload, Mapping) else None
    if not isinstance(generator, Mapping) or "dict.weight" not in generator:
        raise CheckpointError(
            "this is no vocoder training checkpoint",
            path=path,
            expected="the generator of a unit vocoder (g_XXXXXXXX)",
            found=identify(payload, path).words if payload else f"a {stored.value} file",
        )
    tensors = plain_tensors(generator, "generator", path)
    check_tensors(path, stored, tensors)
    return tensors
