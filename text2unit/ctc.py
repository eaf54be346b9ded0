"""The small speller: connectionist temporal classification (CTC) over some places for each letter."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from text2unit.config import SpellerConfig
from text2unit.jamo import ALPHABETS, PADDING
from text2unit.layers import Stack, mask_of


class CtcPath(NamedTuple):
    """Units of a sentence: ids int64 [U], durations int64 [U] in steps of 20 ms or None, score: mean log-probability."""

    ids: Tensor
    durations: Tensor | None
    score: float


class CtcSpeller(nn.Module):
    """Letters to log-probabilities of each unit, or none, at each of their places."""

    def __init__(self, config: SpellerConfig) -> None:
        super().__init__()
        self.config = config
        self.letters = nn.Embedding(1 + len(ALPHABETS[config.alphabet]), config.width, padding_idx=PADDING)
        self.encoder = Stack(config, config.layers)
        self.places = nn.Linear(config.width, config.width * config.places)
        self.decoder = Stack(config, config.decoder_layers)
        self.classes = nn.Linear(config.width, config.num_units + 1)

    @property
    def blank(self) -> int:
        """The class of a place without a unit."""
        return self.config.num_units

    def forward(self, letters: Tensor, lengths: Tensor) -> Tensor:
        """Log-probabilities float32 [batch, J * places, units + 1] of letters int64 [batch, J] and lengths int64 [batch]."""
        batch, longest = letters.shape
        states = self.encoder(self.letters(letters), mask_of(lengths, longest))
        spread = self.places(states).view(batch, longest * self.config.places, self.config.width)
        mask = mask_of(lengths * self.config.places, longest * self.config.places)
        return torch.log_softmax(self.classes(self.decoder(spread, mask)).float(), dim=-1)

    @torch.inference_mode()
    def say(self, letters: Tensor) -> CtcPath:
        """Return the units of one sentence, int64 letters of shape [J]: the best class of each place, merged, without blanks."""
        log_probs = self(letters[None], torch.tensor([len(letters)], device=letters.device))[0]
        return greedy_path(log_probs, self.blank)


def greedy_path(log_probs: Tensor, blank: int) -> CtcPath:
    """Return the most probable path through float32 of shape [places, classes], its repeats merged and its blanks dropped."""
    scores, best = log_probs.max(dim=-1)
    merged = torch.unique_consecutive(best.cpu())  # on the host, since a device would be waited for at each size that data decide
    return CtcPath(merged[merged != blank], None, float(scores.mean()))
