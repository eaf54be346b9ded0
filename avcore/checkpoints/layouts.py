"""What a loaded file is, and how its content becomes a plain configuration and a flat state dict.

Kinds are recognised by content, never by file name. Published layouts: mAV-HuBERT and the unit translator are fairseq
trainer files ({cfg, model, task_state, ...}); the renderer is {audio: {language: state dict}, video: state dict}; the
speaker encoder is {model_state: state dict}.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avcore.checkpoints.config import plain_config
from avcore.checkpoints.kinds import Kind
from avcore.checkpoints.pickles import Dictionary, brief
from avcore.errors import CheckpointError

SHARED_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
"""One matrix that a translator's file holds under three names."""

_UNIT_TASK = "av_hubert_unit_pretraining"
_NUM_HEADS = 2


class Identity(NamedTuple):
    """The kind of a file (None: not one of ours), words for what it is, and what to do when another was wanted."""

    kind: Kind | None
    words: str
    hint: str | None = None


def identify(payload: object, path: Path) -> Identity:
    """Tell what the content of a .pt file is; raises CheckpointError when its settings cannot be read."""
    if not isinstance(payload, Mapping):
        return Identity(None, f"a pickled {type(payload).__name__}")
    model = payload.get("model")
    if isinstance(model, Mapping) and _holds_tensors(model):
        return _identify_fairseq(payload, model, path)
    audio = payload.get("audio")
    if (isinstance(audio, Mapping) and any(map(_holds_tensors, audio.values()))) or _holds_tensors(payload.get("video")):
        return known(Kind.RENDERER)
    state = payload.get("model_state")
    if isinstance(state, Mapping) and identify_tensors(state) is Kind.SPEAKER_ENCODER:
        return known(Kind.SPEAKER_ENCODER)
    return _identify_foreign(payload)


def known(kind: Kind) -> Identity:
    """The identity of one of our kinds."""
    return Identity(kind, f"a {kind.value}", f"give it to {kind.flag}")


def identify_tensors(tensors: Mapping[str, Any]) -> Kind | None:
    """The kind that a flat state dict belongs to, by its names."""
    if SHARED_TABLES[0] in tensors:
        return Kind.TRANSLATOR
    if "label_embs_concat" in tensors and "post_extract_proj.weight" in tensors:
        return Kind.UNIT_ENCODER
    if "letters.weight" in tensors:
        return Kind.SPELLER
    if any(str(name).startswith(("audio.", "video.")) for name in tensors):
        return Kind.RENDERER
    return Kind.SPEAKER_ENCODER if "lstm.weight_ih_l0" in tensors else None


