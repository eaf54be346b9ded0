"""Items of a unit-to-text model's training and batches of them: utterances as units with noise, or as mouth video in the paper's
second step."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from av2unit.lips import lip_features
from av2unit.sources import read_lips
from av2unit.training.augment import cut_lips
from av2unit.training.config import AugmentConfig
from avcore.timeline import seconds_to_units
from avcore.train.data import ItemsOf, pad
from avcore.units import END, NUM_MARKS, PAD, Ids, Units, language_tag
from unit2text.config import LipConfig
from unit2text.text import LETTERS, TextVocabulary, letters_of_text
from unit2text.training.config import UnitToTextNoiseConfig
from unit2text.training.corpus import SeenText, SpokenText, UnitToTextCorpus

_MARKS = ("<s>", "<pad>", "</s>", "<unk>")
_FADE_FROM, _FADE_TO = 0.1, 0.7
"""Shares of a run between which the units of the sound are faded out."""
_EXACT_DIGITS = 6
"""Digits to which a count is rounded before it is truncated, so that rounding errors do not change it."""
_AUGMENT = AugmentConfig(random_crop=True, flip_prob=0.5)
"""Of lips in training: cut out at a random place, and half of them mirrored."""
HIDDEN = 0
"""Row of the zero vector, for padding and masked units."""


def text_vocabulary(corpus: UnitToTextCorpus) -> tuple[TextVocabulary, dict[str, int]]:
    """Return the vocabulary (marks, letters of all training texts, start tokens of languages), and the rows of the start tokens."""
    letters = Counter(letter for text in corpus.train for letter in letters_of_text(text.text))
    symbols = (*_MARKS, *sorted(letters), *map(language_tag, corpus.languages))
    first = NUM_MARKS + len(letters)
    return TextVocabulary(symbols, LETTERS), {name: first + number for number, name in enumerate(corpus.languages)}


def num_faded(progress: float, count: int) -> int:
    """Return how many of `count` units of the sound are masked at a share of the run: none at first, all at the end."""
    share = (progress - _FADE_FROM) / (_FADE_TO - _FADE_FROM)
    return int(round(min(1.0, max(0.0, share)) * count, _EXACT_DIGITS))


class UnitToTextItem(NamedTuple):
    """An utterance as rows of tables."""

    rows: Ids
    """units, int64 [time]"""
    sound: Ids | None
    """units of the sound, int64 [time]; None = there are none"""
    target: Ids
    """text and end token, int64 [N]"""
    language: int
    """its number"""


class UnitToTextBatch(NamedTuple):
    """Padded items."""

    rows: Tensor
    """int64 [batch, time]"""
    sound: Tensor | None
    """int64 [batch, time]"""
    lengths: Tensor
    """int64 [batch]"""
    languages: Tensor
    """int64 [batch]"""
    before: Tensor
    """input of the decoder, the start token and then the target, int64 [batch, N]"""
    target: Tensor
    """int64 [batch, N]"""


class Utterances(ItemsOf[SpokenText, UnitToTextItem]):
    """Utterances, in training with noise and repeated as often as `repeat` says."""

    def __init__(
        self,
        utterances: Sequence[SpokenText],
        text: TextVocabulary,
        languages: Sequence[str],
        num_units: int,
        noise: UnitToTextNoiseConfig | None = None,
        seed: int = 0,
    ) -> None:
        rows = [utterance for utterance in utterances for _ in range(utterance.repeat if noise is not None else 1)]
        super().__init__(rows, (one.units.num_steps for one in rows), seed)
        self._text, self._languages, self._num_units, self._noise = text, list(languages), num_units, noise
        self._of_language = {name: [one for one in rows if one.language == name] for name in self._languages}

    def item(self, index: int, rng: Generator) -> UnitToTextItem:
        """Return an utterance, in training with noise, or several in a row."""
        row = self.rows[index]
        if self._noise is None:
            spoken, streams = [row], self._streams(row)
        else:
            spoken = self._row_of(row, self._noise, rng)
            streams = with_pauses([self._streams(each, rng) for each in spoken], self._noise.pause_s, rng)
            streams[0] = masked(streams[0], self._noise, rng)

        target = np.append(self._text.encode(" ".join(each.text for each in spoken)), END)
        return UnitToTextItem(streams[0], streams[1] if len(streams) > 1 else None, target, self._languages.index(row.language))

    def _row_of(self, text: SpokenText, noise: UnitToTextNoiseConfig, random: Generator) -> list[SpokenText]:
        """Return an utterance and those that are joined to it."""
        spoken, left = [text], seconds_to_units(noise.join_s) - text.units.num_steps
        others = self._of_language[text.language]
        while noise.join and random.random() < noise.join:
            another = others[int(random.integers(len(others)))]
            left -= another.units.num_steps + seconds_to_units(noise.pause_s)
            if left < 0:
                break
            spoken.append(another)
        return spoken

    def _streams(self, text: SpokenText, random: Generator | None = None) -> Ids:
        """Return rows of an utterance's units, and of its sound if there is any, int64 [1 or 2, time]; random: for noise."""
        units = text.units
        if random is not None and self._noise is not None and text.sound is None:
            units = with_noise(units, self._noise, self._num_units, random)
        rows: Ids = np.stack([each.frames() for each in (units, text.sound) if each is not None]) + NUM_MARKS
        return rows


