"""The options of `netflips dub` for subtitles: beside the dub, in its file, in its picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avcore.flags import flag
from avcore.outputs import Input
from netflips.subtitles.beside import Subtitling
from netflips.subtitles.dubbed import SIDES, TARGET


@dataclass(frozen=True, kw_only=True)
class SubtitleFlags:
    """--subtitles and what goes with it."""

    subtitles: str | None = flag(group="subtitles", default=None, metavar="WHICH")
    """write subtitles beside the dub: source, target or source,target (what was heard, is said)"""
    subtitle_format: Literal["srt", "vtt"] = flag(default="srt")
    """SubRip or WebVTT (default: srt)"""
    embed_subtitles: bool = flag(default=False)
    """put them into the dubbed video, too, as tracks that players show on demand"""
    burn_subtitles: str = flag(default="", nargs="?", const=TARGET, choices=SIDES, metavar="WHICH")
    """draw subtitles into the picture: target or source (default: target)"""
    subtitle_font: Path | None = flag(default=None, file=Input("the font (--subtitle-font)"))
    """font that they are drawn in, .ttf or .otf (default: Noto Sans KR of the extra `subtitles`)"""
    unit2text_path: Path | None = flag(default=None, file=Input("the text reader"))
    """text reader for the report and subtitles (default: the bundle's)"""

    def subtitling(self) -> Subtitling | None:
        """What was asked for, None = no subtitles. Raises UsageError for what cannot be."""
        if self.subtitles is None and not self.burn_subtitles and not self.embed_subtitles and self.subtitle_font is None:
            return None
        sides = () if self.subtitles is None else tuple(side.strip() for side in self.subtitles.split(","))
        return Subtitling(sides, f".{self.subtitle_format}", self.embed_subtitles, self.burn_subtitles, self.subtitle_font)
