"""Which subtitles a dub has: of which sides, as files beside it, named after the dub and the language, as tracks, or burnt in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from netflips.subtitles.cues import SRT, VTT, Cue, srt_text, vtt_text
from netflips.subtitles.ttml import TTML, ttml_text

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)
FORMATS = tuple(ending.lstrip(".") for ending in (SRT, VTT, TTML))


@dataclass(frozen=True)
class Subtitling:
    """The subtitles that are asked for. Raises UsageError for values that cannot be used or do not fit together."""

    sides: tuple[str, ...] = SIDES
    """of SIDES: each gets a file"""
    is_embedded: bool = False
    """whether they are tracks of the dubbed video, too"""
    burnt: str = ""
    """the side that is drawn into the frames, "" = none"""
    font: Path | None = None
    """in which it is drawn, None = the installed one"""
    form: str = FORMATS[0]
    """of FORMATS: that of the files"""

    @classmethod
    def of(cls, asked: str, is_embedded: bool, burnt: str, font: Path | None) -> "Subtitling":
        """Return the subtitles of --subtitles: sides and perhaps a format. Raises UsageError."""
        words = [word.strip() for word in asked.split(",") if asked]
        forms = [word for word in words if word in FORMATS]
        if len(forms) > 1:
            raise UsageError("--subtitles takes one format", expected=", ".join(FORMATS), found=asked)
        return cls(tuple(word for word in words if word not in forms), is_embedded, burnt, font, *forms)

    def __post_init__(self) -> None:
        if self.is_embedded and not self.sides:
            raise UsageError("--embed-subtitles belongs to --subtitles", hint="add --subtitles source,target")
        if self.font is not None and not self.burnt:
            raise UsageError("subtitle_font belongs to --burn-subtitles", hint="add --burn-subtitles")
        if not set(self.sides) <= set(SIDES) or len(set(self.sides)) != len(self.sides) or not (self.sides or self.burnt):
            expected = f"source, target or source,target, and perhaps {' or '.join(FORMATS[1:])}"
            raise UsageError("--subtitles cannot be used", expected=expected, found=",".join(self.sides))
        if self.burnt and self.burnt not in SIDES:
            raise UsageError("--burn-subtitles cannot be used", expected=" or ".join(SIDES), found=self.burnt)

    @property
    def wanted(self) -> set[str]:
        """The sides that are written or drawn."""
        return {*self.sides, *filter(None, (self.burnt,))}

    def files(self, dubbed: Path, source: str, target: str) -> dict[str, Path]:
        """Return the file of each side, `<stem>.<language>.<format>` beside the dub; source, target: the languages."""
        return {side: dubbed.with_name(f"{dubbed.stem}.{language_of(side, source, target)}.{self.form}") for side in self.sides}


def language_of(side: str, source: str, target: str) -> str:
    """Return the language of a side of a dub."""
    return source if side == SOURCE else target


def subtitle_text(form: str, cues: Iterable[Cue], language: str) -> str:
    """Return the text of a file of a format of FORMATS. language: of the cues, "" = not known."""
    if form == FORMATS[2]:
        return ttml_text(cues, language)
    return vtt_text(cues) if form == FORMATS[1] else srt_text(cues)
