"""The second step of the paper: mouth video in place of units, what is read and how it becomes batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from av2unit.lips import lip_features
from avcore.arrays import Pictures, load_array
from avcore.errors import InputError
from avcore.media import read_gray_video
from avcore.units import END, PAD, Ids
from avdata.spoken_texts import SeenText
from avtrain.sampling import Key, item_generator
from unit2text.config import LipConfig
from unit2text.text import TextVocabulary

LIP_ARRAY = ".npy"


class LipItem(NamedTuple):
    """Normalised pictures, float32 [time, height, width]; the text's rows and its end, int64 [N]; the language's number."""

    pictures: NDArray[np.float32]
    target: Ids
    language: int
    text: str


class LipBatch(NamedTuple):
    """Clips as they are, float [time, height, width] each; the rest as in `unit2text.training.items.ReaderBatch`."""

    clips: tuple[Tensor, ...]
    lengths: Tensor
    languages: Tensor
    before: Tensor
    target: Tensor
    texts: tuple[str, ...]


@dataclass(frozen=True)
class LipClips:
    """Items by key (avtrain.data.ItemSource); in training a clip is cut out anywhere and half of them are mirrored."""

    seen: Sequence[SeenText]
    text: TextVocabulary
    languages: Sequence[str]
    lips: LipConfig
    is_training: bool
    seed: int = 0

    def __len__(self) -> int:
        return len(self.seen)

    def name(self, index: int) -> str:
        """Return the utterance's id."""
        return self.seen[index].id

    def lengths(self) -> list[int]:
        """Pictures of each, as the manifest says; 1 where it says nothing."""
        return [max(1, one.frames) for one in self.seen]

    def load(self, key: Key) -> LipItem:
        """Return a clip. Raises InputError or MediaError for one that holds no lips."""
        one = self.seen[key[1]]
        pictures = read_lips(one.lips)
        if self.is_training:
            pictures = changed(pictures, self.lips.image_crop_size, item_generator(self.seed, key))
        normalised = lip_features(pictures, self.lips.image_crop_size, self.lips.image_mean, self.lips.image_std)
        target = np.append(self.text.encode(one.text), END)
        return LipItem(normalised, target, list(self.languages).index(one.language), one.text)


def read_lips(path: Path) -> Pictures:
    """Lip pictures of a video or a `.npy` file, uint8 [time, height, width]. Raises InputError or MediaError."""
    if path.suffix != LIP_ARRAY:
        return read_gray_video(path)
    lips = load_array(path, "the lips", is_mapped=True)
    if lips.dtype != np.uint8 or lips.ndim != 3 or not len(lips):
        found = f"{lips.dtype} {list(lips.shape)}"
        raise InputError("these are no lips", path=path, expected="uint8 [time, height, width]", found=found)
    return lips


def changed(pictures: Pictures, size: int, random: np.random.Generator) -> Pictures:
    """Return a square cut out anywhere, the same in all pictures, and mirrored or not: uint8 [time, size, size]."""
    height, width = pictures.shape[1:]
    if min(height, width) < size:
        raise InputError("these lips are too small", expected=f"{size} pixels or more", found=f"{height} x {width}")
    top, left = int(random.integers(height - size + 1)), int(random.integers(width - size + 1))
    cut = pictures[:, top : top + size, left : left + size]
    return np.ascontiguousarray(cut[:, :, ::-1] if random.random() < 0.5 else cut)


def collate_lips(items: Sequence[LipItem], starts: Sequence[int]) -> LipBatch:
    """Put clips into a batch; starts: the row that a text of each language begins with."""
    target = pad_sequence([torch.from_numpy(item.target) for item in items], batch_first=True, padding_value=PAD)
    languages = torch.tensor([item.language for item in items])
    first = torch.tensor(starts)[languages][:, None]
    before = torch.cat([first, target[:, :-1].masked_fill(target[:, :-1] == END, PAD)], dim=1)
    clips = tuple(torch.from_numpy(item.pictures) for item in items)
    lengths = torch.tensor([len(clip) for clip in clips])
    return LipBatch(clips, lengths, languages, before, target, tuple(item.text for item in items))
