"""Read files of other programs (Wav2Lip, SyncNet, plain AV-HuBERT) as safely as our own checkpoints.

A plain AV-HuBERT of any number of label sets, as it came from its pre-training, is what other models are built on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from avcore.checkpoints.checkpoint import fingerprint_tensors, load_exactly
from avcore.checkpoints.config import plain_config
from avcore.checkpoints.layouts import identify, plain_tensors
from avcore.checkpoints.pickles import load_pickled
from avcore.checkpoints.sniff import Format, check_tensors, sniff
from avcore.compute.modules import skeleton
from avcore.errors import CheckpointError
from avcore.files import require_file

_WRAPPER, _PARALLEL = "state_dict", "module."
Network = TypeVar("Network", bound=nn.Module)
_FRONT_END = "feature_extractor_video.resnet.frontend3D.0.weight"


@dataclass(frozen=True, eq=False)
class StateDict:
    """Tensors by name, on the CPU. what: words for the model; fingerprint: as our checkpoints have it."""

    path: Path
    what: str
    tensors: Mapping[str, Tensor]

    @property
    def fingerprint(self) -> str:
        """Names the content: the same for the same tensors."""
        return fingerprint_tensors(self.tensors)

    def into(self, make: Callable[[Mapping[str, Tensor]], Network]) -> Network:
        """Return the network that `make` builds to the tensors' sizes, with the tensors in it and ready for inference.

        Every tensor must be used, none may be missing, all shapes must be the network's. Raises CheckpointError if they do not fit.
        """
        try:
            with skeleton():
                network = make(self.tensors)
        except (KeyError, ValueError, IndexError) as error:
            raise CheckpointError(f"this is no {self.what}", path=self.path, expected=f"a tensor {error}") from error
        load_exactly(network, self.tensors, self.path, self.what)
        return network.eval().requires_grad_(False)


def read_state_dict(path: str | Path, what: str, needs: str) -> StateDict:
    """Read a state dict, bare or as the `state_dict` of a training checkpoint; nothing that the file names is run.

    what: words for the model, as "lip sync generator (wav2lip.pth)". needs: the name of a tensor that identifies it. What
    data-parallel training puts before the names (`module.`) is removed. Raises InputError when there is no file, CheckpointError
    when it is damaged or holds something else.
    """
    path = require_file(path, f"the {what}")
    stored = sniff(path)
    if stored is Format.SAFETENSORS:
        raise CheckpointError(f"this is no {what}", path=path, expected="a file as published", found="a safetensors file")
    payload = load_pickled(path, stored)
    inner = payload.get(_WRAPPER, payload) if isinstance(payload, Mapping) else payload
    if not isinstance(inner, Mapping) or not any(str(name).replace(_PARALLEL, "") == needs for name in inner):
        found = identify(payload, path).words
        raise CheckpointError(f"this is no {what}", path=path, expected=f"a state dict with {needs}", found=found)
    tensors = plain_tensors(inner, _WRAPPER, path)
    check_tensors(path, stored, tensors)
    return StateDict(path, what, {name.replace(_PARALLEL, ""): tensor for name, tensor in tensors.items()})


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
            "this is no AV-HuBERT checkpoint",
            path=path,
            expected="a fairseq file such as mavhubert.pt",
            found=f"a {stored.value} file",
        )
    tensors = plain_tensors(model, "model", path)
    check_tensors(path, stored, tensors)
    return PlainAvHubert(plain_config(payload, path), tensors)
