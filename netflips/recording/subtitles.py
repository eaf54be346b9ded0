"""What is said in a recording, as text in the time of the output: for the report, subtitles and the user's own corrections."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import normalize

from avcore.contracts import Recognizer, Transcript
from avcore.journal import key_of
from avcore.units import Units
from netflips.dub.job import DubJob
from netflips.dub.segments import write_segments
from netflips.dub.target_texts import SOURCE_TEXT, TARGET_TEXT, TRANSLATED_TEXT
from netflips.recording.cascade import SaidInWords
from netflips.recording.plan import OutputClock
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.texts import kept_transcript, source_texts_of, texts_of
from netflips.recording.translation import Cue, LeftAlone
from netflips.subtitles.dubbed import Side, SpokenUnits, Texts, as_said, side_as_text

if TYPE_CHECKING:
    from unit2text.reader import UnitReader

_STAGE = "readings"


def read_texts(job: DubJob, found: FoundUtterances, cues: Sequence[Cue], clock: OutputClock) -> Texts:
    """Read what was heard and what is said, utterance by utterance; the file of --segments gets it, too.

    What was heard of an utterance that is left alone is read as well: it stays to be heard.
    """
    kept = None if job.reader is None else _KeptReader(job, job.reader)
    heard, said = dict[int, SpokenUnits](), dict[int, SpokenUnits]()
    told = source_texts_of(job.options)
    for cue in cues:
        number = cue.cast.utterance.number
        if cue.understood is not None and not isinstance(cue.understood.listened, SaidInWords):
            units = cue.understood.listened.units
            heard[number] = SpokenUnits(clock.at(cue.cast.utterance.start_s), units, text=_told(told.get(number), units, kept, job))
        if not isinstance(cue, LeftAlone):
            placed = cue.placed  # read as it was predicted: a reader loses letters of what is spoken in a hurry
            said[number] = SpokenUnits(clock.at(placed.start), placed.natural, placed.pace, cue.understood.translated.text)
    with nullcontext() if kept is None else job.clock.stage("texts"):
        over_text = job.options.road is not None
        source = words_heard(job, cues, clock) if over_text else side_as_text(kept, heard, job.options.source)
        target = side_as_text(kept, said, job.options.target)
    cuts = [float(clock.at(cut)) for cut in found.scenes.cuts]
    texts = Texts(source, target, cuts, float(clock.at(found.part.stop)))
    if job.settings.segments_out is not None and not over_text:  # there it is written
        write_segments(job.settings.segments_out, found.utterances, _rows(job, texts))
    return texts


def _told(text: str | None, units: Units, reader: "_KeptReader | None", job: DubJob) -> str:
    """Return what the user wrote that is heard; "" where it is what is read anyway, which has times for its words."""
    wanted = " ".join(normalize("NFC", text or "").split())
    if wanted and reader is not None and job.options.source in reader.languages:
        return "" if reader.read(units, job.options.source).text == wanted else wanted
    return wanted


def words_heard(job: DubJob, cues: Sequence[Cue], clock: OutputClock) -> Side:
    """Return what was heard over text, where it stands in the output; of what the user wrote, times are by the number of
    letters."""
    language = job.options.source
    found, told = dict[int, Transcript](), set[int]()
    for cue in cues:
        one = cue.cast.utterance
        listened = None if cue.understood is None else cue.understood.listened
        if not isinstance(listened, SaidInWords) or not listened.heard.text:
            continue
        heard = listened.heard
        if not heard.words:
            told.add(one.number)
            heard = as_said(heard.text, one.seconds, language)
        found[one.number] = heard.shifted(float(clock.at(one.start_s)))
    return Side(language, found, frozenset(told))


def _rows(job: DubJob, texts: Texts) -> Mapping[int, Mapping[str, str]]:
    """Return the texts of --segments, by the utterance's number: of what was read, and of what the user wrote before."""
    rows: dict[int, dict[str, str]] = {}
    for side, name in ((texts.source, SOURCE_TEXT), (texts.target, TARGET_TEXT)):
        if side is None:
            continue
        for number, one in side.transcripts.items():
            rows.setdefault(number, {})[name] = one.text
            if name == TARGET_TEXT and number not in side.told:
                rows[number][TRANSLATED_TEXT] = one.text
    for number, text in texts_of(job.options).items():
        rows.setdefault(number, {}).pop(TRANSLATED_TEXT, None)
        rows[number][TARGET_TEXT] = text
    return rows


@dataclass(frozen=True)
class _KeptReader:
    """A text reader that finds in the work folder what it read before."""

    job: DubJob
    reader: "UnitReader"

    @property
    def languages(self) -> tuple[str, ...]:
        return self.reader.languages

    def read(self, said: Units, language: str | None = None) -> Transcript:
        key = key_of(said.ids, said.durations, language, self.reader.fingerprint, self.job.models.arithmetic)
        return kept_transcript(self.job.work, _STAGE, key, lambda: self.reader.read(said, language))


_CONTRACT: type[Recognizer] = _KeptReader
"""Checked by mypy: the class keeps the protocol."""
