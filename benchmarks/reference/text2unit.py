"""Speller with durations, plainly: eager float32, attention written out, a sentence at once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.inputs(self.norm(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(2, 3), -1)
        return self.output((weights @ v).transpose(1, 2).reshape(batch, time, width))


class Layer(nn.Module):
    def __init__(self, width: int, kernel: int, heads: int) -> None:
        super().__init__()
        if heads:
            self.attention = Attention(width, heads)
        self.norm, self.convolution = nn.LayerNorm(width), nn.Conv1d(width, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "attention"):
            x = x + self.attention(x)
        return x + F.gelu(self.convolution(self.norm(x).transpose(1, 2)).transpose(1, 2))


class Stack(nn.Module):
    def __init__(self, model: dict, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(model["width"], model["kernel"], model["heads"]) for _ in range(layers))
        self.norm = nn.LayerNorm(model["width"])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class ReferenceSpeller(nn.Module):
    def __init__(self, model: dict) -> None:
        super().__init__()
        width = model["width"]
        self.letters = nn.Embedding(1 + len(model["symbols"]), width)
        self.encoder, self.decoder = Stack(model, model["layers"]), Stack(model, model["decoder_layers"])
        self.duration_layers, self.duration = Stack(model, 2), nn.Linear(width, 1)
        self.facts, self.classes = nn.Linear(2, width), nn.Linear(width, model["num_units"])

    @torch.no_grad()
    def say(self, letters: Tensor) -> Tensor:
        """Letters int64 [J] of one sentence to a unit for each 20 ms, int64 [T]."""
        states = self.encoder(self.letters(letters[None]))
        log_steps = self.duration(self.duration_layers(states))[0, :, 0]
        steps = torch.round(torch.expm1(log_steps)).clamp(1, 250).long()
        owner = torch.arange(len(steps)).repeat_interleave(steps)
        begin = (steps.cumsum(0) - steps)[owner]
        place = (torch.arange(len(owner)) - begin + 0.5) / steps[owner]
        facts = self.facts(torch.stack([place, steps[owner].log1p()], -1))
        return self.classes(self.decoder(states[:, owner] + facts)).argmax(-1)[0]
