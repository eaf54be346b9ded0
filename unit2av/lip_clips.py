"""Clips of people who talk, for all that trains lips: which of a manifest can be used, and random windows of their faces."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from avcore.bounds import Number
from avcore.errors import InputError
from avcore.units import Ids
from avdata.manifest import Entry, read_manifest
from avdata.training import CorpusConfig
from avdata.unit_store import leave_out
from avtrain.sampling import Key, item_generator
from unit2av.lip_crops import MAKE_BOXES, ClipFaces, CropCache, CropSource, footage_of


@dataclass(frozen=True, kw_only=True)
class LipCorpusConfig(CorpusConfig):
    """Videos with face boxes.

    train, valid: JSON lines with id, video and boxes (empty = `<video>.bbox.pkl`). root: folder that relative paths start from,
    empty = the manifest's own. steady_boxes: pictures on either side that face boxes are averaged over before faces are cut; 0 = as
    they are. A box goes down with the chin, so with 0 the masked picture tells how wide the mouth is open, and what is said is
    learnt less. cache: folder for what is computed of clips, their face crops above all; empty = `crops` in the run's folder.
    """

    root: str = ""
    steady_boxes: Number = 0
    cache: str = ""

    def folder(self, run_dir: str) -> Path:
        """Return where a run keeps what it computes of clips."""
        return Path(self.cache or Path(run_dir) / "crops")


@dataclass(frozen=True, eq=False)
class FilmedClip:
    """One clip."""

    footage: CropSource

    @property
    def id(self) -> str:
        """Its name in the manifest."""
        return self.footage.id


Clip = TypeVar("Clip", bound=FilmedClip)
Example = TypeVar("Example")


class ClipReading:
    """Reads a manifest, and collects what cannot be used of it by what is wrong."""

    def __init__(self, path: str, config: LipCorpusConfig) -> None:
        self._path, self._config = Path(path), config
        self.manifest = read_manifest(self._path, config.root or None)
        self._unusable: dict[tuple[str, str], list[str]] = {}

    def footages(self) -> Iterator[tuple[Entry, CropSource]]:
        """Yield each entry that has a video and face boxes."""
        for entry in self.manifest.entries:
            footage = footage_of(self.manifest, entry, self._config.steady_boxes)
            if footage is None or not footage.video.is_file():
                self.lacks(entry, "without video", "set data.root", footage.video if footage else "no video in its line")
            elif not footage.boxes.is_file():
                self.lacks(entry, "without face boxes", MAKE_BOXES, footage.boxes)
            else:
                yield entry, footage

    def lacks(self, entry: Entry, what: str, hint: str, found: object = "") -> None:
        """Take note of an entry that cannot be used. what: is wrong with it, as `without video`."""
        self._unusable.setdefault((what, hint), []).append(f"{entry.id} ({found})" if found != "" else entry.id)

    def require(self, clips: list[Clip]) -> list[Clip]:
        """Return the clips that were made of the rest.

        Raises InputError naming what cannot be used (a warning a kind instead, where the config allows), and when there are none.
        """
        for (what, hint), names in self._unusable.items():
            leave_out(names, "clip", what, self._path, self._config.allow_missing, hint)
        if not clips:
            raise InputError("no clip is left to learn from", path=self._path)
        return clips


class LipWindows(ABC, Generic[Clip, Example]):
    """An item source: random windows of clips. cache: folder of the face crops; owners: int64 [items], the clip of each item."""

    def __init__(self, clips: Sequence[Clip], cache: str | Path, seed: int, owners: Ids) -> None:
        self._clips, self._crops, self._seed, self._owners = clips, CropCache(cache), seed, owners

    def __len__(self) -> int:
        return len(self._owners)

    def name(self, index: int) -> str:
        """Return the clip that an item comes from."""
        return str(self._clips[self._owners[index]].id)

    def lengths(self) -> list[int]:
        """All windows are of one length."""
        return [1] * len(self)

    def load(self, key: Key) -> Example:
        """Return a random window; raises InputError, MediaError or NoFaceError for a clip that cannot be used."""
        clip = self._clips[self._owners[key[1]]]
        return self.example(clip, self._crops.faces(clip.footage), item_generator(self._seed, key))

    @abstractmethod
    def example(self, clip: Clip, faces: ClipFaces, generator: np.random.Generator) -> Example:
        """Return a window, a named tuple of arrays. Raises InputError where the clip has none."""


def windows_seen(faces: ClipFaces, length: int, end: int | None = None) -> Ids:
    """First pictures of all windows of a length that have a face in each picture: int64 [n]. end: pictures that count."""
    seen = np.cumsum(np.append(0, faces.is_seen[:end]))
    return np.flatnonzero(seen[length:] - seen[:-length] == length)


def stack(items: Sequence[Any]) -> dict[str, Tensor]:
    """Return a batch of examples: each part stacked, by its name, such as units int64 [batch, 20]."""
    parts = zip(*items, strict=True)
    return {name: torch.from_numpy(np.stack(values)) for name, values in zip(items[0]._fields, parts, strict=True)}
