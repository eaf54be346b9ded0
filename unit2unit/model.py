"""The unit translator's network: a pre-norm BART (Lewis et al., 2020) as multilingual unit BART uses it.

Module names are those of the published state dict, so that its tensors load under their own names.

Its beam search encodes each source once, by itself, so that its numbers do not depend on its neighbours.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import Checkpoint, load_strict
from avcore.compute.memory import MappedFiles
from avcore.compute.modules import pack_linears, skeleton
from avcore.decoding import beam_search
from avcore.decoding.beam import Hypothesis, SearchConfig, SearchRules
from avcore.decoding.beam_search import Sources, join_sources
from avcore.decoding.layers import Decoder, DecoderLayer, EncoderLayer, Layer, LayerConfig, Positions, padding_mask
from avcore.units import Ids
from unit2unit.config import StackConfig, TranslatorConfig

_BOOKKEEPING = (
    "encoder.version",
    "decoder.version",
    "encoder.embed_positions._float_tensor",
    "decoder.embed_positions._float_tensor",
)
"""Entries of published files that hold no weight."""


class Encoder(nn.Module):
    """Source tokens to vectors."""

    def __init__(self, config: TranslatorConfig, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(EncoderLayer(_layers(config, config.encoder)) for _ in range(config.encoder.num_layers))
        self.layer_norm = nn.LayerNorm(config.dim)
        self._dropout = nn.Dropout(config.dropout)
        self._scale = math.sqrt(config.dim)

    def embed(self, tokens: Tensor) -> Tensor:
        """Scaled embeddings without positions: int64 [batch, time] -> float [batch, time, dim]."""
        embedded: Tensor = self.embed_tokens(tokens) * self._scale
        return embedded

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode int64 [batch, time], padded with PAD.

        Returns float [batch, time, dim], meaningless at padding, and its mask: bool [batch, 1, 1, time] with True
        where there is no padding, None when there is none at all.
        """
        x = self._dropout(self.embed(tokens) + self.embed_positions(tokens))
        mask = padding_mask(tokens)
        if mask is not None:
            x = x * mask[:, 0, 0, :, None]
        for layer in self.layers:
            x = layer(x, mask)
        return self.layer_norm(x), mask


class UnitTransformer(nn.Module):
    """The whole network; input embedding, target embedding and output projection are one matrix."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        embed_tokens = nn.Embedding(config.vocabulary.num_rows, config.dim)
        self.encoder = Encoder(config, embed_tokens)
        self.decoder = Decoder(_layers(config, config.decoder), embed_tokens, math.sqrt(config.dim))
        self.share_table()

    def share_table(self) -> None:
        """Make the output projection the embedding's own matrix (again, after tensors were assigned)."""
        self.decoder.embed_tokens = self.encoder.embed_tokens
        self.decoder.output_projection.weight = self.encoder.embed_tokens.weight

    def freeze(self, dtype: torch.dtype, halves: bool = False) -> "UnitTransformer":
        """Make the network ready for inference on the device where it is; it can be trained, moved or stored no more.

        Products in the layers are computed in `dtype`; with bfloat16 those of the decoder's feed-forward in eight bits where that
        is quicker (`suits_eight_bits`). halves: the decoder's layers have weights of float16 (`HalfLinear`). The residual stream
        and the scores, where small differences decide, stay float32.
        """
        self.eval().requires_grad_(False)
        files = MappedFiles()
        for layer in self.modules():
            if isinstance(layer, Layer):
                decodes = isinstance(layer, DecoderLayer)
                layer.freeze(dtype, files, eight_bits=decodes and dtype == torch.bfloat16, halves=decodes and halves)
        pack_linears(self, torch.float32, files)
        return self

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: int64 [batch, source time], int64 [batch, time] -> logits, float [batch, time, row].

        Both are padded with PAD; the target begins with the tag of its language. Logits at padding mean nothing.
        """
        encoded, mask = self.encoder(source)
        logits: Tensor = self.decoder(target, self.decoder.source_keys_values(encoded), mask)
        return logits


def load_transformer(checkpoint: Checkpoint) -> UnitTransformer:
    """Build the network of a checkpoint around the checkpoint's own tensors (float32, not copied).

    Raises CheckpointError when they are not those of the network that the configuration describes.
    """
    config = TranslatorConfig.from_checkpoint(checkpoint)
    with skeleton():
        model = UnitTransformer(config)
    weights = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in _BOOKKEEPING}
    load_strict(model, weights, checkpoint)
    model.share_table()
    return model


def _layers(config: TranslatorConfig, stack: StackConfig) -> LayerConfig:
    """Return what the layers of one side are made of."""
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
) -> list[list[Hypothesis]]:
    """Translate token sequences side by side.

    sources: int64 [S] each, as the encoder reads them. rules: one a source; a target begins with its end tag. Returns
    each source's hypotheses, best first; none where the network gives no finite scores. report: called with the steps done.
    """
    return beam_search.search(model.decoder, encode(model, sources), config, rules, report)


def encode(model: UnitTransformer, sources: Sequence[Ids]) -> Sources:
    """Return what the decoder looks at: of int64 [S] each, as the encoder reads them."""
    device = next(model.parameters()).device
    return join_sources(model.decoder, [model.encoder(torch.from_numpy(source)[None].to(device))[0] for source in sources])
