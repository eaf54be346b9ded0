"""Source and target units read as text, and the subtitles that are made from the texts: files, tracks, and burnt ones."""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from avcore.contracts import Transcript, Word, of_words
from avcore.files import keep_other, write_text
from avcore.media import Subtitle, SubtitleTrack
from avcore.notes import report_note
from avcore.timeline import units_to_seconds
from avcore.units import Units
from netflips.dubbing.encode import as_units
from netflips.dubbing.fit import OutputClock, fitted, said
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.script.notes import FONT_LACKS, SUBTITLES_LEFT_OUT
from netflips.script.types import GivenUnits, Script, SpokenSound, Target, Text, TranslatedUnits, Utterance, WrittenText
from netflips.subtitles.beside import SOURCE, language_of
from netflips.subtitles.cues import Cue, make_cues, rules_for, subtitle_text
from netflips.subtitles.drawing import Painter, font_file, lacking_letters


def read_units_as_text(script: Script, job: Job) -> Script:
    """Fill in the source and target texts that the unit-to-text model can read.

    Target units are read with their natural durations: the model loses letters of hurried speech. The source text of utterances
    that are left alone is read too, since they are still heard; and in a draft the alternatives, from which a person may choose.
    """
    if job.reader is None:
        return script
    with job.clock.stage("texts"):
        read, todo = dict[int, Utterance](), job.part.utterances(script)
        reads_alternatives = job.options.is_draft and script.target in job.reader.languages
        for one in todo:
            with_text = read_target(script, job, _read_source(script, job, one))
            if reads_alternatives:
                alternatives = tuple(_alternative_read(job, target, script.target) for target in with_text.alternatives)
                with_text = replace(with_text, alternatives=alternatives)
            read[one.number] = with_text
            job.progress("texts", len(read), len(todo))
        return with_more(script, read)


def _read_source(script: Script, job: Job, one: Utterance) -> Utterance:
    """Return an utterance with its source text. A text that is there stays; if the model reads the same, it gains times.

    If subtitles give the target text, the source is read only for source subtitles.
    """
    if one.source_units is None or job.reader is None or script.source not in job.reader.languages:
        return one
    asked = job.options.subtitling
    is_given = isinstance(one.target, WrittenText) and one.target.by == "subtitles"
    if is_given and one.text is None and (asked is None or SOURCE not in asked.wanted):
        return one
    read = _read(job, as_units(one.source_units.units, script.source))
    is_other = one.text is not None and " ".join(unicodedata.normalize("NFC", one.text.text).split()) != read.text
    return one if is_other else replace(one, text=Text(read.text, script.source, "reader", _rounded(read, 1.0)))


def read_target(script: Script, job: Job, one: Utterance) -> Utterance:
    """Fill in the target text of an utterance, if the unit-to-text model can read it."""
    target = one.target
    if one.fit is None or not isinstance(target, TranslatedUnits | GivenUnits | SpokenSound):
        return one
    if target.reading is not None and target.reading.by != "reader":  # an earlier reading is redone: its times are of another fit
        return one
    if job.reader is None or script.target not in job.reader.languages:
        return one
    natural = said(one, script.target, is_natural=True)
    read = _read(job, natural)
    words = _rounded(read, sum(one.fit.durations) / max(natural.num_steps, 1))
    return replace(one, target=replace(target, reading=Text(read.text, script.target, "reader", words)))


def _alternative_read(job: Job, target: Target, language: str) -> Target:
    """Return an alternative with its text, if it is units with durations."""
    if not isinstance(target, TranslatedUnits) or target.units.durations is None:
        return target
    read = _read(job, as_units(target.units, language))
    return replace(target, reading=Text(read.text, language, "reader", _rounded(read, 1.0)))


def _read(job: Job, units: Units) -> Transcript:
    reader = job.reader
    assert reader is not None
    made_of = (units.ids, units.durations, units.language, reader.fingerprint, job.models.arithmetic)
    return job.store.kept(Transcript, "readings", made_of, lambda: reader.read(units, units.language))


def _rounded(read: Transcript, pace: float) -> tuple[Word, ...]:
    """Return words with times rounded to milliseconds. pace: by what the times are multiplied."""
    return tuple(
        Word(word.text, round(word.start_s * pace, 3), round(word.end_s * pace, 3), word.confidence) for word in read.words
    )


