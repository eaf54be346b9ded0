"""Unit encoder, plainly: eager float32, attention written out, the whole clip at once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.PReLU(cout)
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout), nn.PReLU(cout)
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        x = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(x)) + shortcut)


class Trunk(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for stage in range(4):
            cin, cout = width * 2 ** max(0, stage - 1), width * 2**stage
            self.add_module(
                f"layer{stage + 1}", nn.Sequential(ResidualBlock(cin, cout, 1 if stage == 0 else 2), ResidualBlock(cout, cout, 1))
            )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3))


class ResNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.frontend3D = nn.Sequential(
            nn.Conv3d(1, width, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False), nn.BatchNorm3d(width), nn.PReLU(width),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )  # fmt: skip
        self.trunk = Trunk(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.frontend3D(x)
        batch, channels, frames, height, width = x.shape
        return self.trunk(x.transpose(1, 2).reshape(batch * frames, channels, height, width)).view(batch, frames, -1)


class Projection(nn.Module):
    def __init__(self, size: int, dim: int, resnet: nn.Module | None = None) -> None:
        super().__init__()
        if resnet is not None:
            self.resnet = resnet
        self.proj = nn.Linear(size, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.resnet(x) if hasattr(self, "resnet") else x.transpose(1, 2))


class EncoderAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, dim = x.shape
        q, k, v = (proj(x).view(batch, time, self.heads, -1).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(2, 3), -1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(batch, time, dim))


class EncoderLayer(nn.Module):
    def __init__(self, dim: int, ffn: int, heads: int) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = EncoderAttention(dim, heads), nn.LayerNorm(dim)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(dim, ffn), nn.Linear(ffn, dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class TransformerEncoder(nn.Module):
    def __init__(self, dim: int, ffn: int, heads: int, layers: int, kernel: int, groups: int) -> None:
        super().__init__()
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv = nn.Sequential(nn.utils.weight_norm(conv, dim=2))
        self.layers = nn.ModuleList(EncoderLayer(dim, ffn, heads) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        # An even kernel gives one frame too many.
        x = x + F.gelu(self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class ReferenceEncoder(nn.Module):
    """The whole network; `units` gives class ids."""

    def __init__(self, model: dict, width: int, classes: int) -> None:
        super().__init__()
        dim, final = model["encoder_embed_dim"], model["final_dim"]
        self.mask_emb = nn.Parameter(torch.zeros(model["audio_feat_dim"]))
        self.label_embs_concat = nn.Parameter(torch.zeros(classes, final))
        self.feature_extractor_audio = Projection(model["audio_feat_dim"], dim)
        self.feature_extractor_video = Projection(width * 8, dim, ResNet(width))
        self.layer_norm, self.post_extract_proj = nn.LayerNorm(2 * dim), nn.Linear(2 * dim, dim)
        self.encoder = TransformerEncoder(
            dim, model["encoder_ffn_embed_dim"], model["encoder_attention_heads"], model["encoder_layers"],
            model["conv_pos"], model["conv_pos_groups"],
        )  # fmt: skip
        self.final_proj = nn.Linear(dim, 2 * final)

    @torch.no_grad()
    def units(self, audio: Tensor, video: Tensor) -> Tensor:
        """audio [1, 104, T], video [1, 1, T, 88, 88] to class ids [2 T]; only classes that are units may win."""
        fused = torch.cat([self.feature_extractor_audio(audio), self.feature_extractor_video(video)], -1)
        x = self.encoder(self.post_extract_proj(self.layer_norm(fused)))

        heads = self.final_proj(x).chunk(2, -1)
        tables = self.label_embs_concat.chunk(2)
        scores = [F.cosine_similarity(head[0][:, None], table[None], dim=-1) for head, table in zip(heads, tables, strict=True)]

        for score in scores:
            score[:, :4] = -torch.inf
        return torch.stack([score.argmax(-1) for score in scores], -1).flatten()
