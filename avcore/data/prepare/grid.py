"""GRID: sentences of six words spoken by 34 people.

<speaker>/video/<clip>.mpg, or any other folders or archives below a folder named s1 to s34. The name of a clip encodes its
sentence: prwo5p is "place red with o five please".

`netflips prepare grid --data-root GRID --out-dir grid --split unseen`
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.data.prepare.listed_splits import ListedCorpus
from avcore.data.prepare.running import CorpusItem
from avcore.data.prepare.video import Recording
from avcore.errors import UsageError
from avcore.flags import Command, flag
from avcore.notes import several

OVERLAP, UNSEEN, FOUR = "overlap", "unseen", "four"
_FOUR = {"s1", "s2", "s4", "s29"}
_UNSEEN = {"test": {"s1", "s2", "s20", "s22"}, "valid": {"s31", "s32", "s33", "s34"}}
"""Speakers by split; the test speakers are those of Assael et al., "LipNet" (2016)."""
_PARTS = 20
"""The clips of a speaker are divided into this many parts, of which one is for validation and one for the test."""
_SPEAKER = re.compile(r"s([1-9]|[12]\d|3[0-4])", re.IGNORECASE)
_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def sentence_of_name(name: str) -> str:
    """Return the sentence that a clip's name encodes, "" for a name of another form."""
    letters = name.lower()
    if len(letters) != len(_WORDS) or any(letter not in words for letter, words in zip(letters, _WORDS, strict=True)):
        return ""
    return " ".join(words[letter] for letter, words in zip(letters, _WORDS, strict=True))


def split_of(speaker: str, clip: str, rule: str) -> str:
    """Return the split of a clip by a rule, "" for none. It does not depend on other clips.

    overlap: 90 % of each speaker's clips for training, 5 % each for validation and test. unseen: four speakers for the test and
    four for validation, who are not in training. four: as overlap, of s1, s2, s4 and s29 only.
    """
    if rule == UNSEEN:
        return next((split for split, speakers in _UNSEEN.items() if speaker in speakers), "train")
    if rule == FOUR and speaker not in _FOUR:
        return ""
    # A digest, since Python's own hash of a text differs from run to run.
    part = int.from_bytes(hashlib.sha256(f"{speaker}/{clip}".encode()).digest()[:4], "big") % _PARTS
    return {0: "valid", 1: "test"}.get(part, "train")


@dataclass(frozen=True, kw_only=True)
class GridCorpus(ListedCorpus):
    """GRID to clips with lips, face, sound, text and splits."""

    data_root: Path = flag(metavar="DIR")
    """the corpus: folders s1 to s34, or archives"""
    split: str = flag(default="", choices=(OVERLAP, UNSEEN, FOUR))
    """overlap: all speakers in each; unseen: other speakers in each; four: s1, s2, s4 and s29 alone (default: overlap)"""
    split_list: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="[NAME=]FILE")
    """splits by lists in place of a rule: a line is s20/prwo5p, or val/s20/prwo5p without NAME; may be given several times"""
    corpus = "grid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split and self.split_list:
            raise UsageError("--split-list is in place of --split")

    @property
    def rule(self) -> str:
        """The rule of splits without lists."""
        return self.split or OVERLAP

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip of a split. Raises InputError for another layout."""
        seen = set[str]()
        for source in self.listing().videos():
            speaker = next((folder.lower() for folder in reversed(source.folders) if _SPEAKER.fullmatch(folder)), "")
            name = f"{speaker}/{source.stem}"
            if not speaker or name in seen:
                what = "another video is the same clip" if speaker else "no folder of it names a speaker, s1 to s34"
                self.problems[source.name] = what
                continue

            seen.add(name)
            split = self.listed.get(name, "") if self.listed else split_of(speaker, source.stem, self.rule)
            sentence = sentence_of_name(source.stem)
            if split:
                yield CorpusItem(name, Recording(source, speaker, "en", transcript=sentence, extra={"split": split}))
            else:
                self.left_out.append(name)

        if not seen:
            raise self.other_layout("GRID", "s1/video/bbaf2n.mpg", several(len(self.problems), "other"))


_COMMAND = Command(GridCorpus, "netflips prepare grid", GridCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
