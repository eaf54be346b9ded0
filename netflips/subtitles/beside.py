"""Which subtitles a dub has: of which sides, as files beside it, named after the dub and the language, as tracks, or burnt in."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from netflips.subtitles.cues import SRT

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)


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

    def __post_init__(self) -> None:
        if self.is_embedded and not self.sides:
            raise UsageError("--embed-subtitles belongs to --subtitles", hint="add --subtitles source,target")
        if self.font is not None and not self.burnt:
            raise UsageError("--subtitle-font belongs to --burn-subtitles", hint="add --burn-subtitles")
        if not set(self.sides) <= set(SIDES) or len(set(self.sides)) != len(self.sides) or not (self.sides or self.burnt):
            raise UsageError("--subtitles cannot be used", expected="source, target or source,target", found=",".join(self.sides))
        if self.burnt and self.burnt not in SIDES:
            raise UsageError("--burn-subtitles cannot be used", expected=" or ".join(SIDES), found=self.burnt)

    @property
    def wanted(self) -> set[str]:
        """The sides that are written or drawn."""
        return {*self.sides, *filter(None, (self.burnt,))}

    def files(self, dubbed: Path, source: str, target: str) -> dict[str, Path]:
        """Return the file of each side, `<stem>.<language>.srt` beside the dub; source, target: the languages."""
        return {side: dubbed.with_name(f"{dubbed.stem}.{language_of(side, source, target)}{SRT}") for side in self.sides}


def language_of(side: str, source: str, target: str) -> str:
    """Return the language of a side of a dub."""
    return source if side == SOURCE else target
