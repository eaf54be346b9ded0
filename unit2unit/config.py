"""Sizes of a translator, read from its checkpoint, and the settings of its beam search."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.settings import read_setting
from avcore.errors import CheckpointError, UsageError
from unit2unit.vocabulary import TranslatorVocabulary

LOG = logging.getLogger(__name__)

_EMBEDDING = "encoder.embed_tokens.weight"
_REQUIRED_OPTIONS: dict[str, object] = {
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

_FOREIGN_SEARCH_OPTIONS: dict[str, object] = {
    "sampling": False,
    "match_source_len": False,
    "constraints": None,
    "prefix_size": 0,
}
"""Options of the reference's generator that are off in the published settings and not built here."""

_OWNER = "the translator"
_MOST = 100_000
"""Of positions and of tokens of a search: an hour of speech."""
_SEARCH_BOUNDS: dict[str, tuple[float, float]] = {
    "beam": (1, 10_000), "max_len_a": (0, 1000), "max_len_b": (0, _MOST), "min_len": (0, _MOST), "lenpen": (-100, 100),
    "unkpen": (-1e6, 1e6), "temperature": (1e-6, 1e6), "unnormalized": (0, 1), "no_repeat_ngram_size": (0, _MOST),
    "max_target_units": (0, _MOST),
}  # fmt: skip
"""Settings of the search that a checkpoint may hold, with least and most."""

_NO_LIMIT = (4, 50)
"""Without a limit, a search still ends at 4 * source tokens + 50: what goes on longer is an endless loop."""


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
        for name, required in _REQUIRED_OPTIONS.items():
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


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the beam search; the defaults are the published ones.

    Raises UsageError for values that cannot be searched with.
    """

    beam: int = 20
    """Hypotheses kept alive, and finished ones waited for."""
    max_len_a: float = 0.0
    max_len_b: int = 200
    """At most max_len_a * source tokens + max_len_b tokens before the end tag; `<s>` and `</s>` count."""
    min_len: int = 1
    """Tokens before the end tag may come."""
    lenpen: float = 1.0
    """Scores are divided by length ** lenpen."""
    unkpen: float = 0.0
    """Taken off the log-probability of `<unk>`."""
    temperature: float = 1.0
    unnormalized: bool = False
    """Compare sums of log-probabilities, whatever the length."""
    no_repeat_ngram_size: int = 0
    """Read and without effect, as in the published search."""
    max_target_units: int | None = None
    """Replaces max_len_a and max_len_b when given; 0 = no limit but the decoder's positions and `_NO_LIMIT`."""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise UsageError("the beam must hold 1 hypothesis or more", found=self.beam)
        if self.temperature <= 0:
            raise UsageError("the temperature must be above 0", found=self.temperature)
        if self.max_target_units is not None and self.max_target_units < 0:
            raise UsageError("the limit of target units must be 0 (none) or more", found=self.max_target_units)

    @classmethod
    def from_generation(cls, generation: Mapping[str, Any], path: Path | None = None) -> "SearchConfig":
        """Read the section `generation` of a checkpoint's config; warns of options that are not built here.

        path: the checkpoint, for messages. Raises CheckpointError for a value of another type, or that nobody could wait for.
        """
        if not isinstance(generation, Mapping):
            raise CheckpointError("the translator's search settings cannot be read", path=path, expected="an object")
        for name, off in _FOREIGN_SEARCH_OPTIONS.items():
            if generation.get(name, off) not in (off, None):
                LOG.warning("the checkpoint's search option %s = %s is ignored", name, generation[name])
        stored = {name: generation[name] for name in _SEARCH_BOUNDS if generation.get(name) is not None}
        defaults: dict[str, Any] = {option.name: 0 if option.default is None else option.default for option in fields(cls)}
        return cls(**{name: read_setting(stored, name, defaults[name], _OWNER, path, _SEARCH_BOUNDS[name]) for name in stored})

    def limit(self, source_length: int, max_positions: int) -> int:
        """Tokens allowed before the end tag. source_length counts all encoder tokens.

        Raises UsageError when fewer than min_len are allowed.
        """
        if self.max_target_units is None:
            wanted = int(self.max_len_a * source_length + self.max_len_b)
        elif self.max_target_units == 0:
            wanted = _NO_LIMIT[0] * source_length + _NO_LIMIT[1]
        else:
            wanted = self.max_target_units
        limit = min(wanted, max_positions - 1)
        if limit < self.min_len:
            raise UsageError("the search's limit is below its least length", expected=f"{self.min_len} or more", found=limit)
        return limit


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
    return read_setting(section, name, 0, _OWNER, path, (0, _MOST)) or 1024


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
            f"the number of heads of the {side} does not divide its width", path=checkpoint.path, expected=f"a divisor of {dim}",
            found=num_heads,
        )  # fmt: skip
    return StackConfig(num_layers, num_heads, ffn_dim)
