"""Subtitles within the dubbed video: as tracks of its file, or drawn into its picture."""

from avcore.media import Subtitle, SubtitleTrack
from avcore.notes import tell
from netflips.options import DubOptions
from netflips.script.notes import FONT_LACKS
from netflips.subtitles.drawing import Painter, font_file, lacking_letters, require_letters
from netflips.subtitles.dubbed import Texts

_SAMPLES = {"ko": "\uac00\ud7a3", "el": "\u03a9\u03bb", "ru": "\u0416\u044f"}
"""Letters of a language: a font that has them has the others, too. Those of other languages are Latin."""
_LATIN = "Ag"


def check_font(options: DubOptions) -> None:
    """Refuse, before any work, a font that cannot show what shall be drawn. Raises UsageError or InputError."""
    asked = options.subtitles
    if asked is not None and asked.burnt:
        require_letters(font_file(asked.font), _SAMPLES.get(options.language_of(asked.burnt), _LATIN))


def shows_texts(options: DubOptions) -> bool:
    """Return whether subtitles are asked for within the video, so that texts must be known before it is written."""
    asked = options.subtitles
    return asked is not None and bool(asked.burnt or asked.is_embedded)


def painter_of(options: DubOptions, texts: Texts) -> Painter | None:
    """Return what draws the subtitles into the pictures; None where none were asked for."""
    asked = options.subtitles
    if asked is None or not asked.burnt:
        return None
    font, cues = font_file(asked.font), texts.cues(asked.burnt)
    lacking = lacking_letters(font, "".join(line for cue in cues for line in cue.lines))
    if lacking:
        tell(FONT_LACKS(signs=" ".join(lacking)), font)
    return Painter(cues, font)


def tracks_of(options: DubOptions, texts: Texts) -> list[SubtitleTrack]:
    """Return the tracks of the file that were asked for, of the sides that could be read."""
    asked = options.subtitles
    if asked is None or not asked.is_embedded:
        return []
    cues = {options.language_of(side): texts.cues(side) for side in asked.sides if texts.side(side) is not None}
    shown = {
        language: [Subtitle(cue.start_s, cue.end_s, "\n".join(cue.lines)) for cue in found] for language, found in cues.items()
    }
    return [SubtitleTrack(language, found) for language, found in shown.items()]
