"""What was asked: a recording to text, by a recogniser that was given (Whisper) or by the text reader of units (unit2text)."""

from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.contracts import Transcript
from avcore.errors import NoSpeechError
from avcore.media.sound import settle_track
from avcore.progress import Progress, silent
from netflips.options import AvatarOptions
from netflips.recognition import Listener, SpeechRecogniser
from netflips.transcription import reader_path
from netflips.understanding import Understanding


class QuestionHearing:
    """Hears a question: what a listener writes of it, as one text."""

    def __init__(self, listener: Listener, language: str | None) -> None:
        """language: that is spoken; None = the most probable one. Raises UsageError or LanguageError."""
        self.listener, self._settings = listener, listener.settings("audio", language, "auto", None)

    def hear(self, question: Path, progress: Progress = silent) -> tuple[Transcript, Understanding | None]:
        """Return what is said in a recording, and how far it is understood; an empty text where nobody speaks.

        Raises MediaError for what holds no sound.
        """
        try:
            settle_track(question)
            heard = self.listener.hear(question, self._settings, progress)
        except NoSpeechError:
            return Transcript("", self._settings.language or ""), None
        said = heard.transcripts
        words = tuple(word for one in said for word in one.words)
        text = " ".join(one.text for one in said if one.text)
        return Transcript(text, said[0].language if said else "", words), heard.understood


def open_ear(options: AvatarOptions) -> QuestionHearing:
    """Load what hears questions. Raises InputError, CheckpointError, LanguageError or UsageError."""
    device, precision = options.device, options.precision
    if options.recognizer is not None:
        from netflips.recognizers.whisper import open_whisper

        return QuestionHearing(Listener(SpeechRecogniser(open_whisper(options.recognizer, device, precision))), options.source)
    listener = Listener.load(
        reader_path(options.unit2text_path), lambda: checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER), device, precision
    )
    return QuestionHearing(listener, options.source)
