"""The networks of a text-to-unit model, its sizes, and the letters that it reads.

The small network uses connectionist temporal classification (CTC) over a few places for each letter. The one for many units
predicts durations of letters, then the unit of each step of 20 ms. It learns the alignment itself: text and units by frames are
enough, without a teacher. Monotonic alignment search over the distances of letters and units finds the steps of each letter
(Badlani et al. 2021, "One TTS alignment to rule them all"; Lim et al. 2022, "JETS").

Letters are Hangul taken apart (NFD jamo) or Latin letters, a blank, and the marks that the normaliser leaves.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.arrays import Floats
from avcore.bounds import Number, Share, Size
from avcore.checkpoints.layouts import read_setting
from avcore.errors import CheckpointError
from avcore.units import Ids
from text2unit.normalise import MARKS

PADDING = 0
_INITIALS = range(0x1100, 0x1113)
_VOWELS = range(0x1161, 0x1176)
_FINALS = range(0x11A8, 0x11C3)
SYMBOLS = (" ", *MARKS, *map(chr, (*_INITIALS, *_VOWELS, *_FINALS)))
"""Letters of Korean. The letter with number n + 1 is at index n; number 0 is padding."""
ALPHABETS = {"ko": SYMBOLS, "en": (" ", *MARKS, "'", *map(chr, range(ord("a"), ord("z") + 1)))}
"""Letters by language."""
_NUMBERS = {name: {symbol: number for number, symbol in enumerate(symbols, 1)} for name, symbols in ALPHABETS.items()}


def letters_of(spoken: str, alphabet: str = "ko") -> Ids:
    """Return the numbers of the letters of normalised text, int64 [J]. Raises ValueError for any other sign."""
    apart = unicodedata.normalize("NFD", spoken)
    try:
        return np.array([_NUMBERS[alphabet][sign] for sign in apart], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is no letter of normalised text") from error


CTC, ALIGNED = "ctc", "aligned"
NETWORKS = (CTC, ALIGNED)
_OWNER = "the text-to-unit model"
_MOST = {"num_units": 1 << 20, "width": 1 << 14, "kernel": 255, "layers": 100, "decoder_layers": 100, "places": 32, "heads": 256}


@dataclass(frozen=True)
class TextToUnitConfig:
    """Sizes of a text-to-unit model's network.

    network: `ctc`: each letter has `places`, each of which holds a unit or none (CTC); small, units without durations, for units
    that are nearly phones. `aligned`: letters get durations, and every step of 20 ms its unit; for units by the hundred, such as
    1,000 k-means classes.
    num_units: names 0..num_units - 1. width: channels; kernel: of the convolutions, odd. layers: before the places or durations;
    decoder_layers: behind. heads: of self-attention in each layer, 0 = convolutions only. dropout: in training.
    alphabet: the language whose letters are read, `data.language` of a run. pronounced: Korean text is written as it is pronounced
    first (`text2unit.korean.pronunciation`), so that words that were never met are said by the rules.
    """

    network: str = CTC
    num_units: Number = 1000
    width: Size = 192
    kernel: Size = 5
    layers: Size = 2
    decoder_layers: Size = 2
    places: Size = 2
    heads: Number = 0
    dropout: Share = 0.1
    pronounced: bool = False
    alphabet: str = "ko"

    def misfit(self) -> str:
        """Return what is wrong with the sizes, "" for nothing."""
        if self.network not in NETWORKS:
            return f"network is {self.network}, not {' or '.join(NETWORKS)}"
        if min(self.num_units, self.width, self.kernel, self.layers, self.decoder_layers, self.places) < 1 or self.heads < 0:
            return "sizes must be 1 or more"
        if self.alphabet not in ALPHABETS:
            return f"alphabet is {self.alphabet}, not {' or '.join(ALPHABETS)}"
        if self.pronounced and self.alphabet != "ko":
            return "pronounced is for Korean"
        if self.kernel % 2 == 0:
            return f"kernel {self.kernel} is even"
        if self.heads and self.width % self.heads:
            return f"width {self.width} is no multiple of heads {self.heads}"

        return "" if 0 <= self.dropout < 1 else f"dropout is {self.dropout:g}"

    def to_config(self) -> dict[str, Any]:
        """Return what a checkpoint's configuration holds under `model`, with the letters that the rows of the table stand for."""
        return asdict(self) | {"symbols": "".join(ALPHABETS[self.alphabet])}


