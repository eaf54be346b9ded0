"""Vocoder and lip renderer, plainly: eager float32, norms as they stand, the whole clip in one batch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RATES = (5, 4, 4, 2, 2)
DILATIONS = (1, 3, 5)


def normed(conv: nn.Module) -> nn.Module:
    return nn.utils.weight_norm(conv)


class Residual(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        pads = [(kernel * d - d) // 2 for d in DILATIONS]
        self.convs1 = nn.ModuleList(
            normed(nn.Conv1d(channels, channels, kernel, 1, p, d)) for d, p in zip(DILATIONS, pads, strict=True)
        )
        self.convs2 = nn.ModuleList(normed(nn.Conv1d(channels, channels, kernel, 1, (kernel - 1) // 2)) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, 0.1)), 0.1))
        return x


class ReferenceVocoder(nn.Module):
    """Units with durations and a voice to a waveform; sizes from the tensors."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        width = tensors["conv_pre.weight_v"].shape[0]
        kernels = [tensors[f"ups.{i}.weight_v"].shape[2] for i in range(len(RATES))]
        sizes = [tensors[f"resblocks.{i}.convs1.0.weight_v"].shape[2] for i in range(3)]

        self.dict = nn.Embedding(*tensors["dict.weight"].shape)
        self.spkr = nn.Linear(*tensors["spkr.weight"].shape[::-1])
        self.conv_pre = normed(nn.Conv1d(tensors["conv_pre.weight_v"].shape[1], width, 7, 1, 3))
        self.ups = nn.ModuleList(
            normed(nn.ConvTranspose1d(width >> i, width >> (i + 1), k, r, (k - r) // 2))
            for i, (k, r) in enumerate(zip(kernels, RATES, strict=True))
        )
        self.resblocks = nn.ModuleList(Residual(width >> (i + 1), k) for i in range(len(RATES)) for k in sizes)
        self.conv_post = normed(nn.Conv1d(width >> len(RATES), 1, 7, 1, 3))

        own = {name: tensor for name, tensor in tensors.items() if not name.startswith("dur_predictor")}
        self.load_state_dict(own)
        for module in self.modules():
            if hasattr(module, "weight_g"):
                nn.utils.remove_weight_norm(module)

    @torch.no_grad()
    def forward(self, frames: Tensor, voice: Tensor) -> Tensor:
        """frames int64 of shape [T] (table rows), voice float32 [speaker] to sound float32 [320 T] in -1..1."""
        units = self.dict(frames).T[None]
        x = self.conv_pre(torch.cat([units, self.spkr(voice)[None, :, None].expand(-1, -1, len(frames))], 1))
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, 0.1))
            x = sum(block(x) for block in self.resblocks[3 * i : 3 * i + 3]) / 3
        return torch.tanh(self.conv_post(F.leaky_relu(x)))[0, 0]


class Conv(nn.Module):
    def __init__(self, weight: Tensor, stride: int, pad: int, residual: bool = False) -> None:
        super().__init__()
        cout, cin, kernel, _ = weight.shape
        self.conv_block = nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, pad), nn.BatchNorm2d(cout))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_block(x)
        return F.relu(out + x if self.residual else out)


class Transposed(nn.Module):
    def __init__(self, weight: Tensor, stride: int, pad: int, out_pad: int) -> None:
        super().__init__()
        cin, cout, kernel, _ = weight.shape
        self.conv_block = nn.Sequential(nn.ConvTranspose2d(cin, cout, kernel, stride, pad, out_pad), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_block(x))


class ReferenceFace(nn.Module):
    """Units and faces to faces: [W, 20] int64 and [10 W, 6, 96, 96] to [10 W, 3, 96, 96]."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()

        def weight(side: str, block: int, index: int) -> Tensor:
            return tensors[f"face_{side}_blocks.{block}.{index}.conv_block.0.weight"]

        def count(side: str, block: int) -> int:
            return sum(f"face_{side}_blocks.{block}.{j}.conv_block.0.weight" in tensors for j in range(9))

        def encoder(block: int, index: int) -> Conv:
            kernel = weight("encoder", block, index)
            if block == 0:
                return Conv(kernel, 1, 3)
            if block == 6:
                return Conv(kernel, 1, 0)
            return Conv(kernel, 1 if index else 2, 1, residual=index > 0)

        def decoder(block: int, index: int) -> nn.Module:
            kernel = weight("decoder", block, index)
            if block == 0:
                return Conv(kernel, 1, 0)
            if index:
                return Conv(kernel, 1, 1, residual=True)
            return Transposed(kernel, *((1, 0, 0) if block == 1 else (2, 1, 1)))

        self.face_encoder_blocks = nn.ModuleList(
            nn.Sequential(*(encoder(b, j) for j in range(count("encoder", b)))) for b in range(7)
        )
        self.face_decoder_blocks = nn.ModuleList(
            nn.Sequential(*(decoder(b, j) for j in range(count("decoder", b)))) for b in range(7)
        )

        last = tensors["output_block.1.weight"].shape
        self.output_block = nn.Sequential(Conv(tensors["output_block.0.conv_block.0.weight"], 1, 1), nn.Conv2d(last[1], 3, 1))
        units, dim = tensors["unit_embed.weight"].shape
        self.unit_embed = nn.Embedding(units, dim)
        self.unit2lip = nn.TransformerEncoderLayer(dim, 1, tensors["unit2lip.linear1.weight"].shape[0], 0.0)
        self.load_state_dict(tensors)

    @torch.no_grad()
    def forward(self, windows: Tensor, faces: Tensor) -> Tensor:
        embedded = self.unit_embed(windows).unflatten(1, (10, 2)).mean(2)
        x = self.unit2lip(embedded.transpose(0, 1)).transpose(0, 1).reshape(len(faces), -1, 1, 1)

        skips = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            skips.append(faces)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), skips.pop()], 1)
        return torch.sigmoid(self.output_block(x))
