"""The unit translator's network, a pre-norm BART (Lewis et al., 2020) as in multilingual unit BART, its sizes and its dictionary.

Module names are those of the published state dict, so that its tensors load under their own names. A row of the embedding is a
unit, a language tag or a mark.

Beam search encodes each source by itself, so that results do not depend on the other sources.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import load_strict
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import skeleton
from avcore.contracts import Hypothesis
from avcore.decoding import beam_search
from avcore.decoding.beam import MOST_POSITIONS, SearchConfig, SearchRules
from avcore.decoding.beam_search import Sources, join_sources
from avcore.decoding.layers import Decoder, EncoderLayer, LayerConfig, Positions, padding_mask
from avcore.errors import CheckpointError
from avcore.units import BEGIN, NUM_MARKS, UNKNOWN, Ids, normalise_language
from avcore.units import END as END_OF_UNITS

NUM_SPECIALS = NUM_MARKS
NUM_MASKS = 1
LENGTH_TAGS = {"even": BEGIN, "short": END_OF_UNITS, "long": UNKNOWN}
"""First token of a source, by the wanted length of its translation. They are marks that do not occur elsewhere in a source, so a
published table needs no further rows. "even" is the mark that sources always begin with."""


@dataclass(frozen=True)
class TranslatorVocabulary:
    """Rows of the shared embedding, in order: four marks, the units by number, one tag for each language, `<mask>`."""

    num_units: int
    """units are 0..num_units - 1"""
    languages: tuple[str, ...]
    """two-letter names in the order of their tags"""

    @classmethod
    def from_rows(cls, num_rows: int, languages: Sequence[str] | str) -> "TranslatorVocabulary":
        """Derive the layout from the number of embedding rows; languages: a list, or a string as `en,es,...`."""
        names = languages.split(",") if isinstance(languages, str) else languages
        tags = tuple(normalise_language(name) for name in names if name.strip())
        return cls(num_rows - NUM_SPECIALS - len(tags) - NUM_MASKS, tags)

    @property
    def num_rows(self) -> int:
        """Rows of the embedding."""
        return NUM_SPECIALS + self.num_units + len(self.languages) + NUM_MASKS

    @property
    def mask(self) -> int:
        """Row of `<mask>`."""
        return self.num_rows - 1

    def tag(self, language: str) -> int:
        """Row of a language's tag; the language must be one of `languages`."""
        return NUM_SPECIALS + self.num_units + self.languages.index(language)

    def source_tokens(self, units: Ids, language: str, length: str = "even") -> Ids:
        """Return the encoder input for merged units: int64 [U] -> int64 [U + 3], `<s> units </s> [language]`.

        length: see LENGTH_TAGS.
        """
        return np.concatenate([[LENGTH_TAGS[length]], units + NUM_SPECIALS, [END_OF_UNITS, self.tag(language)]]).astype(np.int64)

    def units(self, tokens: Iterable[int]) -> Ids:
        """Return the units among tokens, in order; marks, tags, `<unk>` and `<mask>` are left out."""
        ids = np.asarray(list(tokens), dtype=np.int64) - NUM_SPECIALS
        return ids[(ids >= 0) & (ids < self.num_units)]

    def suppressed(self, target: str) -> tuple[int, ...]:
        """Rows that a search must not choose: every tag but the target's, and `<mask>`."""
        return (*(self.tag(language) for language in self.languages if language != target), self.mask)


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
"""Options of the published layout; a checkpoint with other values has another network."""

_OWNER = "the translator"


@dataclass(frozen=True)
class StackConfig:
    """Sizes of the encoder or of the decoder."""

    num_layers: int
    num_heads: int
    ffn_dim: int


