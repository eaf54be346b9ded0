"""Prepare LRS2 or LRS3, sentences of television and of talks (`netflips prepare lrs --data-root lrs3 --out-dir data/lrs3`).

LRS2: <root>/main/<id>/<number>.mp4 and .txt, pretrain/<id>/..., lists train.txt, val.txt, test.txt, pretrain.txt beside them
LRS3: <root>/pretrain/<id>/<number>.mp4 and .txt, trainval/<id>/..., test/<id>/...
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.command import Parser, run
from avcore.errors import InputError
from avcore.files import LIP_ENDING, VIDEO_SUFFIXES
from avcore.units import normalise_language
from avdata.prepare.listed_splits import ListedCorpus, read_split_lists, split_named
from avdata.prepare.running import CorpusPiece, add_output_options, output_options, prepare_corpus
from avdata.prepare.sources import list_files
from avdata.prepare.video import Recording, VideoSettings, add_clip_options, clip_settings

PRETRAIN, MAIN = "pretrain", "main"
_SETS = (PRETRAIN, MAIN, "trainval", "test")
_OWN_LISTS = ("pretrain", "train", "val", "test")


@dataclass(kw_only=True)
class LrsCorpus(ListedCorpus):
    """The corpus, unpacked or in archives. sets: only these folders, () = all."""

    sets: tuple[str, ...] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """All of them, for the folder's own record."""
        return self.settings_with("lrs", "corpus", sets=list(self.sets))

    def pieces(self) -> Iterator[CorpusPiece]:
        """Yield one for each clip of a split. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        texts = {file.name.rpartition(".")[0]: file for file in listing.with_suffix(".txt")}
        listed = self.listed or self._own_lists()
        seen, self.left_out = set[str](), 0
        for source in listing.with_suffix(*VIDEO_SUFFIXES):
            folders = (self.root.name, *source.folders)
            if source.name.lower().endswith(LIP_ENDING) or len(folders) < 2 or folders[-2] not in _SETS:
                continue
            part, speaker = folders[-2:]
            name = f"{part}/{speaker}/{source.stem}"
            if name in seen:
                self.problems[source.name] = "another video is the same clip"
                continue
            seen.add(name)
            # A list that names no set is not of the clips to pre-train on.
            clip = f"{speaker}/{source.stem}"
            named = listed.get(f"{part}/{clip}") or ("" if part == PRETRAIN else listed.get(clip, ""))
            split = named if named or self.listed or part == MAIN else split_named(part)
            if split and (not self.sets or part in self.sets):
                text = texts.get(source.name.rpartition(".")[0])
                yield CorpusPiece(name, Recording(source, speaker, text, extra={"split": split, "set": part}))
            else:
                self.left_out += 1
        if not seen:
            raise InputError(
                "this is not the layout of LRS2 or LRS3", path=self.root, expected="main/ID/00001.mp4 or trainval/ID/00001.mp4"
            )

    def _own_lists(self) -> dict[str, str]:
        """Return the lists that lie beside the clips of LRS2."""
        files = {name: self.root / f"{name}.txt" for name in _OWN_LISTS}
        found = dict[str, str]()
        for name, file in files.items():
            if file.is_file():
                part = PRETRAIN if name == PRETRAIN else MAIN
                found |= {f"{part}/{clip}": split for clip, split in read_split_lists([f"{name}={file}"]).items()}
        return found


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="netflips prepare lrs", description="LRS2 or LRS3 to clips with lips, face, sound, text and splits.")
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="the folder that main or trainval lies in")
    parser.add_argument("--set", action="append", default=[], choices=_SETS, help="only this folder; may be given several times")
    parser.add_argument("--language", default="en", metavar="LANG", help="what is spoken, two letters (default: en)")
    parser.add_argument(
        "--split-list",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="splits by lists in place of the corpus's own: a line is main/ID/00001 after NAME=, or pretrain/ID/00001 and so on "
        "without it; may be given several times",
    )
    add_clip_options(parser)
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    video = VideoSettings("none", clips=clip_settings(options, 0.0), language=normalise_language(options.language))
    sets, listed = tuple(sorted(set(options.set))), read_split_lists(options.split_list)
    corpus = LrsCorpus(root=options.data_root, video=video, sets=sets, listed=listed)
    return prepare_corpus(corpus, output_options(options))