def extract(payload: Mapping[str, Any], kind: Kind, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return (config, tensors) of a loaded file that `identify` recognised as `kind`; raises CheckpointError."""
    if kind is Kind.RENDERER:
        return {}, _renderer_tensors(payload, path)
    if kind is Kind.SPEAKER_ENCODER:
        return {}, plain_tensors(payload["model_state"], "model_state", path)
    tensors = plain_tensors(payload["model"], "model", path)
    config = plain_config(payload, path)
    if kind is Kind.TRANSLATOR:
        return _translator_config(config), share_tables(tensors, path)
    return {"task": config["task"], "model": config["model"], "dictionaries": _dictionaries(payload, path)}, tensors


def updates_of(payload: Mapping[str, Any]) -> int | None:
    """How many updates a trainer's file says it has seen; None where it says nothing."""
    history = payload.get("optimizer_history")
    last = history[-1] if isinstance(history, list) and history else None
    stated = last.get("num_updates") if isinstance(last, Mapping) else payload.get("steps")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def _translator_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a translator; one that our own trainers wrote names the quantizer of its units among its task's options."""
    stated = config["task"].get("units_vocabulary")
    return {**config, "vocabulary": str(stated)} if stated else {**config}


def share_tables(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Give a translator's embedding table all its three names; raises CheckpointError when stored copies differ."""
    present = [name for name in SHARED_TABLES if name in tensors]
    if not present:
        raise CheckpointError("the translator has no embedding table", path=path, expected=SHARED_TABLES[0])
    table = tensors[present[0]]
    for name in present[1:]:
        if not is_same(table, tensors[name]):
            raise CheckpointError(
                "the translator's embedding table is stored under three names with different content",
                path=path,
                expected=f"{name} equal to {present[0]}",
                hint="the file is damaged or was edited by hand; get it again",
            )
    return {**tensors, **dict.fromkeys(SHARED_TABLES, table)}


def plain_tensors(state: object, where: str, path: Path) -> dict[str, Tensor]:
    """Return a state dict as plain tensors by name; raises CheckpointError naming what is not one."""
    if not isinstance(state, Mapping):
        raise CheckpointError(
            "a part of the checkpoint is no state dict", path=path, expected=f"tensors in {where}", found=brief(state)
        )
    for name, value in state.items():
        is_plain = (
            isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
        )
        if not isinstance(name, str) or not is_plain:
            raise CheckpointError(
                "a tensor of the checkpoint cannot be read",
                path=path,
                expected=f"a tensor in {where}.{name}",
                found=brief(value),
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                "a tensor of the checkpoint is larger than what is stored of it", path=path,
                expected=f"{value.untyped_storage().nbytes():,} bytes in {where}.{name}", found=f"the shape {list(value.shape)}",
            )  # fmt: skip
    return {name: value.detach() for name, value in state.items()}


def is_same(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bits (NaN equal to itself)."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.data_ptr() == right.data_ptr() and left.stride() == right.stride():
        return True
    return torch.equal(as_bytes(left), as_bytes(right))


def as_bytes(tensor: Tensor) -> Tensor:
    """The tensor's content as uint8 [bytes], without a copy where it is contiguous."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _identify_fairseq(payload: Mapping[str, Any], names: Mapping[str, Any], path: Path) -> Identity:
    kind = identify_tensors(names)
    if kind is Kind.TRANSLATOR:
        return known(kind)
    if any(str(name).startswith("encoder.w2v_model.") for name in names):
        return Identity(
            None, "an AV-HuBERT model fine-tuned for recognition", "it has no unit heads; take mavhubert_large_noise.pt"
        )
    if kind is Kind.UNIT_ENCODER or any(str(name).startswith("feature_extractor_video.") for name in names):
        task = plain_config(payload, path)["task"].get("_name")
        if kind is Kind.UNIT_ENCODER and task == _UNIT_TASK:
            return known(kind)
        words = f"an AV-HuBERT model without the two unit heads (task {task}, not {_UNIT_TASK})"
        return Identity(None, words, "take mavhubert_large_noise.pt")
    return Identity(None, "a fairseq checkpoint of another model")


def _identify_foreign(payload: Mapping[Any, Any]) -> Identity:
    if "generator" in payload:
        return Identity(
            None,
            "a vocoder training checkpoint (g_XXXXXXXX) of one language",
            "put it into a renderer: netflips convert --in-path RENDERER --out-path NEW.safetensors --add-vocoder LANGUAGE=FILE",
        )
    if "mpd" in payload or "msd" in payload:
        return Identity(None, "the discriminators of vocoder training (do_XXXXXXXX)", "they serve to resume training only")
    if _holds_tensors(payload):
        return Identity(None, "a bare state dict without its configuration")
    if _holds_tensors(payload.get("state_dict")):
        return Identity(None, "a checkpoint of another program (Wav2Lip or Lightning)")
    keys = ", ".join(str(key) for key in list(payload)[:6])
    return Identity(None, f"a file with the keys {keys}" if keys else "an empty dict")


def _holds_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(item, Tensor) for item in value.values())


def _renderer_tensors(payload: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    audio = payload.get("audio") or {}
    if not isinstance(audio, Mapping):
        raise CheckpointError("the voices of the renderer cannot be read", path=path, expected="state dicts by language in audio")
    sections = {f"audio.{language}": state for language, state in audio.items()}
    if payload.get("video") is not None:
        sections["video"] = payload["video"]
    states = {name: plain_tensors(state, name, path) for name, state in sections.items()}
    return {f"{name}.{key}": tensor for name, state in states.items() for key, tensor in state.items()}


def _dictionaries(payload: Mapping[str, Any], path: Path) -> list[list[str]]:
    state = payload.get("task_state")
    found = state.get("dictionaries") if isinstance(state, Mapping) else None
    is_read = isinstance(found, (list, tuple)) and all(isinstance(item, Dictionary) and item.symbols for item in found)
    if not is_read or found is None or len(found) != _NUM_HEADS:
        raise CheckpointError(
            "the unit dictionaries cannot be read",
            path=path,
            expected=f"{_NUM_HEADS} fairseq dictionaries in task_state.dictionaries",
            found=brief(found),
        )
    return [list(item.symbols) for item in found]