@dataclass(frozen=True)
class TranslatorConfig:
    """Sizes of a unit translator; both stacks have the width `dim`. Dropouts apply in training only."""

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
        """Read sizes from the tensors, and heads, languages and dropouts from the stored options.

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


_TASK, _PAIRS_TASK = "task", "translation_from_pretrained_bart"
"""fairseq's task for pairs, the one of a translator's tasks that may leave `<s>` out."""


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


BOOKKEEPING = (
    "encoder.version",
    "decoder.version",
    "encoder.embed_positions._float_tensor",
    "decoder.embed_positions._float_tensor",
)
"""Entries of published files that are not weights."""


class Encoder(nn.Module):
    """Encodes source tokens."""

    def __init__(self, config: TranslatorConfig, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(EncoderLayer(_layers(config, config.encoder)) for _ in range(config.encoder.num_layers))
        self.layer_norm = nn.LayerNorm(config.dim)
        self._dropout = nn.Dropout(config.dropout)
        self._scale = math.sqrt(config.dim)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return scaled embeddings without positions: int64 [batch, time] -> float [batch, time, dim]."""
        embedded: Tensor = self.embed_tokens(tokens) * self._scale
        return embedded

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode int64 [batch, time], padded with PAD.

        Returns float [batch, time, dim], meaningless at padding, and a mask, bool [batch, 1, 1, time], False at padding, or None
        without padding.
        """
        x = self._dropout(self.embed(tokens) + self.embed_positions(tokens))
        mask = padding_mask(tokens)
        if mask is not None:
            # As in fairseq, whose layers get zeros at padding.
            x = x * mask[:, 0, 0, :, None]
        for layer in self.layers:
            x = layer(x, mask)
        return self.layer_norm(x), mask


class UnitTransformer(nn.Module):
    """The whole network. Source embedding, target embedding and output projection share one matrix."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        embed_tokens = nn.Embedding(config.vocabulary.num_rows, config.dim)
        self.encoder = Encoder(config, embed_tokens)
        self.decoder = Decoder(_layers(config, config.decoder), embed_tokens, math.sqrt(config.dim))
        self.share_table()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.encoder.embed_tokens.weight.device

    def share_table(self) -> None:
        """Tie decoder embedding and output projection to the encoder's embedding; again after tensors were assigned."""
        self.decoder.embed_tokens = self.encoder.embed_tokens
        self.decoder.output_projection.weight = self.encoder.embed_tokens.weight

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: int64 [batch, source time], int64 [batch, time] -> logits, float [batch, time, row].

        Both are padded with PAD; the target begins with the tag of its language. Logits at padding have no meaning.
        """
        encoded, mask = self.encoder(source)
        logits: Tensor = self.decoder(target, self.decoder.source_keys_values(encoded), mask)
        return logits


def load_transformer(checkpoint: Checkpoint) -> UnitTransformer:
    """Build the network of a checkpoint from the checkpoint's own tensors (float32, not copied).

    Raises CheckpointError when they do not fit the network that the configuration describes.
    """
    if checkpoint.config["task"].get("prepend_bos") is False and checkpoint.config["task"].get(_TASK) == _PAIRS_TASK:
        hint = "train it with --prepend-bos --left-pad-source (which turns fairseq's left padding off)"
        found = "a training whose sentences began with their first unit"
        raise CheckpointError(f"{_OWNER} expects sentences without <s>", path=checkpoint.path, found=found, hint=hint)
    config = TranslatorConfig.from_checkpoint(checkpoint)
    with skeleton():
        model = UnitTransformer(config)

    weights = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in BOOKKEEPING}
    load_strict(model, weights, checkpoint)
    model.share_table()
    return model


def _layers(config: TranslatorConfig, stack: StackConfig) -> LayerConfig:
    """Return the configuration of the layers of one side."""
    return LayerConfig(
        config.dim,
        stack.num_layers,
        stack.num_heads,
        stack.ffn_dim,
        nn.GELU,
        config.dropout,
        config.attention_dropout,
        config.activation_dropout,
    )


@torch.inference_mode()
def search_beams(
    model: UnitTransformer,
    sources: Sequence[Ids],
    config: SearchConfig,
    rules: Sequence[SearchRules],
    report: Callable[[int], None] | None = None,
    most_entries: int | None = None,
) -> list[list[Hypothesis]]:
    """Translate token sequences in a batch.

    sources: encoder inputs, int64 [S] each. rules: one for each source; a target begins with its end tag. report: called with the
    number of steps done. most_entries: limit of stored keys and values, see `beam_search.search`. Returns the hypotheses of each
    source, best first; none where the network gives no finite scores.
    """
    return beam_search.search(model.decoder, encode(model, sources), config, rules, report, most_entries)


def encode(model: UnitTransformer, sources: Sequence[Ids]) -> Sources:
    """Encode encoder inputs, int64 [S] each, for the decoder."""
    device = model.device
    return join_sources(model.decoder, [model.encoder(torch.from_numpy(source)[None].to(device))[0] for source in sources])
