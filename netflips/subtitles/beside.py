"""Subtitles beside a dub: what was heard, what is said instead, or both, as files named after the dub and the language."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.loading import loading
from netflips.subtitles.dubbed import SIDES, SOURCE, Spoken, read_side
from netflips.subtitles.formats import SRT, VTT, write_subtitles
from unit2text.stage import TEXT_READER
from unit2text.takes import UNITS

LOG = logging.getLogger("netflips")
ENDINGS = (SRT, VTT)


@dataclass(frozen=True)
class Subtitling:
    """What is asked for. reader: the text reader's file. sides: of SIDES. Raises UsageError for others."""

    reader: Path
    sides: tuple[str, ...] = SIDES
    ending: str = SRT

    def __post_init__(self) -> None:
        if not self.sides or not set(self.sides) <= set(SIDES) or len(set(self.sides)) != len(self.sides):
            raise UsageError("--subtitles cannot be used", expected="source, target or source,target", found=",".join(self.sides))
        if self.ending not in ENDINGS:
            raise UsageError("this format of subtitles is not known", expected=" or ".join(ENDINGS), found=self.ending)

    def files(self, dubbed: Path, source: str, target: str) -> dict[str, Path]:
        """The file of each side, `<stem>.<language>.srt` beside the dub; source, target: the languages."""
        languages = {side: source if side == SOURCE else target for side in self.sides}
        return {side: dubbed.with_name(f"{dubbed.stem}.{language}{self.ending}") for side, language in languages.items()}


@dataclass(frozen=True)
class SpokenSides:
    """A dub's utterances as units, in order of time, on both sides. cuts: of its shots; end_s: its length (s)."""

    source: Sequence[Spoken]
    target: Sequence[Spoken]
    cuts: Sequence[float]
    end_s: float


def require_reader(asked: Subtitling) -> None:
    """Raise CheckpointError or UsageError for a file that reads no units: before anything is dubbed."""
    with loading():
        from avcore.checkpoints.checkpoint import read_checkpoint

    takes = read_checkpoint(asked.reader, TEXT_READER).config["takes"]
    if takes != UNITS:
        raise UsageError(
            "this text reader reads no units of a dub", expected=f"one that reads {UNITS}", found=f"one that reads {takes}"
        )


def write_beside(asked: Subtitling, dubbed: Path, languages: tuple[str, str], spoken: SpokenSides, device: str) -> list[Path]:
    """Read the sides that are asked for and write them; returns the files. languages: of source and target.

    A side whose language the text reader does not have is left out, with a warning. Raises CheckpointError, VocabularyError or
    UsageError for a reader of something else.
    """
    with loading():
        from unit2text.reader import UnitReader

    reader = UnitReader.from_checkpoint(asked.reader, device)
    written = []
    for side, path in asked.files(dubbed, *languages).items():
        language = languages[0] if side == SOURCE else languages[1]
        units = spoken.source if side == SOURCE else spoken.target
        text = read_side(reader, units, language, spoken.cuts, spoken.end_s)
        if text is None:
            LOG.warning("%s: warning: the text reader has no language '%s'; these subtitles are left out", path, language)
            continue
        write_subtitles(path, text.cues)
        written.append(path)
    return written
