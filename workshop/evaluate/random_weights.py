"""The same models without what they learnt: each table of weights keeps its values, in another order."""

import shutil
from pathlib import Path

import torch

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from unit2unit.stage import TRANSLATOR

_SHUFFLED = (UNIT_ENCODER, TRANSLATOR)


def write_random_bundle(bundle: Bundle, folder: Path, seed: int) -> None:
    """Write a bundle whose encoder and translator know nothing; its voice stays, so that what it says is Korean."""
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for one in bundle.models:
        stage, name = one.stage, one.file
        if (folder / name).is_file():
            continue
        if stage not in _SHUFFLED:
            shutil.copyfile((bundle.folder / name).with_suffix(".json"), (folder / name).with_suffix(".json"))
            shutil.copyfile(bundle.folder / name, folder / name)
            continue
        stored = read_checkpoint(bundle.folder / name, stage)
        shuffled: dict[int, torch.Tensor] = {}
        for tensor in stored.tensors.values():
            if tensor.dim() > 1 and tensor.data_ptr() not in shuffled:  # one tensor under several names stays one
                order = torch.randperm(tensor.numel(), generator=generator)
                shuffled[tensor.data_ptr()] = tensor.flatten()[order].view(tensor.shape)
        write_checkpoint(
            folder / name, stage, stored.config, {key: shuffled.get(one.data_ptr(), one) for key, one in stored.tensors.items()}
        )
