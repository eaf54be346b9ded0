"""Subtitles of a dub: which ones, and the files beside it, named after the dub and the language."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import keep_other, write_text
from avcore.notes import tell
from avcore.work_folder import WorkFolder
from netflips.script.notes import SUBTITLES_LEFT_OUT
from netflips.subtitles.dubbed import SIDES, SOURCE, Texts
from netflips.subtitles.formats import SRT, VTT, subtitle_text

ENDINGS = (SRT, VTT)


@dataclass(frozen=True)
class Subtitling:
    """What is asked for. sides: of SIDES, that files are written of. is_embedded: they are tracks of the dubbed video, too.

    burnt: the side that is drawn into the picture, "" = none. font: that it is drawn in, None = the one that is installed. Raises
    UsageError for what cannot be.
    """

    sides: tuple[str, ...] = SIDES
    ending: str = SRT
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
        if self.ending not in ENDINGS:
            raise UsageError("this format of subtitles is not known", expected=" or ".join(ENDINGS), found=self.ending)
        if self.burnt and self.burnt not in SIDES:
            raise UsageError("--burn-subtitles cannot be used", expected=" or ".join(SIDES), found=self.burnt)

    def files(self, dubbed: Path, source: str, target: str) -> dict[str, Path]:
        """Return the file of each side, `<stem>.<language>.srt` beside the dub; source, target: the languages."""
        languages = {side: source if side == SOURCE else target for side in self.sides}
        return {side: dubbed.with_name(f"{dubbed.stem}.{language}{self.ending}") for side, language in languages.items()}


def write_beside(asked: Subtitling, dubbed: Path, languages: tuple[str, str], texts: Texts, work: WorkFolder | None) -> None:
    """Write the sides that are asked for. languages: of source and target.

    A side that cannot be read is left out, with a warning. A file that stands there already is kept, unless the work folder knows
    it as written by us: a person may have corrected it.
    """
    for side, path in asked.files(dubbed, *languages).items():
        if texts.side(side) is None:
            language = languages[0] if side == SOURCE else languages[1]
            tell(SUBTITLES_LEFT_OUT(language=language), path)
            continue
        text = subtitle_text(path, texts.cues(side))
        if work is None or not work.has_written(path):
            keep_other(path, text)
        write_text(path, text)
        if work is not None:
            work.note_written(path)
