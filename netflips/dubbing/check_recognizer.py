"""The recognizer of the ASR check: which installed one is used, and how its transcript is compared with the text to be spoken."""

import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path

from avcore.contracts import SpeechRecognizer, Transcript
from avcore.errors import NetflipsError, reason
from avcore.timeline import SAMPLE_RATE
from netflips.cascade.engines import recognizer_of
from netflips.dubbing.job import LOG
from netflips.models import Models
from netflips.published.store import usual_model
from netflips.quality_estimation import count_errors, spell
from netflips.recognizers.loops import is_loop
from netflips.recognizers.opening import open_speech_recognizer
from netflips.recognizers.outside import installed_folder, recognizer_fingerprint
from netflips.recognizers.whisper import as_published
from netflips.script.utterance import SpeechFault
from unit2text.text import normalise_for_reading

_NOTHING, _LITTLE = 0.1, 0.5
"""Up to these shares of the letters in the transcript, nothing or too little is recognized. The bundle reaches 0.8, mostly."""
_MISSING, _ADDED = 6, 8
"""Jamo (letters of a Hangul syllable) in a row that are missing or added. In 60 sentences that the bundle's voice spoke whole
there were 5 and 6 at most; a word of three syllables has 6 to 9."""


@dataclass(frozen=True, eq=False)
class CheckRecognizer:
    """A recognizer that transcribes the dub."""

    recognizer: SpeechRecognizer
    fingerprint: str
    """fingerprint of its weights"""
    has_times: bool = False
    """whether its transcripts have the times of words"""


def recognizer_folders(own: Path | None) -> list[Path]:
    """Return the folders of installed recognizers: the road's own, the one that was fetched, and that of `make judges`."""
    fetched = None
    with suppress(NetflipsError):  # a damaged one is reported where it is asked for
        fetched = usual_model("--recognizer")
    found = (own, fetched, installed_folder("judge-whisper"))
    return [path for path in dict.fromkeys(found) if path is not None]


def check_recognizer(models: Models, own: Path | None, language: str) -> CheckRecognizer | None:
    """Return the first installed recognizer that knows a language, None = there is none. It is opened on first use.

    own: folder of the road's recognizer, None = it has none.
    """

    def opened(folder: Path) -> CheckRecognizer:
        how = models.how.device, models.how.precision
        recognizer = recognizer_of(models, folder) if folder == own else open_speech_recognizer(folder, *how)
        return CheckRecognizer(as_published(recognizer), recognizer_fingerprint(folder), has_times=True)

    for folder in recognizer_folders(own):
        try:
            found = models.kept(("check", folder), partial(opened, folder))
        except (NetflipsError, OSError) as error:  # whatever is wrong with one that nobody asked for, the dub goes on
            LOG.warning("%s: %s", folder, reason(error))
            continue
        if language in found.recognizer.languages:
            return found
    return None


def compared(recognized: Transcript, text: str, language: str, num_samples: int) -> tuple[float, set[SpeechFault]]:
    """Return the share of a text's letters that are in a transcript of it, 0 to 1, and the faults.

    num_samples: length of the speech, at 16 kHz.
    """
    found, wanted = spell(recognized.text, language), spell(text, language)
    errors, length = count_errors(found, wanted)
    right, faults = 1 - errors / max(length, 1), set[SpeechFault]()

    if right <= _LITTLE:
        faults.add("unheard" if right <= _NOTHING else "misheard")

    lost, added = longest_gaps(found, wanted)
    # Where nothing is recognized at all, that is the fault, and not each word.
    if lost >= _MISSING and right > _NOTHING:
        faults.add("missing")
    # A text may repeat itself, too, and then the voice only follows it.
    if added >= _ADDED or (is_loop(recognized.text, num_samples / SAMPLE_RATE) and not is_loop(text)):
        faults.add("repeated")
    return right, faults


def longest_gaps(recognized: str, text: str) -> tuple[int, int]:
    """Return the most letters in a row that a transcript lacks, and the most in a row that it has beyond the text."""
    # NFD splits a syllable of Hangul into its letters, so that one wrong vowel is no lost syllable.
    wanted, found = (unicodedata.normalize("NFD", normalise_for_reading(one).replace(" ", "")) for one in (text, recognized))
    lost = added = 0
    # autojunk: in texts of 200 letters or more, `difflib` would not match letters that are frequent.
    for name, start, stop, begin, end in SequenceMatcher(None, wanted, found, autojunk=False).get_opcodes():
        if name != "equal":
            less = (stop - start) - (end - begin)
            lost, added = max(lost, less), max(added, -less)
    return lost, added
