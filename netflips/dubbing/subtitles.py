"""Source and target units read as text, and the subtitles that are made from the texts: files, tracks, and burnt ones."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from avcore.checkpoints.bundle import bundle_of
from avcore.contracts import Transcript, Word, of_words
from avcore.files import keep_other, write_text
from avcore.media import Subtitle, SubtitleTrack
from avcore.notes import report_note
from avcore.timeline import units_to_seconds
from netflips.bundles.references import Reference, is_read_as, known_sentence, read_references
from netflips.dubbing.job import Job
from netflips.dubbing.part import OutputClock, fitted, spoken_units, with_more
from netflips.dubbing.roads.units import as_units
from netflips.dubbing.store import CachingReader, Store
from netflips.script.notes import FONT_LACKS, SUBTITLES_LEFT_OUT
from netflips.script.targets import GivenUnits, KeptOriginal, SpokenSound, Target, Text, TranslatedUnits, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from netflips.subtitles.beside import SOURCE, Subtitling, language_of, subtitle_text
from netflips.subtitles.cues import Cue, make_cues, rules_for
from netflips.subtitles.drawing import Painter, font_file, lacking_letters


def read_units_as_text(script: Script, job: Job) -> Script:
    """Fill in the source and target texts that the unit-to-text model can read.

    Target units are read with their natural durations: the model loses letters of hurried speech. The source text of utterances
    that are left alone is read too, since they are still heard; and in a draft the alternatives, from which a person may choose.
    """
    reader, asked = job.reader, job.options.subtitling
    if reader is None:
        return script
    with job.clock.stage("texts"):
        read, todo, known = dict[int, Utterance](), job.part.utterances(script), known_sentences(job)
        is_source_wanted = asked is not None and SOURCE in asked.wanted
        for utterance in todo:
            with_text = read_target(_read_source(utterance, reader, script.source, is_source_wanted), reader, script.target, known)
            if job.options.is_draft and script.target in reader.languages:
                alternatives = tuple(_alternative_read(target, reader, script.target) for target in with_text.alternatives)
                with_text = replace(with_text, alternatives=alternatives)
            read[utterance.number] = with_text
            job.progress("texts", len(read), len(todo))
        return with_more(script, read)


def _read_source(utterance: Utterance, reader: CachingReader, language: str, is_wanted: bool) -> Utterance:
    """Return an utterance with its source text. A text that is there stays; if the model reads the same, it gains times.

    If subtitles give the target text, the source is read only if source subtitles are wanted.
    """
    if utterance.source_units is None or language not in reader.languages:
        return utterance
    is_given = isinstance(utterance.target, WrittenText) and utterance.target.by == "subtitles"
    if is_given and utterance.text is None and not is_wanted:
        return utterance

    read = reader.read(as_units(utterance.source_units.units, language))
    is_other = utterance.text is not None and " ".join(unicodedata.normalize("NFC", utterance.text.text).split()) != read.text
    return utterance if is_other else replace(utterance, text=Text(read.text, language, "reader", _rounded(read, 1.0)))


def known_sentences(job: Job) -> Sequence[Reference]:
    """Return the sentences that the translator's bundle knows; none where it is from none."""
    bundle = None if job.models.paths.utut is None else bundle_of(job.models.paths.utut)
    if bundle is None or not bundle.references.is_file():
        return ()
    return job.models.kept("references", lambda: read_references(bundle.references))


def read_target(one: Utterance, reader: CachingReader | None, language: str, known: Sequence[Reference] = ()) -> Utterance:
    """Fill in the target text of an utterance, if the unit-to-text model can read it; of a known sentence, as that is spelled."""
    target = one.target
    if one.fit is None or not isinstance(target, TranslatedUnits | GivenUnits | SpokenSound):
        return one
    if target.reading is not None and target.reading.by != "reader":  # an earlier reading is redone: its times are of another fit
        return one
    if reader is None or language not in reader.languages:
        return one

    natural = spoken_units(one, language, is_natural=True)
    read = reader.read(natural)
    words = _rounded(read, sum(one.fit.durations) / max(natural.num_steps, 1))
    heard = one.text if one.quality is not None and one.quality.words == "sure" else None
    sentence = known_sentence(natural, known, "" if heard is None else heard.text)
    if sentence is None or not words:
        return replace(one, target=replace(target, reading=Text(read.text, language, "reader", words)))
    if heard is not None and heard.by == "reader" and not heard.is_by_person and is_read_as(sentence.translation, heard.text):
        one = replace(one, text=_respelled(heard, sentence.translation))
    return replace(one, target=replace(target, reading=_respelled(Text(read.text, language, "reader", words), sentence.text)))


def _respelled(read: Text, text: str) -> Text:
    """Return a text that was read in its right spelling. Its words have the times of those that were read for them."""
    words, right = read.words, text.split()
    if len(right) == len(words):
        spelled = tuple(word._replace(text=one) for word, one in zip(words, right, strict=True))
    else:
        start_s, sure = words[0].start_s, sum(word.confidence for word in words) / len(words)
        timed = _timed(Text(text), words[-1].end_s - start_s).shifted(start_s)
        spelled = tuple(word._replace(confidence=sure) for word in _rounded(timed, 1.0))
    return replace(read, text=" ".join(right), words=spelled)


def _alternative_read(target: Target, reader: CachingReader, language: str) -> Target:
    """Return an alternative with its text, if it is units with durations."""
    if not isinstance(target, TranslatedUnits) or target.units.durations is None:
        return target
    read = reader.read(as_units(target.units, language))
    return replace(target, reading=Text(read.text, language, "reader", _rounded(read, 1.0)))


