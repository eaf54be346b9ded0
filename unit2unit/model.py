"""The unit translator's network: a pre-norm BART (Lewis et al., 2020) as multilingual unit BART uses it.

Module names are those of the published state dict, so that its tensors load under their own names.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import Checkpoint, load_strict
from avcore.checkpoints.skeleton import skeleton
from avcore.compute.memory import MappedFiles
from avcore.compute.packed_linear import fuse_gelu, pack_linears
from unit2unit.attention import Attention, KeysValues, Positions
from unit2unit.config import StackConfig, TranslatorConfig
from unit2unit.vocabulary import PAD

Extend = Callable[[int, KeysValues], KeysValues]
"""Given a decoder layer's number and its new keys and values, returns all that self-attention looks at."""

_BOOKKEEPING = (
    "encoder.version",
    "decoder.version",
    "encoder.embed_positions._float_tensor",
    "decoder.embed_positions._float_tensor",
)
"""Entries of published files that hold no weight."""


class Layer(nn.Module):
    """What both kinds of layers have: self-attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: TranslatorConfig, stack: StackConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, stack.num_heads, config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.fc1 = nn.Linear(config.dim, stack.ffn_dim)
        self.fc2 = nn.Linear(stack.ffn_dim, config.dim)
        self.final_layer_norm = nn.LayerNorm(config.dim)
        self._activation: nn.Module = nn.GELU()
        self._dropout = nn.Dropout(config.dropout)
        self._activation_dropout = nn.Dropout(config.activation_dropout)
        self._product_dtype: torch.dtype | None = None

    def freeze(self, dtype: torch.dtype, files: MappedFiles) -> None:
        """Compute products in `dtype`, from now on for inference only; the residual stream keeps its own type."""
        pack_linears(self, dtype, files)
        self._activation = fuse_gelu(self.fc1, self._activation)
        self._product_dtype = dtype

    def for_products(self, x: Tensor) -> Tensor:
        """Bring x to the type that products are computed in, once for all of them."""
        return x if self._product_dtype is None else x.to(self._product_dtype)

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self._activation_dropout(self._activation(self.fc1(self.for_products(self.final_layer_norm(x)))))
        out: Tensor = x + self._dropout(self.fc2(hidden))
        return out


class EncoderLayer(Layer):
    """A layer that looks both ways."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Float [batch, time, dim] -> the same; mask: bool [batch, 1, 1, time], True = no padding."""
        normed = self.for_products(self.self_attn_layer_norm(x))
        x = x + self._dropout(self.self_attn(normed, self.self_attn.keys_values(normed), mask))
        return self._feed_forward(x)


class DecoderLayer(Layer):
    """A layer that looks back, and at the source."""

    def __init__(self, config: TranslatorConfig, stack: StackConfig) -> None:
        super().__init__(config, stack)
        self.encoder_attn = Attention(config.dim, stack.num_heads, config.attention_dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.dim)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        source: KeysValues,
        source_mask: Tensor | None,
        extend: Callable[[KeysValues], KeysValues],
    ) -> Tensor:
        """Float [batch, time, dim] -> the same; without a mask, self-attention is causal."""
        normed = self.for_products(self.self_attn_layer_norm(x))
        seen = extend(self.self_attn.keys_values(normed))
        x = x + self._dropout(self.self_attn(normed, seen, mask, is_causal=mask is None))
        normed = self.for_products(self.encoder_attn_layer_norm(x))
        x = x + self._dropout(self.encoder_attn(normed, source, source_mask))
        return self._feed_forward(x)


