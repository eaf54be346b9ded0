"""What a training run has come to, and the form in which inference loads it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from av2unit.decoding import Decoding
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import CheckpointError
from avtrain import checkpoints
from avtrain.checkpoints import BEST, LAST

STORED = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Number formats that an encoder can be stored in."""
KIND = "unit encoder"
"""What a run's checkpoints say that they are of."""
_TASK_SETTINGS = ("normalize", "stack_order_audio", "image_crop_size", "image_mean", "image_std")
_FROM_TENSORS = ("resnet_width", "mask_dim", "num_classes")
_MODEL = "model."


@dataclass(frozen=True)
class Trained:
    """What a run has come to. about: the task's description. tensors: under their published names."""

    path: Path
    step: int
    about: Mapping[str, Any]
    tensors: dict[str, Tensor]


def read_trained(run_dir: Path, checkpoint: str = "") -> Trained:
    """Read a checkpoint of a run, `best` unless another is named or there is none. Raises CheckpointError."""
    folder = run_dir / "checkpoints"
    names = [checkpoint] if checkpoint else [BEST, LAST]
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise CheckpointError("the run has no such checkpoint", path=folder, expected=" or ".join(names))
    state = checkpoints.read_run(path, KIND, "av2unit.train")
    about = state["about"]
    tensors = {name.removeprefix(_MODEL): tensor for name, tensor in state["modules"]["network"].items()}
    return Trained(path, int(state["position"]["step"]), about, tensors)


def write_encoder(path: Path, trained: Trained, decoding: Decoding, precision: str = "float32") -> Path:
    """Write a trained encoder with its settings; returns the path of the .safetensors."""
    settings = dict(trained.about["config"]["model"])
    model = {name: value for name, value in settings.items() if name not in (*_TASK_SETTINGS, *_FROM_TENSORS)}
    config = {
        "task": {"_name": "av_hubert_unit_pretraining"} | {name: settings[name] for name in _TASK_SETTINGS},
        "model": {"_name": "av_hubert", **model},
        "dictionaries": trained.about["dictionaries"],
        "decoding": asdict(decoding),
        "trained": {"steps": trained.step},
    }
    if trained.about["vocabulary"]:
        config["vocabulary"] = trained.about["vocabulary"]
    dtype = STORED[precision]
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in trained.tensors.items()}
    return write_checkpoint(path, UNIT_ENCODER, config, tensors)