def _rounded(read: Transcript, scale: float) -> tuple[Word, ...]:
    """Return words with times rounded to milliseconds. scale: by what the times are multiplied."""
    return tuple(
        Word(word.text, round(word.start_s * scale, 3), round(word.end_s * scale, 3), word.confidence) for word in read.words
    )


# Subtitles


def cues_of(script: Script, clock: OutputClock, side: str) -> list[Cue] | None:
    """Return the subtitles of a side of the dub, in the time of the output; None if its texts are unknown."""
    texts = list(_source_texts(script, clock) if side == SOURCE else _target_texts(script, clock))
    if None in texts:
        return None
    is_own = script.is_source_timed
    cuts = [float(clock.at(cut)) for cut in script.cuts] if is_own else []
    end_s = float(clock.at(clock.part.stop)) if is_own else max(fit.output.end_s for _, fit in fitted(script))
    words = (text.words for text in texts if text is not None)
    return make_cues(words, rules_for(language_of(side, script.source, script.target)), cuts, end_s)


def _source_texts(script: Script, clock: OutputClock) -> Iterator[Transcript | None]:
    """Yield the source text of each utterance, in the time of the output; None = it was not read."""
    for utterance in script.utterances:
        if utterance.text is None:
            if utterance.source_units is not None:
                yield None
            continue
        is_lost = utterance.quality is not None and utterance.quality.words == "not_understood" and not utterance.text.is_by_person
        if is_lost or not utterance.text.text or not clock.part.has(utterance.place.start_s):
            continue
        begin, scale = float(clock.at(utterance.place.start_s)), 1.0
        if not script.is_source_timed and utterance.fit is not None and utterance.source_units is not None:
            source_s = float(units_to_seconds(as_units(utterance.source_units.units, script.source).num_steps))
            scale = utterance.fit.spoken_s / max(source_s, 1e-9)
        yield _timed(utterance.text, utterance.place.seconds, scale).shifted(begin)


def _target_texts(script: Script, clock: OutputClock) -> Iterator[Transcript | None]:
    """Yield the target text of each utterance, in the time of the output, and what is shown for the original where that is kept;
    None = it was not read."""
    for utterance in script.utterances:
        if utterance.fit is not None:
            text = utterance.spoken
            yield None if text is None else _timed(text, utterance.fit.spoken_s).shifted(utterance.fit.output.start_s)
        elif isinstance(utterance.target, KeptOriginal) and utterance.target.text and clock.part.has(utterance.place.start_s):
            shown = Text(utterance.target.text, script.target)
            yield _timed(shown, utterance.place.seconds).shifted(float(clock.at(utterance.place.start_s)))


def _timed(text: Text, seconds: float, scale: float = 1.0) -> Transcript:
    """Return a text with a time for each word. Words without times share the `seconds` by their numbers of letters."""
    if not text.words:
        words = unicodedata.normalize("NFC", text.text).split()
        # Each with the space after it, which stands for the gap between two words; after the last there is none.
        letters = [len(word) + 1 for word in words]
        share = seconds / max(sum(letters) - 1, 1)
        starts = [sum(letters[:number]) for number in range(len(words))]
        timed = (Word(word, start * share, (start + len(word)) * share, 1.0) for word, start in zip(words, starts, strict=True))
        return of_words(timed, text.language)
    words_of = (word._replace(start_s=word.start_s * scale, end_s=word.end_s * scale) for word in text.words)
    return Transcript(text.text, text.language, tuple(words_of))


def painter_of(script: Script, clock: OutputClock, asked: Subtitling | None) -> Painter | None:
    """Return what draws subtitles into the frames; None if none were asked for."""
    if asked is None or not asked.burnt:
        return None
    font, cues = font_file(asked.font), cues_of(script, clock, asked.burnt) or []
    lacking = lacking_letters(font, "".join(line for cue in cues for line in cue.lines))
    if lacking:
        report_note(FONT_LACKS(signs=" ".join(lacking)), font)
    return Painter(cues, font)


def tracks_of(script: Script, clock: OutputClock, asked: Subtitling | None) -> list[SubtitleTrack]:
    """Return the subtitle tracks that were asked for, of the sides whose texts are known."""
    if asked is None or not asked.is_embedded:
        return []
    found = {language_of(side, script.source, script.target): cues_of(script, clock, side) for side in asked.sides}
    known = {language: cues for language, cues in found.items() if cues is not None}
    return [
        SubtitleTrack(
            language,
            [Subtitle(cue.start_s, cue.end_s, "\n".join(cue.lines)) for cue in cues],
            is_default=len(known) > 1 and language == script.target,
        )
        for language, cues in known.items()
    ]


def write_subtitles(script: Script, clock: OutputClock, asked: Subtitling, out: Path, store: Store) -> None:
    """Write the subtitle files that were asked for, beside the output `out`.

    A side without texts is left out, with a warning. An existing file is kept, unless the work folder knows that we wrote it: a
    person may have corrected it.
    """
    for side, path in asked.files(out, script.source, script.target).items():
        cues = cues_of(script, clock, side)
        if cues is None:
            report_note(SUBTITLES_LEFT_OUT(language=language_of(side, script.source, script.target)), path)
            continue
        text = subtitle_text(asked.form, cues, language_of(side, script.source, script.target))
        if not store.has_written(path):
            keep_other(path, text)
        write_text(path, text)
        store.note_written(path)
