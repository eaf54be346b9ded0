"""LRS2 and LRS3: sentences from television and from talks.

LRS2: <root>/main/<id>/<number>.mp4 and .txt, pretrain/<id>/..., lists train.txt, val.txt, test.txt, pretrain.txt beside them
LRS3: <root>/pretrain/<id>/<number>.mp4 and .txt, trainval/<id>/..., test/<id>/...

`netflips prepare lrs --data-root lrs3 --out-dir data/lrs3`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.data.prepare.listed_splits import ListedCorpus, read_split_lists, split_named
from avcore.data.prepare.running import CorpusItem
from avcore.data.prepare.video import Recording
from avcore.flags import Command, flag
from avcore.units import normalise_language

PRETRAIN, MAIN = "pretrain", "main"
_SETS = (PRETRAIN, MAIN, "trainval", "test")
_OWN_LISTS = ("pretrain", "train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class LrsCorpus(ListedCorpus):
    """LRS2 or LRS3 to clips with lips, face, sound, text and splits."""

    data_root: Path = flag(metavar="DIR")
    """the folder that main or trainval lies in"""
    set: tuple[str, ...] = flag(default=(), action="append", nargs=None, choices=_SETS)
    """only this folder; may be given several times"""
    language: str = flag(default="en", metavar="LANG", read=normalise_language)
    """what is spoken, two letters (default: en)"""
    split_list: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="[NAME=]FILE")
    """splits by lists in place of the corpus's own: a line is main/ID/00001 after NAME=, or pretrain/ID/00001 and so on without it;
    may be given several times"""
    corpus = "lrs"
    lasting = ("language",)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The folders, too."""
        return {**super().settings, "sets": sorted({*self.set})}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip of a split. Raises InputError for another layout."""
        listing = self.listing()
        texts = {file.name.rpartition(".")[0]: file for file in listing.with_suffix(".txt")}
        listed = self.listed or self._own_lists()
        seen = set[str]()
        for source in listing.videos():
            folders = (self.root.name, *source.folders)
            if len(folders) < 2 or folders[-2] not in _SETS:
                continue

            part, speaker = folders[-2:]
            name = f"{part}/{speaker}/{source.stem}"
            if name in seen:
                self.problems[source.name] = "another video is the same clip"
                continue
            seen.add(name)

            # Names without a folder are not of `pretrain`, whose clips are numbered from the start again.
            clip = f"{speaker}/{source.stem}"
            named = listed.get(f"{part}/{clip}") or ("" if part == PRETRAIN else listed.get(clip, ""))
            split = named if named or self.listed or part == MAIN else split_named(part)
            if split and (not self.set or part in self.set):
                text, extra = texts.get(source.name.rpartition(".")[0]), {"split": split, "set": part}
                yield CorpusItem(name, Recording(source, speaker, self.language, text, extra=extra))
            else:
                self.left_out.append(name)

        if not seen:
            raise self.other_layout("LRS2 or LRS3", "main/ID/00001.mp4 or trainval/ID/00001.mp4")

    def _own_lists(self) -> dict[str, str]:
        """Return the splits in the lists beside the clips of LRS2."""
        found = dict[str, str]()
        for name in _OWN_LISTS:
            file, part = self.root / f"{name}.txt", PRETRAIN if name == PRETRAIN else MAIN
            if file.is_file():
                found |= {f"{part}/{clip}": split for clip, split in read_split_lists([f"{name}={file}"]).items()}
        return found


_COMMAND = Command(LrsCorpus, "netflips prepare lrs", LrsCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
