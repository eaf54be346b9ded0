"""The text reader of a dub: where its text comes from, for the report and for subtitles."""

from typing import TYPE_CHECKING

from avcore.errors import UsageError
from avcore.loading import loading
from avcore.units import require_same_vocabulary
from netflips.dub.target_texts import read_source_texts, read_target_texts
from netflips.models import Models
from netflips.options import DubOptions, ModelPaths
from netflips.subtitles.dubbed import SOURCE, TARGET
from unit2text.stage import TEXT_READER, UNITS

if TYPE_CHECKING:
    from unit2text.reader import UnitReader

_HINT = "python -m unit2text.train makes one"


def require_reader(paths: ModelPaths, options: DubOptions) -> None:
    """Refuse, before any model is loaded, a file that reads no units, and subtitles without a text reader.

    Raises CheckpointError or UsageError.
    """
    if options.road is not None:
        return  # over text nothing is read: both sides are text
    path = paths.other(TEXT_READER)
    if path is None:
        if _must_read(options):
            raise UsageError("subtitles need a text reader", expected=f"{TEXT_READER.flag} FILE, or a bundle with one", hint=_HINT)
        return
    with loading():
        from avcore.checkpoints.checkpoint import read_checkpoint

    _require_units(read_checkpoint(path, TEXT_READER).config["takes"])


def reader_of(models: Models, options: DubOptions) -> "UnitReader | None":
    """Return the text reader of a dub; None where there is none, and nothing is asked for that needs one.

    Raises CheckpointError, UsageError, LanguageError for a side that shall be drawn into the picture and cannot be read, or
    VocabularyError for a reader of other units.
    """
    if options.road is not None or (models.paths.other(TEXT_READER) is None and not _must_read(options)):
        return None
    reader: UnitReader = models.other(TEXT_READER)
    _require_units(reader.takes)
    require_same_vocabulary(models.extractor.vocabulary, reader.trained_on, f"the text reader {reader.path.name}")
    if options.subtitles is not None and options.subtitles.burnt:
        reader.require_language(options.language_of(options.subtitles.burnt))
    return reader


def _must_read(options: DubOptions) -> bool:
    """Return whether subtitles are asked for of a side that no file of the user's has texts of."""
    asked, times = options.subtitles, options.recording.segments_in
    if asked is None:
        return False
    told = set[str]()
    if times is not None:
        told |= (
            {TARGET} if read_target_texts(times, options.target, options.source, not options.recording.speech.command) else set()
        )
        told |= {SOURCE} if read_source_texts(times, options.source, options.target) else set()
    return not {*asked.sides, *filter(None, (asked.burnt,))} <= told


def _require_units(takes: str) -> None:
    if takes != UNITS:
        raise UsageError(
            "this text reader reads no units of a dub", expected=f"one that reads {UNITS}", found=f"one that reads {takes}"
        )
