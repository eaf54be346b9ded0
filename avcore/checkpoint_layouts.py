"""What a loaded file is, and how its content becomes a plain configuration and a flat state dict.

Kinds are recognised by content, never by file name. Published layouts: mAV-HuBERT and the unit translator are fairseq
trainer files ({cfg, model, task_state, ...}); the renderer is {audio: {language: state dict}, video: state dict}; the
speaker encoder is {model_state: state dict}.
"""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avcore.checkpoint_config import plain_config
from avcore.checkpoint_pickle import Dictionary
from avcore.errors import CheckpointError

SHARED_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
"""One matrix that a translator's file holds under three names."""

_UNIT_TASK = "av_hubert_unit_pretraining"


class Kind(enum.Enum):
    """What a checkpoint is for; the value is its name in messages."""

    UNIT_ENCODER = "unit encoder"
    TRANSLATOR = "unit translator"
    RENDERER = "renderer"
    SPEAKER_ENCODER = "speaker encoder"

    @property
    def flag(self) -> str:
        """The command-line option that takes it."""
        return _FLAGS[self][0]

    @property
    def example(self) -> str:
        """The published file of this kind."""
        return _FLAGS[self][1]


_FLAGS = {
    Kind.UNIT_ENCODER: ("--av2unit-path", "mavhubert_large_noise.pt"),
    Kind.TRANSLATOR: ("--utut-path", "utut_ko.pt or utut_sts_ft.pt"),
    Kind.RENDERER: ("--unit2av-path", "unit_av_renderer_withKO.pt"),
    Kind.SPEAKER_ENCODER: ("--speaker-encoder-path", "encoder.pt"),
}


def identify(payload: object) -> tuple[Kind | None, str]:
    """Return the kind of a loaded .pt file (None: not one of ours) and words for what it is."""
    if not isinstance(payload, Mapping):
        return None, f"a pickled {type(payload).__name__}, not a checkpoint"
    if _is_state_dict(payload.get("model")):
        return _identify_fairseq(payload)
    if isinstance(payload.get("audio"), Mapping) or _is_state_dict(payload.get("video")):
        return Kind.RENDERER, "a renderer"
    state = payload.get("model_state")
    if isinstance(state, Mapping) and "lstm.weight_ih_l0" in state:
        return Kind.SPEAKER_ENCODER, "a speaker encoder"
    return None, _describe_foreign(payload)


def extract(payload: Mapping[str, Any], kind: Kind, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return (config, tensors) of a loaded file that `identify` recognised as `kind`; raises CheckpointError."""
    if kind is Kind.RENDERER:
        return {}, _renderer_tensors(payload, path)
    if kind is Kind.SPEAKER_ENCODER:
        return {}, dict(payload["model_state"])
    tensors = dict(payload["model"])
    config = plain_config(payload, path)
    if kind is Kind.TRANSLATOR:
        return {name: config[name] for name in ("task", "model", "generation")}, share_tables(tensors, path)
    return {"task": config["task"], "model": config["model"], "dictionaries": _dictionaries(payload, path)}, tensors


def share_tables(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Give a translator's embedding table all its three names; raises CheckpointError when stored copies differ."""
    present = [name for name in SHARED_TABLES if name in tensors]
    if not present:
        return tensors
    table = tensors[present[0]]
    for name in present[1:]:
        if not _same(table, tensors[name]):
            raise CheckpointError(
                "the embedding table is stored under several names with different content",
                path=path,
                expected=f"{name} equal to {present[0]}",
                hint="the file is damaged or was edited; get it again",
            )
    return {**tensors, **dict.fromkeys(SHARED_TABLES, table)}


def identify_tensors(tensors: Mapping[str, Tensor]) -> Kind | None:
    """The kind a flat state dict belongs to, by its names."""
    if SHARED_TABLES[0] in tensors:
        return Kind.TRANSLATOR
    if "label_embs_concat" in tensors and "post_extract_proj.weight" in tensors:
        return Kind.UNIT_ENCODER
    if any(name.startswith(("audio.", "video.")) for name in tensors):
        return Kind.RENDERER
    return Kind.SPEAKER_ENCODER if "lstm.weight_ih_l0" in tensors else None


def _identify_fairseq(payload: Mapping[str, Any]) -> tuple[Kind | None, str]:
    names = payload["model"]
    if any(name.startswith("encoder.w2v_model.") for name in names):
        return None, "an AV-HuBERT model fine-tuned for text recognition"
    kind = identify_tensors(names)
    if kind is Kind.UNIT_ENCODER:
        task = plain_config(payload, None)["task"].get("_name")
        if task != _UNIT_TASK:
            return None, f"an AV-HuBERT pre-training checkpoint without unit heads (task {task})"
        return kind, "a unit encoder"
    if kind is Kind.TRANSLATOR:
        return kind, "a unit translator"
    return None, "a fairseq checkpoint of another model"


def _describe_foreign(payload: Mapping[str, Any]) -> str:
    if "generator" in payload:
        return "a vocoder training checkpoint (g_XXXXXXXX) of one language"
    if "mpd" in payload or "msd" in payload:
        return "the discriminators of vocoder training (do_XXXXXXXX)"
    if _is_state_dict(payload):
        return "a bare state dict without its configuration"
    names = ", ".join(str(key) for key in list(payload)[:6])
    return f"a file with the keys {names}" if names else "an empty dict"


def _is_state_dict(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _renderer_tensors(payload: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    sections = {f"audio.{language}": state for language, state in payload.get("audio", {}).items()}
    if "video" in payload:
        sections["video"] = payload["video"]
    for name, state in sections.items():
        if not _is_state_dict(state):
            raise CheckpointError(
                "a part of the renderer is no state dict", path=path, found=f"{type(state).__name__} under {name}"
            )
    return {f"{name}.{key}": tensor for name, state in sections.items() for key, tensor in state.items()}


def _dictionaries(payload: Mapping[str, Any], path: Path) -> list[list[str]]:
    state = payload.get("task_state")
    found = state.get("dictionaries") if isinstance(state, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(item, Dictionary) and item.symbols for item in found):
        raise CheckpointError(
            "the unit dictionaries cannot be read", path=path, expected="task_state.dictionaries with two fairseq dictionaries"
        )
    if len(found) != 2:
        raise CheckpointError("a unit encoder has two unit dictionaries", path=path, expected=2, found=len(found))
    return [list(item.symbols) for item in found]


def _same(left: Tensor, right: Tensor) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    is_one = left.data_ptr() == right.data_ptr() and left.stride() == right.stride()
    return is_one or torch.equal(left, right)
