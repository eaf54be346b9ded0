"""Which subtitles a dub has: the sides, the files beside it, named after the dub and the language, tracks, and burnt ones."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from netflips.subtitles.cues import SRT

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)


@dataclass(frozen=True)
class Subtitling:
    """What is asked for. sides: of SIDES, that files are written of. is_embedded: they are tracks of the dubbed video, too.

    burnt: the side that is drawn into the picture, "" = none. font: that it is drawn in, None = the one that is installed. Raises
    UsageError for what cannot be.
    """

    sides: tuple[str, ...] = SIDES
    is_embedded: bool = False
    burnt: str = ""
    font: Path | None = None

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
        """The sides that are shown in any way."""
        return {*self.sides, *filter(None, (self.burnt,))}

    def files(self, dubbed: Path, source: str, target: str) -> dict[str, Path]:
        """Return the file of each side, `<stem>.<language>.srt` beside the dub; source, target: the languages."""
        return {side: dubbed.with_name(f"{dubbed.stem}.{language_of(side, source, target)}{SRT}") for side in self.sides}


def language_of(side: str, source: str, target: str) -> str:
    """Return the language of a side of a dub."""
    return source if side == SOURCE else target
