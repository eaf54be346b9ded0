"""Unit translator, plainly: eager float32, caches grown by concatenation and reordered whole at every step."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD, EOS, OFFSET = 1, 2, 2


def positions(count: int, dim: int) -> Tensor:
    """Sinusoidal rows 2, 3, ... (row 1 is padding): float32 of shape [count, dim]."""
    half = dim // 2
    # half - 1, as in tensor2tensor and fairseq; Vaswani et al. (2017) divide by half.
    scale = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(OFFSET, OFFSET + count)[:, None] * scale
    return torch.cat([angles.sin(), angles.cos()], 1)


class DecoderAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.split(self.k_proj(x)), self.split(self.v_proj(x))

    def forward(self, x: Tensor, keys: tuple[Tensor, Tensor]) -> Tensor:
        q = self.split(self.q_proj(x))
        weights = torch.softmax((q * q.shape[-1] ** -0.5) @ keys[0].transpose(2, 3), -1)
        return self.out_proj((weights @ keys[1]).transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    def __init__(self, dim: int, ffn: int, heads: int, is_decoder: bool) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = DecoderAttention(dim, heads), nn.LayerNorm(dim)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(dim, ffn), nn.Linear(ffn, dim), nn.LayerNorm(dim)
        if is_decoder:
            self.encoder_attn, self.encoder_attn_layer_norm = DecoderAttention(dim, heads), nn.LayerNorm(dim)

    def feed(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class LayerStack(nn.Module):
    def __init__(self, rows: int, dim: int, ffn: int, heads: int, layers: int, is_decoder: bool) -> None:
        super().__init__()
        self.dim = dim
        self.embed_tokens = nn.Embedding(rows, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, ffn, heads, is_decoder) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)
        if is_decoder:
            self.output_projection = nn.Linear(dim, rows, bias=False)

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        table = positions(start + tokens.shape[1], self.dim)[start:]
        return self.embed_tokens(tokens) * math.sqrt(self.dim) + table


class ReferenceTranslator(nn.Module):
    """Encoder, decoder, and a beam search that follows the published rules step by step."""

    def __init__(self, rows: int, model: dict) -> None:
        super().__init__()
        sides = {}
        for side in ("encoder", "decoder"):
            sides[side] = LayerStack(
                rows, model[f"{side}_embed_dim"], model[f"{side}_ffn_embed_dim"], model[f"{side}_attention_heads"],
                model[f"{side}_layers"], side == "decoder",
            )  # fmt: skip
        self.encoder, self.decoder = sides["encoder"], sides["decoder"]

    def encode(self, tokens: Tensor) -> Tensor:
        x = self.encoder.embed(tokens)
        for layer in self.encoder.layers:
            normed = layer.self_attn_layer_norm(x)
            x = layer.feed(x + layer.self_attn(normed, layer.self_attn.keys(normed)))
        return self.encoder.layer_norm(x)

    def step(self, tokens: Tensor, at: int, caches: list, crossed: list) -> Tensor:
        """Tokens of shape [beam, 1] at position `at` to logits [beam, rows]; caches and crossed hold (keys, values) a layer."""
        x = self.decoder.embed(tokens, at)
        for index, layer in enumerate(self.decoder.layers):
            normed = layer.self_attn_layer_norm(x)
            new = layer.self_attn.keys(normed)
            if caches[index] is not None:
                new = tuple(torch.cat([old, add], 2) for old, add in zip(caches[index], new, strict=True))
            caches[index] = new
            x = x + layer.self_attn(normed, new)
            x = x + layer.encoder_attn(layer.encoder_attn_layer_norm(x), crossed[index])
            x = layer.feed(x)

        return self.decoder.output_projection(self.decoder.layer_norm(x))[:, 0]

    @torch.no_grad()
    def translate(self, source: list[int], tag: int, suppressed: list[int], beam: int, limit: int, least: int = 1) -> list[int]:
        """Source rows to the rows of the best hypothesis, end tag included (length penalty 1)."""
        encoded = self.encode(torch.tensor([source])).expand(beam, -1, -1)
        crossed = [layer.encoder_attn.keys(encoded) for layer in self.decoder.layers]
        caches: list = [None] * len(self.decoder.layers)
        tokens = torch.full((beam, 1), tag)
        totals = torch.zeros(beam)
        finished: list[tuple[float, list[int]]] = []

        for s in range(limit + 1):
            scores = torch.log_softmax(self.step(tokens[:, -1:], s, caches, crossed), -1)
            scores[:, [PAD, *suppressed]] = -torch.inf
            if s >= limit:
                scores[:, :tag] = -torch.inf
                scores[:, tag + 1 :] = -torch.inf
            if s < least:
                scores[:, tag] = -torch.inf

            rows = scores.shape[1]
            # In the first step all beams are the same, so one of them has all candidates.
            sums = scores[:1] if s == 0 else scores + totals[:, None]
            # 2 * beam: even if half of them end here, the beam stays full.
            best, flat = sums.flatten().topk(min(2 * beam, sums.numel() - 1))

            chosen = []
            for rank, (score, index) in enumerate(zip(best.tolist(), flat.tolist(), strict=True)):
                row, token = divmod(index, rows)
                if token != tag:
                    chosen.append((row, token, score))
                elif rank < beam and score > -math.inf and len(finished) < beam:
                    finished.append((score / (s + 1), [*tokens[row, 1:].tolist(), tag]))
            if len(finished) >= beam or s == limit:
                break

            chosen = chosen[:beam]
            order = torch.tensor([row for row, _, _ in chosen])
            tokens = torch.cat([tokens[order], torch.tensor([[token] for _, token, _ in chosen])], 1)
            totals = torch.tensor([score for _, _, score in chosen])
            caches = [tuple(part[order] for part in cache) for cache in caches]
        return max(finished, key=lambda pair: pair[0])[1]
