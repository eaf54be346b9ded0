"""From the two files of pre-training to the model that reads lips: how `finetuned.pt` begins."""

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.foreign import PlainAvHubert
from avcore.errors import CheckpointError
from unit2text.takes import LIP_UNITS, LIPS

_KEPT = {"encoder.w2v_model.": "unit_encoder.w2v_model.", "decoder.": "decoder.", "language_embedding.": "language_embedding."}
_LEFT_OUT = ("mask_emb", "final_proj.")
_LIP_PREFIX = "encoder.w2v_model."
_MASK = "mask_emb"
_IMAGE = ("image_crop_size", "image_mean", "image_std")


def join_pretrained(units: Checkpoint, lips: PlainAvHubert, seed: int = 0) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Configuration and tensors of a reader of lips: the unit model's encoder, decoder and languages behind AV-HuBERT.

    units: a checkpoint of the unit model. The CTC head (torch's start values, a weight of the decoder table's shape) and the
    unused mask embedding are fresh, drawn from the seed; all others keep their shapes. Unit tables, their joining layer and the
    unit model's CTC head stay behind. Raises CheckpointError where the two do not fit.
    """
    if units.config.get("takes") != LIP_UNITS:
        raise CheckpointError(
            "this is no unit model of pre-training", path=units.path, expected="unit_pretrained.pt", found=units.config.get("takes")
        )
    tensors = {f"{_LIP_PREFIX}{name}": tensor for name, tensor in lips.tensors.items() if not name.startswith(_LEFT_OUT)}
    for name, tensor in units.tensors.items():
        start = next((start for start in _KEPT if name.startswith(start)), None)
        if start is not None:
            tensors[_KEPT[start] + name.removeprefix(start)] = tensor
    table = units.tensors["decoder.embed_tokens.weight"]
    width = lips.tensors["post_extract_proj.weight"].shape[0]
    if width != table.shape[1]:
        raise CheckpointError(
            "AV-HuBERT's width is not the unit model's",
            path=units.path,
            expected=table.shape[1],
            found=width,
            hint="nothing is between the two; take an AV-HuBERT of the same width",
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = torch.nn.Linear(table.shape[1], table.shape[0])
        fresh = {"ctc_proj.weight": head.weight.detach(), "ctc_proj.bias": head.bias.detach()}
        if _MASK in lips.tensors:
            fresh[f"{_LIP_PREFIX}{_MASK}"] = torch.rand_like(lips.tensors[_MASK])
    kept = {name: value for name, value in units.config.items() if name != "takes"}
    model = {**units.config["model"], "_name": "utut_seq2seq", "w2v_args": {"model": lips.config["model"]}}
    task = {**units.config["task"], **{name: lips.config["task"][name] for name in _IMAGE if name in lips.config["task"]}}
    return {**kept, "takes": LIPS, "model": model, "task": task}, {**tensors, **fresh}
