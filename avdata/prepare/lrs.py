"""LRS2 and LRS3: sentences from television and from talks.

LRS2: <root>/main/<id>/<number>.mp4 and .txt, pretrain/<id>/..., lists train.txt, val.txt, test.txt, pretrain.txt beside them
LRS3: <root>/pretrain/<id>/<number>.mp4 and .txt, trainval/<id>/..., test/<id>/...

`netflips prepare lrs --data-root lrs3 --out-dir data/lrs3`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.flags import Command, flag
from avcore.units import normalise_language
from avdata.prepare.listed_splits import ListedCorpus, read_split_lists, split_named
from avdata.prepare.running import CorpusItem, prepare_corpus
from avdata.prepare.sources import list_files
from avdata.prepare.video import ClipOptions, Recording, VideoSettings

PRETRAIN, MAIN = "pretrain", "main"
_SETS = (PRETRAIN, MAIN, "trainval", "test")
_OWN_LISTS = ("pretrain", "train", "val", "test")


@dataclass(kw_only=True)
class LrsCorpus(ListedCorpus):
    """The corpus, unpacked or in archives."""

    sets: tuple[str, ...] = ()
    """only these folders, () = all"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings, which must not change on resume."""
        return self.settings_with("lrs", "corpus", sets=list(self.sets))

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip of a split. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        texts = {file.name.rpartition(".")[0]: file for file in listing.with_suffix(".txt")}

        listed = self.listed or self._own_lists()
        seen, self.left_out = set[str](), 0
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

            if split and (not self.sets or part in self.sets):
                text = texts.get(source.name.rpartition(".")[0])
                yield CorpusItem(name, Recording(source, speaker, text, extra={"split": split, "set": part}))
            else:
                self.left_out += 1

        if not seen:
            raise self.other_layout("LRS2 or LRS3", "main/ID/00001.mp4 or trainval/ID/00001.mp4")

    def _own_lists(self) -> dict[str, str]:
        """Return the splits in the lists beside the clips of LRS2."""
        files = {name: self.root / f"{name}.txt" for name in _OWN_LISTS}
        found = dict[str, str]()
        for name, file in files.items():
            if file.is_file():
                part = PRETRAIN if name == PRETRAIN else MAIN
                found |= {f"{part}/{clip}": split for clip, split in read_split_lists([f"{name}={file}"]).items()}
        return found


@dataclass(frozen=True, kw_only=True)
class LrsOptions(ClipOptions):
    """LRS2 or LRS3 to clips with lips, face, sound, text and splits."""

    data_root: Path = flag(metavar="DIR")
    """the folder that main or trainval lies in"""
    set: tuple[str, ...] = flag(default=(), action="append", nargs=None, choices=_SETS)
    """only this folder; may be given several times"""
    language: str = flag(default="en", metavar="LANG")
    """what is spoken, two letters (default: en)"""
    split_list: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="[NAME=]FILE")
    """splits by lists in place of the corpus's own: a line is main/ID/00001 after NAME=, or pretrain/ID/00001 and so on without it;
    may be given several times"""


def _work(options: LrsOptions) -> int:
    video = VideoSettings("none", clips=options.clips(0.0), language=normalise_language(options.language))
    sets, listed = tuple(sorted({*options.set})), read_split_lists(options.split_list)
    return prepare_corpus(LrsCorpus(root=options.data_root, video=video, sets=sets, listed=listed), options)


_COMMAND = Command(LrsOptions, "netflips prepare lrs", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