def with_pauses(streams: Sequence[Ids], most_s: float, random: Generator) -> Ids:
    """Join utterances, int64 [stream, time] each, with pauses of a repeated unit: the last before the pause, or the first after."""
    row = [streams[0]]
    for stream in streams[1:]:
        steps = int(random.integers(seconds_to_units(most_s) + 1))
        row += [np.repeat(row[-1][:, -1:] if random.random() < 0.5 else stream[:, :1], steps, axis=1), stream]
    joined: Ids = np.concatenate(row, axis=1)
    return joined


def with_noise(units: Units, noise: UnitToTextNoiseConfig, num_units: int, random: Generator) -> Units:
    """Return units with random substitutions, deletions, insertions and changes in duration."""
    assert units.durations is not None  # as read
    ids, durations = units.ids.copy(), units.durations.astype(np.float64)
    is_other = random.random(len(ids)) < noise.substitute
    ids[is_other] = random.integers(num_units, size=int(is_other.sum()))
    # Log-uniform: longer by a factor is as frequent as shorter by the same one.
    durations = np.maximum(1, np.rint(durations * (1 + noise.stretch) ** random.uniform(-1, 1, len(ids)))).astype(np.int64)

    is_kept = random.random(len(ids)) >= noise.delete
    # An utterance of nothing could not be encoded.
    if is_kept.any():
        ids, durations = ids[is_kept], durations[is_kept]

    places = np.flatnonzero(random.random(len(ids)) < noise.insert)
    added = random.integers(num_units, size=len(places))
    lasting = random.integers(1, 4, size=len(places))
    return Units(np.insert(ids, places, added), np.insert(durations, places, lasting), units.language, units.vocabulary)


def masked(rows: Ids, noise: UnitToTextNoiseConfig, random: Generator) -> Ids:
    """Return rows with random spans masked, `noise.mask` of the time on average."""
    length = max(1, seconds_to_units(noise.mask_s))
    starts = np.flatnonzero(random.random(len(rows)) < noise.mask / length)
    hidden = rows.copy()
    for start in starts:
        # From 1 to 2 * length - 1 steps: `length` on average.
        hidden[start : start + 1 + random.integers(2 * length - 1)] = HIDDEN
    return hidden


def collate_units(items: Sequence[UnitToTextItem], starts: Sequence[int]) -> UnitToTextBatch:
    """Pad items to a batch; starts: the row of each language's start token."""
    sounds = [item.sound for item in items if item.sound is not None]
    lengths = torch.tensor([len(item.rows) for item in items])
    rows, sound = pad([item.rows for item in items], HIDDEN), pad(sounds, HIDDEN) if sounds else None
    return UnitToTextBatch(rows, sound, lengths, *_texts_of(items, starts))


def fade(sound: Tensor, progress: float) -> Tensor:
    """Return a copy of units of the sound, int64 [batch, time], with as many masked as the share of the run requires."""
    faded = sound.clone()
    for row in faded:
        # Padding and masked units are row 0 already, and must not count.
        shown = row.nonzero()[:, 0]
        chosen = torch.randperm(len(shown))[: num_faded(progress, len(shown))]
        row[shown[chosen.to(shown.device)]] = HIDDEN
    return faded


class LipItem(NamedTuple):
    """A clip of lips and its text."""

    frames: NDArray[np.float32]
    """normalised, float32 [time, height, width]"""
    target: Ids
    """text and end token, int64 [N]"""
    language: int
    """its number"""


class LipBatch(NamedTuple):
    """Clips without padding; the other fields are as in `UnitToTextBatch`."""

    clips: tuple[Tensor, ...]
    """float [time, height, width] each"""
    lengths: Tensor
    languages: Tensor
    before: Tensor
    target: Tensor


class LipClips(ItemsOf[SeenText, LipItem]):
    """Clips of lips, with lengths from the manifest. In training they are cropped at random, and half of them are mirrored."""

    def __init__(
        self,
        seen: Sequence[SeenText],
        text: TextVocabulary,
        languages: Sequence[str],
        lips: LipConfig,
        is_training: bool,
        seed: int = 0,
    ) -> None:
        super().__init__(seen, (max(1, one.frames) for one in seen), seed)
        self._text, self._languages, self._lips, self._is_training = text, list(languages), lips, is_training

    def item(self, index: int, rng: Generator) -> LipItem:
        """Return a clip. Raises InputError or MediaError for one without lips."""
        row = self.rows[index]
        frames = read_lips(row.lips)
        if self._is_training:
            frames = cut_lips(frames, self._lips.image_crop_size, _AUGMENT, rng)
        normalised = lip_features(frames, self._lips.image_crop_size, self._lips.image_mean, self._lips.image_std)
        target = np.append(self._text.encode(row.text), END)
        return LipItem(normalised, target, self._languages.index(row.language))


def collate_lips(items: Sequence[LipItem], starts: Sequence[int]) -> LipBatch:
    """Put clips into a batch; starts: the row of each language's start token."""
    clips = tuple(torch.from_numpy(item.frames) for item in items)
    return LipBatch(clips, torch.tensor([len(clip) for clip in clips]), *_texts_of(items, starts))


def _texts_of(items: Sequence[UnitToTextItem] | Sequence[LipItem], starts: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return languages, decoder input and target; see `UnitToTextBatch`."""
    languages = torch.tensor([item.language for item in items])
    target = pad([item.target for item in items], PAD)
    first = torch.tensor(starts)[languages][:, None]
    # The end token is a target only; in a shorter text it would stand amid the padding of the decoder's input.
    before = torch.cat([first, target[:, :-1].masked_fill(target[:, :-1] == END, PAD)], dim=1)
    return languages, before, target
