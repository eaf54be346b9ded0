"""Reader of lips, plainly: eager float32, attention written out, the whole clip at once, caches reordered whole at every step."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.reference import av2unit, unit2unit

PAD, END = 1, 2


class Lips(nn.Module):
    """AV-HuBERT's features of lips; the half that belongs to sound is zeros."""

    def __init__(self, model: dict, width: int) -> None:
        super().__init__()
        dim = model["encoder_embed_dim"]
        self.feature_extractor_video = av2unit.Projection(width * 8, dim, av2unit.ResNet(width))
        self.layer_norm, self.post_extract_proj = nn.LayerNorm(2 * dim), nn.Linear(2 * dim, dim)
        self.encoder = av2unit.Encoder(
            dim, model["encoder_ffn_embed_dim"], model["encoder_attention_heads"], model["encoder_layers"],
            model["conv_pos"], model["conv_pos_groups"],
        )  # fmt: skip

    def forward(self, video: Tensor) -> Tensor:
        seen = self.feature_extractor_video(video)
        return self.encoder(self.post_extract_proj(self.layer_norm(torch.cat([torch.zeros_like(seen), seen], -1))))


class PostNormLayer(nn.Module):
    def __init__(self, dim: int, ffn: int, heads: int) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = av2unit.Attention(dim, heads), nn.LayerNorm(dim)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(dim, ffn), nn.Linear(ffn, dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attn(x))
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))


class PostNormEncoder(nn.Module):
    def __init__(self, dim: int, ffn: int, heads: int, layers: int, kernel: int, groups: int) -> None:
        super().__init__()
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv = nn.Sequential(nn.utils.weight_norm(conv, dim=2))
        self.layer_norm = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(PostNormLayer(dim, ffn, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x + F.gelu(self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class DecoderLayer(unit2unit.Layer):
    def feed(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.relu(self.fc1(self.final_layer_norm(x))))


class Decoder(nn.Module):
    def __init__(self, rows: int, model: dict) -> None:
        super().__init__()
        dim, ffn, heads = model["decoder_embed_dim"], model["decoder_ffn_embed_dim"], model["decoder_attention_heads"]
        self.dim, self.embed_tokens = dim, nn.Embedding(rows, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, ffn, heads, True) for _ in range(model["decoder_layers"]))
        self.layer_norm = nn.LayerNorm(dim)

    def step(self, tokens: Tensor, at: int, caches: list, crossed: list) -> Tensor:
        """Tokens of shape [beam, 1] at position `at` to logits [beam, rows]; caches and crossed hold (keys, values) a layer."""
        x = self.embed_tokens(tokens) + unit2unit.positions(at + 1, self.dim)[at:]
        for index, layer in enumerate(self.layers):
            normed = layer.self_attn_layer_norm(x)
            new = layer.self_attn.keys(normed)
            if caches[index] is not None:
                new = tuple(torch.cat([old, add], 2) for old, add in zip(caches[index], new, strict=True))
            caches[index] = new
            x = x + layer.self_attn(normed, new)
            x = x + layer.encoder_attn(layer.encoder_attn_layer_norm(x), crossed[index])
            x = layer.feed(x)
        return F.linear(self.layer_norm(x), self.embed_tokens.weight)[:, 0]


class _Inside(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.w2v_model = inner


class ReferenceReader(nn.Module):
    """The whole network, and a beam search that follows the published rules: scores are plain sums."""

    def __init__(self, lips: dict, text: dict, rows: int, width: int, unit_encoder: dict) -> None:
        """lips, text: the settings of AV-HuBERT and of the decoder. unit_encoder: sizes of the post-norm encoder."""
        super().__init__()
        dim = lips["encoder_embed_dim"]
        self.encoder, self.unit_encoder = _Inside(Lips(lips, width)), _Inside(PostNormEncoder(dim, **unit_encoder))
        self.language_embedding, self.decoder = nn.Embedding(5, dim), Decoder(rows, text)
        self.ctc_proj = nn.Linear(dim, rows)

    @torch.no_grad()
    def read(self, video: Tensor, language: int, start: int, beam: int, limit_a: float) -> list[int]:
        """Pictures float32 [1, 1, time, height, width] to the rows of the best text, and CTC's scores, which times come from."""
        encoded = self.encoder.w2v_model(video) + self.language_embedding.weight[language]
        encoded = self.unit_encoder.w2v_model(encoded)
        torch.log_softmax(self.ctc_proj(encoded), -1)
        return self.search(encoded.expand(beam, -1, -1), start, beam, int(limit_a * encoded.shape[1]))

    def search(self, encoded: Tensor, start: int, beam: int, limit: int) -> list[int]:
        crossed = [layer.encoder_attn.keys(encoded) for layer in self.decoder.layers]
        caches: list = [None] * len(self.decoder.layers)
        tokens, totals = torch.full((beam, 1), start), torch.zeros(beam)
        finished: list[tuple[float, list[int]]] = []
        for s in range(limit + 1):
            scores = torch.log_softmax(self.decoder.step(tokens[:, -1:], s, caches, crossed), -1)
            scores[:, PAD] = -torch.inf
            if s < 1:
                scores[:, END] = -torch.inf
            if s >= limit:
                scores[:, :END] = -torch.inf
                scores[:, END + 1 :] = -torch.inf
            rows = scores.shape[1]
            sums = scores[:1] if s == 0 else scores + totals[:, None]
            best, flat = sums.flatten().topk(min(2 * beam, sums.numel() - 1))
            chosen = []
            for rank, (score, index) in enumerate(zip(best.tolist(), flat.tolist(), strict=True)):
                row, token = divmod(index, rows)
                if token != END:
                    chosen.append((row, token, score))
                elif rank < beam and score > -math.inf and len(finished) < beam:
                    finished.append((score, tokens[row, 1:].tolist()))
            if len(finished) >= beam or s == limit:
                break
            chosen = chosen[:beam]
            order = torch.tensor([row for row, _, _ in chosen])
            tokens = torch.cat([tokens[order], torch.tensor([[token] for _, token, _ in chosen])], 1)
            totals = torch.tensor([score for _, _, score in chosen])
            caches = [tuple(part[order] for part in cache) for cache in caches]
        return max(finished, key=lambda pair: pair[0])[1]
