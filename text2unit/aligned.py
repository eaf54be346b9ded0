"""The speller for many units: letters with durations, every step of 20 ms with its unit, and an alignment learnt on the way.

Text and units by frames are enough, no teacher: which steps belong to which letter is found by monotonic alignment search over
distances of both sides (Badlani et al. 2021, "One TTS alignment to rule them all"; Lim et al. 2022, "JETS").
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2unit.config import SpellerConfig
from text2unit.ctc import CtcPath
from text2unit.jamo import ALPHABETS, PADDING
from text2unit.layers import Stack, mask_of
from text2unit.monotonic import durations_of

_LONGEST_LETTER = 250
"""Steps of 20 ms that one letter is given at most: no training speech holds one for five seconds."""
_NEVER = -1e4
"""Log-probability of padding; with minus infinity its gradient would be no number."""
_FACTS = 2
"""Known of a step beside its letter: where in the letter it lies, and how long that is."""


class Training(NamedTuple):
    """What a training step learns from.

    classes: float32 [batch, T, units], of each step. log_durations: float32 [batch, J], predicted; durations: int64 [batch, J],
    found. alignment: float32 [batch, T, J], log-probabilities of letters for each step, before the prior.
    """

    classes: Tensor
    log_durations: Tensor
    durations: Tensor
    alignment: Tensor


class Aligner(nn.Module):
    """How near each letter is to each step: the part that only training needs."""

    def __init__(self, config: SpellerConfig) -> None:
        super().__init__()
        self.units = nn.Embedding(config.num_units, config.width)
        self.of_units = nn.Sequential(
            nn.Conv1d(config.width, config.width, 3, padding=1), nn.GELU(), nn.Conv1d(config.width, config.width, 3, padding=1)
        )
        self.of_letters = nn.Sequential(
            nn.Conv1d(config.width, config.width, 3, padding=1), nn.GELU(), nn.Conv1d(config.width, config.width, 1)
        )

    def forward(self, letters: Tensor, frames: Tensor, letter_mask: Tensor, prior: Tensor) -> Tensor:
        """Log-probabilities float32 [batch, T, J].

        letters: states [batch, J, width]; frames: int64 [batch, T]; letter_mask: bool [batch, J]; prior: float32 [batch, T, J],
        log-probabilities of places along a straight line.
        """
        keys = self.of_letters(letters.transpose(1, 2)).transpose(1, 2).float()
        queries = self.of_units(self.units(frames).transpose(1, 2)).transpose(1, 2).float()
        near = -torch.cdist(queries, keys)
        near = near.masked_fill(~letter_mask[:, None, :], _NEVER)
        return torch.log_softmax(near, dim=-1) + prior


class AlignedSpeller(nn.Module):
    """Letters to durations, and to a unit every 20 ms."""

    def __init__(self, config: SpellerConfig, with_aligner: bool = False) -> None:
        """with_aligner: as training needs it; a checkpoint has none."""
        super().__init__()
        self.config = config
        self.letters = nn.Embedding(1 + len(ALPHABETS[config.alphabet]), config.width, padding_idx=PADDING)
        self.encoder = Stack(config, config.layers)
        self.duration_layers = Stack(config, 2)
        self.duration = nn.Linear(config.width, 1)
        self.facts = nn.Linear(_FACTS, config.width)
        self.decoder = Stack(config, config.decoder_layers)
        self.classes = nn.Linear(config.width, config.num_units)
        self.aligner = Aligner(config) if with_aligner else None

    def forward(self, letters: Tensor, lengths: Tensor, frames: Tensor, num_frames: Tensor, prior: Tensor) -> Training:
        """letters: int64 [batch, J], their lengths int64 [batch]; frames: int64 [batch, T], num_frames: int64 [batch].

        prior: see Aligner.
        """
        assert self.aligner is not None
        mask = mask_of(lengths, letters.shape[1])
        states = self.encoder(self.letters(letters), mask)
        alignment = self.aligner(states, frames, mask, prior)
        durations = durations_of(alignment.detach(), num_frames, lengths)
        log_durations = self._log_durations(states.detach(), mask)
        classes = self._classes(states, durations, frames.shape[1])
        return Training(classes, log_durations, durations, alignment)

    @torch.inference_mode()
    def say(self, letters: Tensor) -> CtcPath:
        """Units with durations, int64 of shape [U] both, of one sentence, int64 letters of shape [J]."""
        mask = torch.ones(1, len(letters), dtype=torch.bool, device=letters.device)
        states = self.encoder(self.letters(letters[None]), mask)
        durations = steps_of(self._log_durations(states, mask))
        classes = torch.log_softmax(self._classes(states, durations, int(durations.sum())).float(), dim=-1)
        scores, best = classes[0].max(dim=-1)
        ids, counts = torch.unique_consecutive(best.cpu(), return_counts=True)  # see `greedy_path`
        return CtcPath(ids, counts, float(scores.mean()))

    def _log_durations(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.duration(self.duration_layers(states, mask)).squeeze(-1).float() * mask  # type: ignore[no-any-return]

    def _classes(self, states: Tensor, durations: Tensor, longest: int) -> Tensor:
        """Classes of each step [batch, longest, units] of letters that last int64 [batch, J] steps."""
        ends = durations.cumsum(1)
        steps = torch.arange(longest, device=durations.device).expand(len(durations), -1).contiguous()
        owner = torch.searchsorted(ends, steps, right=True).clamp(max=durations.shape[1] - 1)
        length = durations.gather(1, owner)
        place = (steps - (ends - durations).gather(1, owner) + 0.5) / length.clamp(min=1)
        facts = self.facts(torch.stack([place, length.log1p()], dim=-1).to(states.dtype))
        spread = states.gather(1, owner[..., None].expand(-1, -1, states.shape[2])) + facts
        return self.classes(self.decoder(spread, mask_of(ends[:, -1], longest)))  # type: ignore[no-any-return]


def steps_of(log_durations: Tensor) -> Tensor:
    """Whole steps of 20 ms, at least 1 a letter, of log(1 + steps): float32 [batch, J] to int64 [batch, J]."""
    return torch.round(torch.expm1(log_durations)).clamp(1, _LONGEST_LETTER).long()


def aligned_duration_loss(log_durations: Tensor, durations: Tensor, lengths: Tensor) -> Tensor:
    """Mean squared error of log(1 + steps) over letters that are there, of shape [].

    log_durations: float32 [batch, J]; durations: int64 [batch, J], in steps of 20 ms; lengths: int64 [batch].
    """
    mask = mask_of(lengths, durations.shape[1])
    return F.mse_loss(log_durations[mask], durations[mask].float().log1p())
