"""Sizes of a translator, read from its checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.config import read_setting
from avcore.decoding.beam import MOST_POSITIONS
from avcore.errors import CheckpointError
from unit2unit.vocabulary import TranslatorVocabulary

_EMBEDDING = "encoder.embed_tokens.weight"
NETWORK_OPTIONS: dict[str, object] = {
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "encoder_learned_pos": False,
    "decoder_learned_pos": False,
    "layernorm_embedding": False,
    "no_scale_embedding": False,
    "share_all_embeddings": True,
    "activation_fn": "gelu",
}
"""What the published layout says; a checkpoint that says otherwise is of another network."""

_OWNER = "the translator"


@dataclass(frozen=True)
class StackConfig:
    """Sizes of the encoder or of the decoder."""

    num_layers: int
    num_heads: int
    ffn_dim: int


@dataclass(frozen=True)
class TranslatorConfig:
    """Sizes of a unit translator; `dim` is shared by both stacks. The dropouts act in training only."""

    vocabulary: TranslatorVocabulary
    dim: int
    encoder: StackConfig
    decoder: StackConfig
    max_source_positions: int = 1024
    max_target_positions: int = 1024
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "TranslatorConfig":
        """Read sizes off the tensors, and heads, languages and dropouts from the stored options.

        Raises CheckpointError when tensors are missing or the options are those of another network.
        """
        model, task = _section(checkpoint, "model"), _section(checkpoint, "task")
        for name, required in NETWORK_OPTIONS.items():
            if model.get(name, required) != required:
                raise CheckpointError(
                    f"the translator's option {name} is not supported", path=checkpoint.path, expected=required, found=model[name]
                )
        num_rows, dim = _tensor(checkpoint, _EMBEDDING).shape
        return cls(
            vocabulary=_vocabulary(checkpoint, num_rows, task.get("langs") or model.get("langs")),
            dim=dim,
            encoder=_stack(checkpoint, "encoder", dim, model),
            decoder=_stack(checkpoint, "decoder", dim, model),
            max_source_positions=_positions(model, task, "max_source_positions", checkpoint.path),
            max_target_positions=_positions(model, task, "max_target_positions", checkpoint.path),
            dropout=read_setting(model, "dropout", 0.1, _OWNER, checkpoint.path),
            attention_dropout=read_setting(model, "attention_dropout", 0.1, _OWNER, checkpoint.path),
            activation_dropout=read_setting(model, "activation_dropout", 0.0, _OWNER, checkpoint.path),
        )


def _section(checkpoint: Checkpoint, name: str) -> Mapping[str, Any]:
    section = checkpoint.config.get(name)
    if not isinstance(section, Mapping):
        raise CheckpointError(f"the translator's config has no section '{name}'", path=checkpoint.path)
    return section


def _tensor(checkpoint: Checkpoint, key: str) -> Tensor:
    if key not in checkpoint.tensors:
        raise CheckpointError("a tensor of the translator is missing", path=checkpoint.path, expected=key)
    return checkpoint.tensors[key]


def _positions(model: Mapping[str, Any], task: Mapping[str, Any], name: str, path: Path) -> int:
    section = model if model.get(name) else task
    return read_setting(section, name, 0, _OWNER, path, (0, MOST_POSITIONS)) or 1024


def _vocabulary(checkpoint: Checkpoint, num_rows: int, languages: Sequence[str] | str | None) -> TranslatorVocabulary:
    if not languages or not isinstance(languages, str | list) or not all(isinstance(name, str) for name in languages):
        raise CheckpointError("the translator's config does not say its languages", path=checkpoint.path, expected="task.langs")
    vocabulary = TranslatorVocabulary.from_rows(num_rows, languages)
    if vocabulary.num_units < 1:
        raise CheckpointError(
            "the embedding has no rows for units", path=checkpoint.path, expected="4 marks, units, tags, mask", found=num_rows
        )
    return vocabulary


def _stack(checkpoint: Checkpoint, side: str, dim: int, model: Mapping[str, Any]) -> StackConfig:
    prefix = f"{side}.layers."
    num_layers = len({key.removeprefix(prefix).split(".")[0] for key in checkpoint.tensors if key.startswith(prefix)})
    ffn_dim = _tensor(checkpoint, f"{prefix}0.fc1.weight").shape[0]
    num_heads = read_setting(model, f"{side}_attention_heads", 0, _OWNER, checkpoint.path, (0, dim))
    if num_heads < 1 or dim % num_heads:
        raise CheckpointError(
            f"the number of heads of the {side} does not divide its width",
            path=checkpoint.path,
            expected=f"a divisor of {dim}",
            found=num_heads,
        )
    return StackConfig(num_layers, num_heads, ffn_dim)