def read_text_to_unit_config(config: Mapping[str, Any], path: Path) -> TextToUnitConfig:
    """Read the sizes from a checkpoint's configuration. Raises CheckpointError naming what cannot be used."""
    stored = config.get("model")
    if not isinstance(stored, Mapping):
        raise CheckpointError("the configuration of a text-to-unit model is incomplete", path=path, expected="model")
    alphabet = next((name for name, symbols in ALPHABETS.items() if stored.get("symbols") == "".join(symbols)), None)
    if alphabet is None:
        raise CheckpointError(
            "the text-to-unit model reads other letters than these", path=path, expected=f"those of {' or '.join(ALPHABETS)}"
        )

    plain = TextToUnitConfig()
    sizes = {name: read_setting(stored, name, getattr(plain, name), _OWNER, path, (0, most)) for name, most in _MOST.items()}
    dropout = read_setting(stored, "dropout", plain.dropout, _OWNER, path)

    pronounced = stored.get("pronounced", plain.pronounced)  # checkpoints of before it was there read what is written
    if not isinstance(pronounced, bool):
        raise CheckpointError('"pronounced" of the text-to-unit model is true or false', path=path, found=pronounced)
    read = TextToUnitConfig(network=str(stored.get("network")), dropout=dropout, pronounced=pronounced, alphabet=alphabet, **sizes)
    if misfit := read.misfit():
        raise CheckpointError("the text-to-unit model's sizes cannot be used", path=path, found=misfit)

    return read


