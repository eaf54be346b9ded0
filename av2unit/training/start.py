"""Initial weights of training, fresh or from a checkpoint, and reading of a run's trained weights."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from av2unit.config import AvHubertConfig, vocabulary_of
from av2unit.model import AvHubert
from av2unit.stage import UNIT_ENCODER
from av2unit.training.config import InitConfig
from avcore.checkpoints.checkpoint import fingerprint_tensors, load_strict, read_checkpoint
from avcore.checkpoints.layouts import plain_config, plain_tensors
from avcore.checkpoints.pickles import Format, check_tensors, load_pickled, sniff
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, UsageError
from avcore.files import require_file
from avcore.train.checkpoints import BEST, LAST, RunResult, read_run
from avcore.units import require_same_vocabulary

LOG = logging.getLogger("netflips.train")

KIND = "unit encoder"
"""The kind that a run's checkpoints name."""
KEEP = "keep"
_STD = 0.02
_HEAD = "label_embs_concat"
_PLAIN_TASK = "av_hubert_pretraining"
_SETTINGS = {"dropout", "attention_dropout", "activation_dropout", "dropout_input", "encoder_layerdrop", "num_classes"}
"""Fields of the model's configuration that may differ from the checkpoint's."""


def initialise(model: AvHubert) -> AvHubert:
    """Initialise a model that is trained from scratch.

    Linear layers are initialised as in BERT, convolutions by He's rule, the rest as it was built. Class embeddings are normal, so
    that cosines between classes are near 0; the published initialisation, uniform in 0..1, has them near 0.75.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_STD)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.uniform_(model.mask_emb)
    nn.init.normal_(model.label_embs_concat)
    return model


def build_model(config: AvHubertConfig, init: InitConfig, dictionaries: Sequence[Sequence[str]], vocabulary: str) -> AvHubert:
    """Build the model to train.

    config: its `num_classes` are those of the dictionaries. vocabulary: fingerprint of the labels' quantizer, "" = unknown. Raises
    UsageError or CheckpointError when the checkpoint does not fit the configuration, and VocabularyError when its heads are to be
    kept for other units.
    """
    if init.heads == KEEP and not init.checkpoint:
        raise UsageError("there are no heads to keep", expected="init.checkpoint")

    model = initialise(AvHubert(config))
    if init.checkpoint:
        _load(model, read_start(init.checkpoint), init, dictionaries, vocabulary)
    parts = dict(model.named_modules())
    unknown: list[Any] = [name for name in init.frozen if name not in parts or not name]
    if unknown:
        top = ", ".join(name for name in parts if name and "." not in name)
        raise UsageError("init.frozen names no part of the model", expected=f"parts of {top}", found=unknown[0])

    return model


def read_start(path: str | Path) -> Checkpoint:
    """Read a unit encoder, published or our own, or a plain AV-HuBERT checkpoint with one head; its dictionaries become []."""
    path = require_file(path, "the checkpoint to start from")
    stored = sniff(path)
    if stored is not Format.SAFETENSORS:
        payload = load_pickled(path, stored)
        state = payload.get("model") if isinstance(payload, Mapping) else None
        if isinstance(state, Mapping) and _HEAD in state and plain_config(payload, path)["task"].get("_name") == _PLAIN_TASK:
            settings, tensors = plain_config(payload, path), plain_tensors(state, "model", path)
            check_tensors(path, stored, tensors)
            config = {"task": settings["task"], "model": settings["model"], "dictionaries": []}
            return Checkpoint(path, UNIT_ENCODER, config, tensors, fingerprint_tensors(tensors))

    return read_checkpoint(path, UNIT_ENCODER)


def _load(model: AvHubert, start: Checkpoint, init: InitConfig, dictionaries: Sequence[Sequence[str]], vocabulary: str) -> None:
    tensors = _two_heads(start.tensors)

    if init.heads == KEEP:
        if [list(symbols) for symbols in dictionaries] != start.config["dictionaries"]:
            raise CheckpointError(
                "its heads cannot be kept: it has other units",
                path=start.path,
                expected="the dictionaries of the labels",
                found=f"{[len(symbols) for symbols in start.config['dictionaries']]} classes",
                hint="give init.heads=new",
            )
        require_same_vocabulary(vocabulary, vocabulary_of(start), str(start.path))
    else:
        tensors[_HEAD] = model.label_embs_concat.detach()

    _compare(model.config, start, tensors)
    load_strict(model, {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}, start)
    # The checkpoint's tensors are views of its file, which may be deleted.
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.clone()
    LOG.info("starting from %s with %s heads", start.path, init.heads)


def _two_heads(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Repeat a projection of one head for the second; tensors that only pre-training used are left out."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("target_glu")}
    width = tensors[_HEAD].shape[1] if _HEAD in tensors else 0
    for name in ("final_proj.weight", "final_proj.bias"):
        if name in kept and len(kept[name]) == width:
            kept[name] = torch.cat([kept[name]] * 2)
    return kept


def _compare(config: AvHubertConfig, start: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError when the configured model differs from the checkpoint's, with the settings to change."""
    # Sizes alone are compared: the heads may be new, for other units than the checkpoint's.
    dictionaries = [[""] * count for count in config.num_classes]
    stored = Checkpoint(start.path, start.stage, {**start.config, "dictionaries": dictionaries}, dict(tensors), start.fingerprint)
    found = AvHubertConfig.from_checkpoint(stored)

    names = [field.name for field in fields(AvHubertConfig) if field.name not in _SETTINGS | {"untie_final_proj"}]
    wrong = [name for name in names if getattr(found, name) != getattr(config, name)]
    if wrong:
        raise CheckpointError(
            "the configured model is not the checkpoint's",
            path=start.path,
            expected=_values(found, wrong),
            found=_values(config, wrong),
            hint="give the expected values",
        )


def _values(config: AvHubertConfig, names: Sequence[str]) -> str:
    return " ".join(f"model.{name}={getattr(config, name)}" for name in names)


def read_trained(run_dir: Path, checkpoint: str = "") -> RunResult:
    """Read a checkpoint of a run: the named one, or else `best`, or else `last`. Raises CheckpointError."""
    folder = run_dir / "checkpoints"
    names = [checkpoint] if checkpoint else [BEST, LAST]
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise CheckpointError("the run has no such checkpoint", path=folder, expected=" or ".join(names))
    return read_run(path, "av2unit.train", KIND)


def encoder_tensors(run: RunResult) -> dict[str, Tensor]:
    """Return the encoder of a run under its published names."""
    return {name.removeprefix("model."): tensor for name, tensor in run.modules["network"].items()}