# Subtitles


def cues_of(script: Script, job: Job, side: str) -> list[Cue] | None:
    """Return the subtitles of a side of the dub, in the time of the output; None if its texts are unknown."""
    clock = OutputClock(script, job.part, job.info.frame_rate)
    texts = list(_source_texts(script, clock) if side == SOURCE else _target_texts(script))
    if None in texts:
        return None
    is_own = script.is_source_timed
    cuts = [float(clock.at(cut)) for cut in script.cuts] if is_own else []
    end_s = float(clock.at(clock.part.stop)) if is_own else max(fit.output.end_s for _, fit in fitted(script))
    words = (one.words for one in texts if one is not None)
    return make_cues(words, rules_for(language_of(side, script.source, script.target)), cuts, end_s)


def _source_texts(script: Script, clock: OutputClock) -> Iterator[Transcript | None]:
    """Yield the source text of each utterance, in the time of the output; None = it was not read."""
    for one in script.utterances:
        if one.text is None:
            if one.source_units is not None:
                yield None
            continue
        if not one.text.text or not clock.part.has(one.place.start_s):
            continue
        begin, pace = float(clock.at(one.place.start_s)), 1.0
        if not script.is_source_timed and one.fit is not None and one.source_units is not None:
            source_s = float(units_to_seconds(as_units(one.source_units.units, script.source).num_steps))
            pace = one.fit.spoken_s / max(source_s, 1e-9)
        yield _timed(one.text, one.place.seconds, pace).shifted(begin)


def _target_texts(script: Script) -> Iterator[Transcript | None]:
    """Yield the target text of each utterance, in the time of the output; None = it was not read."""
    for one, fit in fitted(script):
        text = one.said
        yield None if text is None else _timed(text, fit.spoken_s).shifted(fit.output.start_s)


def _timed(text: Text, seconds: float, pace: float = 1.0) -> Transcript:
    """Return a text with a time for each word. Words without times share the `seconds` by their numbers of letters."""
    if not text.words:
        words = unicodedata.normalize("NFC", text.text).split()
        letters = [len(word) + 1 for word in words]
        share = seconds / max(sum(letters) - 1, 1)
        starts = [sum(letters[:number]) for number in range(len(words))]
        timed = (Word(word, start * share, (start + len(word)) * share, 1.0) for word, start in zip(words, starts, strict=True))
        return of_words(timed, text.language)
    words_of = (word._replace(start_s=word.start_s * pace, end_s=word.end_s * pace) for word in text.words)
    return Transcript(text.text, text.language, tuple(words_of))


def painter_of(script: Script, job: Job) -> Painter | None:
    """Return what draws subtitles into the frames; None if none were asked for."""
    asked = job.options.subtitling
    if asked is None or not asked.burnt:
        return None
    font, cues = font_file(asked.font), cues_of(script, job, asked.burnt) or []
    lacking = lacking_letters(font, "".join(line for cue in cues for line in cue.lines))
    if lacking:
        report_note(FONT_LACKS(signs=" ".join(lacking)), font)
    return Painter(cues, font)


def tracks_of(script: Script, job: Job) -> list[SubtitleTrack]:
    """Return the subtitle tracks that were asked for, of the sides whose texts are known."""
    asked = job.options.subtitling
    if asked is None or not asked.is_embedded:
        return []
    found = {language_of(side, script.source, script.target): cues_of(script, job, side) for side in asked.sides}
    return [
        SubtitleTrack(language, [Subtitle(cue.start_s, cue.end_s, "\n".join(cue.lines)) for cue in cues])
        for language, cues in found.items()
        if cues is not None
    ]


def write_subtitles(script: Script, job: Job) -> None:
    """Write the subtitle files that were asked for, beside the output.

    A side without texts is left out, with a warning. An existing file is kept, unless the work folder knows that we wrote it: a
    person may have corrected it.
    """
    asked = job.options.subtitling
    if asked is None:
        return
    for side, path in asked.files(job.out, script.source, script.target).items():
        cues = cues_of(script, job, side)
        if cues is None:
            report_note(SUBTITLES_LEFT_OUT(language=language_of(side, script.source, script.target)), path)
            continue
        text = subtitle_text(path, cues)
        if not job.store.has_written(path):
            keep_other(path, text)
        write_text(path, text)
        job.store.note_written(path)
