"""A plain AV-HuBERT of any number of label sets, as it came from its pre-training: what other models are built on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from avcore.checkpoints.config import plain_config
from avcore.checkpoints.layouts import plain_tensors
from avcore.checkpoints.pickles import load_pickled
from avcore.checkpoints.sniff import Format, check_tensors, sniff
from avcore.errors import CheckpointError
from avcore.files import require_file

_FRONT_END = "feature_extractor_video.resnet.frontend3D.0.weight"


class PlainAvHubert(NamedTuple):
    """Settings (fairseq's `model` and `task`) and state dict."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def read_av_hubert(path: str | Path) -> PlainAvHubert:
    """Read a fairseq file of AV-HuBERT. Raises InputError where there is none, CheckpointError for anything else."""
    path = require_file(path, "the AV-HuBERT checkpoint")
    stored = sniff(path)
    payload = load_pickled(path, stored) if stored is not Format.SAFETENSORS else {}
    model = payload.get("model") if isinstance(payload, Mapping) else None
    if not isinstance(model, Mapping) or _FRONT_END not in model:
        raise CheckpointError(
            "this is no AV-HuBERT checkpoint", path=path, expected="a fairseq file such as mavhubert.pt",
            found=f"a {stored.value} file",
        )  # fmt: skip
    tensors = plain_tensors(model, "model", path)
    if stored is Format.ZIP:
        check_tensors(path, tensors)
    return PlainAvHubert(plain_config(payload, path), tensors)