class Encoder(nn.Module):
    """Source tokens to vectors."""

    def __init__(self, config: TranslatorConfig, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(EncoderLayer(config, config.encoder) for _ in range(config.encoder.num_layers))
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


class Decoder(nn.Module):
    """Vectors of the source and tokens so far to scores of the next token."""

    def __init__(self, config: TranslatorConfig, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(DecoderLayer(config, config.decoder) for _ in range(config.decoder.num_layers))
        self.layer_norm = nn.LayerNorm(config.dim)
        self.output_projection = nn.Linear(config.dim, config.vocabulary.num_rows, bias=False)
        self._dropout = nn.Dropout(config.dropout)
        self._scale = math.sqrt(config.dim)

    def source_keys_values(self, encoded: Tensor) -> list[KeysValues]:
        """What each layer looks at in the source; made once a sentence. encoded: float [batch, time, dim].

        It is contiguous, since a product would otherwise copy it at every step.
        """
        layers = cast(Iterable[DecoderLayer], self.layers)
        seen = (layer.encoder_attn.keys_values(layer.for_products(encoded)) for layer in layers)
        return [KeysValues(keys.contiguous(), values.contiguous()) for keys, values in seen]

    def forward(self, tokens: Tensor, source: Sequence[KeysValues], source_mask: Tensor | None = None) -> Tensor:
        """Score every next token (teacher forcing).

        tokens: int64 [batch, time], the start tag first, padded with PAD. source: of `source_keys_values`.
        Returns logits, float [batch, time, row].
        """
        x = self.embed_tokens(tokens) * self._scale + self.embed_positions(tokens)
        return self._run(x, causal_mask(tokens), source, source_mask, _only_new)

    def step(
        self,
        tokens: Tensor,
        index: int,
        mask: Tensor,
        source: Sequence[KeysValues],
        source_mask: Tensor | None,
        extend: Extend,
    ) -> Tensor:
        """Score the token after `tokens`, the beams of a sentence being queries to one pool of keys.

        tokens: int64 [sentence, beam], all at position `index`. mask: float [sentence, 1, beam, entry], added to the
        scores of self-attention over what `extend` returns. Returns logits, float [sentence, beam, row].
        """
        x = self.embed_tokens(tokens) * self._scale + self.embed_positions.at(index, tokens.device)
        return self._run(x, mask, source, source_mask, extend)

    def _run(
        self, x: Tensor, mask: Tensor | None, source: Sequence[KeysValues], source_mask: Tensor | None, extend: Extend
    ) -> Tensor:
        x = self._dropout(x)
        for number, layer in enumerate(self.layers):
            x = layer(x, mask, source[number], source_mask, partial(extend, number))
        logits: Tensor = self.output_projection(self.layer_norm(x))
        return logits


class UnitTransformer(nn.Module):
    """The whole network; input embedding, target embedding and output projection are one matrix."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        embed_tokens = nn.Embedding(config.vocabulary.num_rows, config.dim)
        self.encoder = Encoder(config, embed_tokens)
        self.decoder = Decoder(config, embed_tokens)
        self.share_table()

    def share_table(self) -> None:
        """Make the output projection the embedding's own matrix (again, after tensors were assigned)."""
        self.decoder.embed_tokens = self.encoder.embed_tokens
        self.decoder.output_projection.weight = self.encoder.embed_tokens.weight

    def freeze(self, dtype: torch.dtype) -> "UnitTransformer":
        """Make the network ready for inference on the device where it is; it can be trained, moved or stored no more.

        Products in the layers are computed in `dtype`. The residual stream and the scores, where small differences decide,
        stay float32.
        """
        self.eval().requires_grad_(False)
        files = MappedFiles()
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer.freeze(dtype, files)
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


def padding_mask(tokens: Tensor) -> Tensor | None:
    """Bool [batch, 1, 1, time] with True where int64 [batch, time] holds no padding; None when it holds none."""
    is_token = tokens != PAD
    return None if bool(is_token.all()) else is_token[:, None, None, :]


def causal_mask(tokens: Tensor) -> Tensor | None:
    """Bool [batch, 1, time, time]: True where a token may look; None without padding, when being causal says it all.

    A token always sees itself, so that padding at the start of a row does not make NaN.
    """
    is_token = padding_mask(tokens)
    if is_token is None:
        return None
    length = tokens.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    return before & (is_token | torch.eye(length, dtype=torch.bool, device=tokens.device))


def _only_new(layer: int, new: KeysValues) -> KeysValues:
    """Self-attention without a past (see `Extend`)."""
    return new