def mask_of(lengths: Tensor, longest: int) -> Tensor:
    """Return which places belong to sequences of int64 lengths of shape [batch]: bool of shape [batch, longest]."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


class SelfAttention(nn.Module):
    """Self-attention behind a norm, without positions: the convolutions beside it give them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the residual of states [batch, time, width]. mask: bool [batch, time]."""
        batch, time, width = states.shape
        parts = self.inputs(self.norm(states)).view(batch, time, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None, :], dropout)
        return self.output(seen.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]


class TextLayer(nn.Module):
    """A convolution over time, with self-attention before it if there are heads; both are residual."""

    def __init__(self, config: TextToUnitConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads, config.dropout) if config.heads else None
        self.norm = nn.LayerNorm(config.width)
        self.convolution = nn.Conv1d(config.width, config.width, config.kernel, padding=config.kernel // 2)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: [batch, time, width]; mask: bool [batch, time]. Padding stays out of the convolution."""
        if self.attention is not None:
            states = states + self.dropout(self.attention(states, mask))
        mixed = self.convolution((self.norm(states) * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        return states + self.dropout(F.gelu(mixed))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """Layers and a norm behind them."""

    def __init__(self, config: TextToUnitConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TextLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: [batch, time, width]; mask: bool [batch, time]. Returns the same shape, zero in the padding."""
        for layer in self.layers:
            states = layer(states, mask)
        return self.norm(states) * mask[..., None]  # type: ignore[no-any-return]


class CtcPath(NamedTuple):
    """Units of a sentence."""

    ids: Tensor
    """int64 [U]"""
    durations: Tensor | None
    """int64 [U] in steps of 20 ms; None: the network gives none"""
    score: float
    """mean log-probability"""


class CtcTextToUnit(nn.Module):
    """Letters to log-probabilities of each unit, or none, at each of their places."""

    def __init__(self, config: TextToUnitConfig) -> None:
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
        """Return log-probabilities float32 [batch, J * places, units + 1] of letters int64 [batch, J]; lengths: int64 [batch]."""
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
    merged = torch.unique_consecutive(best.cpu())  # on the CPU: a GPU would wait at each result whose size depends on the data
    return CtcPath(merged[merged != blank], None, float(scores.mean()))


Counts = NDArray[np.int64]
_IMPOSSIBLE = -1e9


def durations_of(alignment: Tensor, num_frames: Tensor, num_letters: Tensor) -> Tensor:
    """Return the steps of each letter on the most probable path through all letters in order, one step or more each.

    alignment: log-probabilities float32 [batch, T, J]. num_frames, num_letters: int64 [batch], frames >= letters. Returns int64
    [batch, J] whose rows add up to num_frames, 0 for padding. Raises ValueError for fewer steps than letters.
    """
    found = best_durations(alignment.float().cpu().numpy(), num_frames.cpu().numpy(), num_letters.cpu().numpy())
    return torch.from_numpy(found).to(alignment.device)


def best_durations(log_probs: Floats, num_steps: Counts, num_letters: Counts) -> Counts:
    """Return `durations_of` for arrays, by a Viterbi search over all rows of a batch at once."""
    if np.any(num_steps < num_letters):
        row = int(np.argmax(num_letters - num_steps))
        raise ValueError(f"{num_letters[row]} letters do not fit into {num_steps[row]} steps")

    batch, longest, letters = log_probs.shape
    # The best path that is in each letter at this step: it was there before, or one letter earlier, so that none is skipped.
    best = np.full((batch, letters), _IMPOSSIBLE)
    best[:, 0] = log_probs[:, 0, 0]
    moved = np.zeros((longest, batch, letters), dtype=bool)

    first = np.full((batch, 1), _IMPOSSIBLE)
    for step in range(1, longest):
        from_before = np.concatenate([first, best[:, :-1]], axis=1)
        moved[step] = from_before > best
        best = np.where(moved[step], from_before, best) + log_probs[:, step]

    durations = np.zeros((batch, letters), dtype=np.int64)
    # Sentences end at different steps: each is followed back from its own end.
    rows, letter = np.arange(batch), num_letters - 1
    for step in range(longest - 1, -1, -1):
        is_there = step < num_steps
        durations[rows[is_there], letter[is_there]] += 1
        letter = letter - (moved[step, rows, letter] & is_there)
    return durations


_LONGEST_LETTER = 250
"""Most steps of 20 ms of one letter: no training speech holds one for five seconds."""
_NEVER = -1e4
"""Log-probability of padding; minus infinity would give it a gradient of NaN."""
_FACTS = 2
"""Inputs of a step beside its letter: its place in the letter, and the letter's length."""


class Training(NamedTuple):
    """Output of the network in training, for its losses."""

    classes: Tensor
    """scores of the units of each step, float32 [batch, T, units]"""
    log_durations: Tensor
    """predicted log(1 + steps) of each letter, float32 [batch, J]"""
    durations: Tensor
    """steps of each letter by the alignment, int64 [batch, J]"""
    alignment: Tensor
    """log-probabilities of letters for each step, the prior included, float32 [batch, T, J]"""


class Aligner(nn.Module):
    """Scores how near each letter is to each step. Only training needs it."""

    def __init__(self, config: TextToUnitConfig) -> None:
        super().__init__()
        self.units = nn.Embedding(config.num_units, config.width)
        self.of_units = nn.Sequential(
            nn.Conv1d(config.width, config.width, 3, padding=1), nn.GELU(), nn.Conv1d(config.width, config.width, 3, padding=1)
        )
        self.of_letters = nn.Sequential(
            nn.Conv1d(config.width, config.width, 3, padding=1), nn.GELU(), nn.Conv1d(config.width, config.width, 1)
        )

    def forward(self, letters: Tensor, frames: Tensor, letter_mask: Tensor, prior: Tensor) -> Tensor:
        """Return log-probabilities of letters for each step, float32 [batch, T, J].

        letters: states [batch, J, width]. frames: int64 [batch, T]. letter_mask: bool [batch, J]. prior: float32 [batch, T, J],
        log-probabilities of places along a straight line.
        """
        keys = self.of_letters(letters.transpose(1, 2)).transpose(1, 2).float()
        queries = self.of_units(self.units(frames).transpose(1, 2)).transpose(1, 2).float()
        near = -torch.cdist(queries, keys)
        near = near.masked_fill(~letter_mask[:, None, :], _NEVER)
        return torch.log_softmax(near, dim=-1) + prior


class AlignedTextToUnit(nn.Module):
    """Letters to durations, and to a unit every 20 ms."""

    def __init__(self, config: TextToUnitConfig, with_aligner: bool = False) -> None:
        """with_aligner: for training; a checkpoint has no aligner."""
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
        """Return the output for training.

        letters: int64 [batch, J]. lengths: int64 [batch]. frames: int64 [batch, T]. num_frames: int64 [batch]. prior: see Aligner.
        """
        assert self.aligner is not None
        mask = mask_of(lengths, letters.shape[1])
        states = self.encoder(self.letters(letters), mask)
        alignment = self.aligner(states, frames, mask, prior)
        # The search has no gradient. Durations leave the encoder alone, so that it is shaped by units only, as in Glow-TTS (Kim et
        # al. 2020).
        durations = durations_of(alignment.detach(), num_frames, lengths)
        log_durations = self._log_durations(states.detach(), mask)

        classes = self._classes(states, durations, frames.shape[1])
        return Training(classes, log_durations, durations, alignment)

    @torch.inference_mode()
    def say(self, letters: Tensor) -> CtcPath:
        """Return the units and durations of one sentence, int64 of shape [U] both. letters: int64 of shape [J]."""
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
        """Return the scores of each step, [batch, longest, units]. durations: steps of each letter, int64 [batch, J]."""
        ends = durations.cumsum(1)
        steps = torch.arange(longest, device=durations.device).expand(len(durations), -1).contiguous()
        # Steps behind the last letter are padding, which `mask_of` leaves out.
        owner = torch.searchsorted(ends, steps, right=True).clamp(max=durations.shape[1] - 1)
        length = durations.gather(1, owner)
        # The middle of the step, as a share of its letter.
        place = (steps - (ends - durations).gather(1, owner) + 0.5) / length.clamp(min=1)

        facts = self.facts(torch.stack([place, length.log1p()], dim=-1).to(states.dtype))
        spread = states.gather(1, owner[..., None].expand(-1, -1, states.shape[2])) + facts
        return self.classes(self.decoder(spread, mask_of(ends[:, -1], longest)))  # type: ignore[no-any-return]


def steps_of(log_durations: Tensor) -> Tensor:
    """Return whole steps of 20 ms from log(1 + steps), at least 1 a letter: float32 [batch, J] to int64 [batch, J]."""
    return torch.round(torch.expm1(log_durations)).clamp(1, _LONGEST_LETTER).long()


def aligned_duration_loss(log_durations: Tensor, durations: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean squared error of log(1 + steps) over all letters without padding, of shape [].

    log_durations: float32 [batch, J]. durations: int64 [batch, J], in steps of 20 ms. lengths: int64 [batch].
    """
    mask = mask_of(lengths, durations.shape[1])
    return F.mse_loss(log_durations[mask], durations[mask].float().log1p())


Network = CtcTextToUnit | AlignedTextToUnit


def network_of(config: TextToUnitConfig, with_aligner: bool = False) -> Network:
    """Return a new network. with_aligner: for training."""
    return CtcTextToUnit(config) if config.network == CTC else AlignedTextToUnit(config, with_aligner)
