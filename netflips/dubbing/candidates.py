"""Translation candidates (n-best) of each sentence. The best of those that fit the original's time is spoken.

How long a candidate takes is predicted before it is spoken. If no candidate will do, a program or a language model is asked again,
with the reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from avcore.contracts import Voice
from avcore.errors import InputError
from avcore.notes import Note, Notes
from avcore.timeline import units_to_seconds
from avcore.units import Units
from avcore.words import KOREAN
from netflips.cascade.adequacy import (
    ANSWER_FAULTS,
    AnswerFault,
    ask_for_hangul_names,
    fault_in,
    is_no_question,
    names_spelled_out,
    why_again,
)
from netflips.cascade.amounts import AmountDifference, compare_amounts
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.glossary import terms_in, with_terms
from netflips.cascade.habits import as_compared, cleaned
from netflips.cascade.program import ProgramTranslator
from netflips.dubbing.part import Part
from netflips.dubbing.sentences import WholeSentence, shared_out
from netflips.dubbing.store import Store
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit
from netflips.dubbing.timing import comfortable_s, duration_scale
from netflips.dubbing.translators import AnyTranslator, CachingTranslator, shown_by
from netflips.quality_estimation import Cause, translation_fault
from netflips.script.notes import (
    AMOUNTS_DIFFER,
    ECHOED,
    EMPTY,
    LEFT_ALONE,
    NAMES_SPELLED_OUT,
    NO_TRANSLATION,
    NOT_TRANSLATED,
    QUESTION_LOST,
    REPEATED,
    TERMS_MISSED,
)
from netflips.script.targets import TranslatedFrom, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import NATURAL_SPEED, Utterance
from text2unit.script import as_pronounced

AGAIN = 3
"""Times that a sentence is asked for again."""
_MOST_TAKES = 8
"""Other candidates of a sentence that are kept in the script."""
_MUCH_WORSE = 0.5
"""A candidate whose mean log-probability of a piece is lower than the best one's by more than this is not used for its length."""
_LEVELS = {"존댓말": "polite", "반말": "plain", "해요체": "polite", "합니다체": "polite", "해체": "plain"}
"""Levels of politeness as a program gets them; a language model gets the name of the level."""
_REASONS = {"loop": REPEATED, "echo": ECHOED, "untranslated": EMPTY}
"""Why an utterance is left alone, by the cause that its translation was no use."""


class TranslationCandidate(NamedTuple):
    """A translation that may be spoken."""

    text: str
    score: float | None = None
    """mean log-probability, None = not known"""
    put: Mapping[str, str] = MappingProxyType({})
    """glossary terms that were put in, by the word of the original"""
    missed: tuple[str, ...] = ()
    """glossary terms that it lacks"""
    amounts: AmountDifference = AmountDifference()
    """amounts of the original that it lacks, and others that it has"""
    spelled_out: tuple[str, ...] = ()
    """names in Latin letters"""
    is_statement: bool = False
    """whether it is a statement where the original is a question"""
    seconds: float | None = None
    """how long it takes, None = it cannot be spoken"""

    @property
    def num_faults(self) -> int:
        """Number of its faults."""
        return len(self.missed) + sum(map(len, self.amounts)) + len(self.spelled_out) + self.is_statement

    def speed(self, slot_s: float, available_s: float) -> float:
        """Return the speed at which it fits into the original's time, 1 = natural, if it may take up to `available_s`."""
        return 1.0 if not self.seconds else max(min(self.seconds / slot_s, 1.0), self.seconds / available_s)

    def fits(self, slot_s: float, available_s: float) -> bool:
        """Return whether it is spoken at about its natural speed."""
        return self.seconds is not None and NATURAL_SPEED[0] <= self.speed(slot_s, available_s) <= NATURAL_SPEED[1]


def best_candidate(candidates: Sequence[TranslationCandidate], slot_s: float, available_s: float) -> TranslationCandidate:
    """Return the candidate that is spoken: of those that can be spoken, and have the fewest faults, the first that fits, or the
    nearest.

    candidates: one or more, the best first. slot_s, available_s: as in `TranslationCandidate.speed`.
    """
    rest = [one for one in candidates if one.seconds] or list(candidates)
    least = min(one.num_faults for one in rest)
    rest = [one for one in rest if one.num_faults == least]

    # The pause behind the original is used only if no candidate fits without it.
    fitting = [one for limit_s in (slot_s, available_s) for one in rest if one.fits(slot_s, limit_s)]
    # In logarithms, twice as fast is as far off as half as fast.
    return fitting[0] if fitting else min(rest, key=lambda one: abs(log(one.speed(slot_s, available_s))))


def with_best_units(
    one: Utterance, candidates: Sequence[TranslatedUnits], voice: Voice, slack_s: float, scale: float
) -> Utterance:  # fmt: skip
    """Return an utterance with its target: of the unit translator's candidates, the best first, the one that fits its time.

    The others are kept as alternatives. A single candidate is taken as it is. voice: predicts durations. slack_s: how far the
    utterance may go into the pause after it. scale: of its speaker's durations.
    """
    if len(candidates) == 1:
        return replace(one, target=candidates[0])

    timed = list[tuple[TranslationCandidate, TranslatedUnits]]()
    for made in candidates:
        score = 0.0 if made.score is None else made.score
        if (timed and score < (timed[0][0].score or 0.0) - _MUCH_WORSE) or not made.units.ids:
            continue
        spoken = voice.predict_durations(Units(np.array(made.units.ids, np.int64), None, voice.language, made.units.vocabulary))
        seconds = float(units_to_seconds(spoken.num_steps))
        timed.append((TranslationCandidate("", score, seconds=seconds), replace(made, units=UnitList.of(spoken))))
    if not timed:
        return replace(one, target=candidates[0])

    # A slow speaker needs less natural speech for the same time.
    times = one.place.seconds, comfortable_s(one.place.seconds, slack_s)
    best = best_candidate([candidate for candidate, _ in timed], *(time_s / scale for time_s in times))
    others = tuple(units for candidate, units in timed if candidate is not best)[:_MOST_TAKES]
    return replace(one, target=next(units for candidate, units in timed if candidate is best), alternatives=others)


@dataclass(frozen=True)
class SentenceTranslator:
    """Translates the sentences of a script."""

    script: Script
    part: Part
    """the part that is dubbed"""
    translator: AnyTranslator
    texts: TextToUnit | ProgramSpeech
    """speaks the translations, so it knows how long each takes"""
    store: Store
    notes: Notes
    glossary: Mapping[str, str] = field(default_factory=dict)
    """translations of terms, by the word of the original"""
    title: str = ""
    """name of the video, for a language model"""
    keep_sound: bool = False
    """whether a program's speech keeps its sound, and so its rate"""
    anew: Mapping[int, str] = field(default_factory=dict)
    """a key for the request of each utterance that is to be translated once more, by its number"""
    sources: dict[str, str] = field(default_factory=dict)
    """the source sentence of each translation, by the letters of the translation"""

    def __post_init__(self) -> None:
        for one in self.script.utterances:
            if one.text is not None and isinstance(one.target, WrittenText):
                self._note(WholeSentence((one,)), one.target.text)

    def _note(self, sentence: WholeSentence, text: str) -> None:
        self.sources.setdefault(as_compared(text), sentence.text)

    def of(self, sentences: Sequence[WholeSentence]) -> dict[int, Utterance]:
        """Return the utterances of sentences, by number, with their targets; a note says why one has none."""
        done, translator = dict[int, Utterance](), self.translator
        if isinstance(translator, CachingTranslator):
            made = [self._by_model(translator, one) for one in sentences]
        else:
            made = self._by_program(translator, sentences)

        for sentence, found in zip(sentences, made, strict=True):
            if isinstance(found, Note):
                for one in sentence.pieces:
                    self.notes.add(found, one.number)
                continue

            best = best_candidate(found, *self._times(sentence))
            others = [one for one in found if one is not best][:_MOST_TAKES]
            targets = self._shared(sentence, best)
            if targets is None:  # fewer words than pieces: each piece is a sentence of its own then
                done |= self.of([WholeSentence((one,)) for one in sentence.pieces])
                continue

            if best.missed:
                self.notes.add(TERMS_MISSED(terms=", ".join(best.missed)), sentence.number)
            if any(best.amounts):
                missed, added = map(", ".join, best.amounts)
                self.notes.add(AMOUNTS_DIFFER(missed=missed, added=added), sentence.number)
            if best.is_statement:
                self.notes.add(QUESTION_LOST(), sentence.number)

            self._note(sentence, best.text)
            takes = [take for one in others if (take := self._shared(sentence, one)) is not None]
            for place, one in enumerate(sentence.pieces):
                if one.target is None:
                    done[one.number] = replace(one, target=targets[place], alternatives=tuple(take[place] for take in takes))
        return done

    def _shared(self, sentence: WholeSentence, candidate: TranslationCandidate) -> list[WrittenText] | None:
        """Return the target of each piece of a sentence; None if the candidate has too few words."""
        if len(sentence.pieces) == 1:
            translation = TranslatedFrom(sentence.text, candidate.text, candidate.score, candidate.put)
            return [WrittenText(candidate.text, "cascade", translation, seconds=candidate.seconds)]

        parts = shared_out(candidate.text, [one.place.seconds for one in sentence.pieces])
        if parts is None:
            return None

        puts = [{term: korean for term, korean in candidate.put.items() if korean in part} for part in parts]
        made = [TranslatedFrom(sentence.text, part, candidate.score, put) for part, put in zip(parts, puts, strict=True)]
        return [WrittenText(one.text, "cascade", one, seconds=self.texts.seconds_of(one.text)) for one in made]

    def _times(self, sentence: WholeSentence) -> tuple[float, float]:
        """Return how long a sentence is in the original (s), and how long it may be before it is made faster.

        Both are divided by the speaker's duration scale: less natural speech fits a slow speaker.
        """
        slack, scale = self.part.slack, self._scale(sentence.pieces[0].speaker)
        easy = (comfortable_s(one.place.seconds, float(slack[one.number])) for one in sentence.pieces)
        return sentence.seconds / scale, sum(easy) / scale

    def _scale(self, speaker: str) -> float:
        return duration_scale(self.script.speaker(speaker).rate, self.keep_sound)

    def _judged(
        self, sentence: WholeSentence, texts: Iterable[tuple[str, float | None]], others: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[list[TranslationCandidate], Cause | AnswerFault | None]:
        """Return the texts that are a translation as candidates, and the fault of the last one that is not.

        others: answers for other sentences, in the form of `sources`. The same answer for another sentence is a fault.
        """
        terms, found, fault = terms_in(sentence.text, self.glossary), list[TranslationCandidate](), None
        source, target, translator = sentence.text, self.script.target, self.translator
        # A model may translate a term by itself otherwise than within a sentence; a program got the glossary with its request.
        model = translator if isinstance(translator, CachingTranslator) else None
        alone = None if model is None else lambda other: model.candidates(other, self.script.source, target)[0].text

        for text, score in texts:
            wrong: Cause | AnswerFault | None = None
            if model is None:
                text = cleaned(text, source, sentence.pieces[0].speaker)
                wrong = fault_in(text, source, target, {**self.sources, **others}, self._examples)
                if wrong == "same":
                    self.sources.setdefault(as_compared(text), source)  # nobody knows which of them it is of
            if wrong := wrong or translation_fault(text, source, target, sentence.seconds):
                fault = wrong
                continue

            termed = with_terms(source, text, terms, alone)
            found.append(
                TranslationCandidate(
                    termed.text,
                    score,
                    termed.put,
                    termed.missed,
                    compare_amounts(source, termed.text, (self.script.source, target), terms.values()),
                    names_spelled_out(as_pronounced(termed.text, self.texts.readings), target) if model is None else (),
                    is_no_question(source, termed.text) if target == KOREAN else False,
                    self.texts.seconds_of(termed.text),
                )
            )
        return found, fault

    @cached_property
    def _examples(self) -> dict[str, str]:
        return shown_by(self.translator)

    # By a model of a folder

    def _by_model(self, model: CachingTranslator, sentence: WholeSentence) -> list[TranslationCandidate] | Note:
        texts = model.candidates(sentence.text, self.script.source, self.script.target)
        found, fault = self._judged(sentence, (one for one in texts if one.score >= texts[0].score - _MUCH_WORSE))
        return found or self._left_alone(fault)

    def _left_alone(self, fault: Cause | AnswerFault | None) -> Note:
        if fault in ANSWER_FAULTS:
            return LEFT_ALONE(reason=NO_TRANSLATION.code, language=self.script.target)
        return LEFT_ALONE(reason=_REASONS.get(fault or "untranslated", EMPTY).code, language=self.script.target)

    # By a program or a language model

    def _by_program(
        self, translator: ProgramTranslator | ChatTranslator, sentences: Sequence[WholeSentence]
    ) -> list[list[TranslationCandidate] | Note]:
        """Ask for all sentences, and again for those without a candidate that will do."""
        found: dict[int, list[TranslationCandidate]] = {one.number: [] for one in sentences}
        notes, by_number = dict[int, Note](), {one.number: one for one in sentences}
        todo = {one.number: (one, dict[str, Any]()) for one in sentences}

        # Each round asks for all open sentences together: a language model gets neighbours in one request.
        for tried in range(AGAIN + 1):
            answers = self._answers(translator, [self._request(one, again) for one, again in todo.values()])
            if isinstance(answers, InputError):
                why = "; ".join(filter(None, (f"{answers.what}: {answers.found}" if answers.found else answers.what, answers.hint)))
                notes |= dict.fromkeys(todo, LEFT_ALONE(reason=NOT_TRANSLATED.code, error=why))
                break

            for number, (sentence, _) in list(todo.items()):
                known = {one.text for one in found[number]}
                others = {
                    as_compared(cleaned(text, by_number[other].text)): by_number[other].text
                    for other, texts in answers.items()
                    for text in (*texts, *(one.text for one in found[other]))
                    if other != number
                }
                made, fault = self._judged(sentence, ((text, None) for text in answers[number]), others)
                new = [one for one in made if one.text not in known]
                found[number] += new
                again = self._again(sentence, found[number], new, fault)
                # Who answers the same again although told why will not do better: the rest of the tries is saved.
                is_stubborn = tried > 0 and not new and bool(known)
                if again is None or is_stubborn:
                    del todo[number]
                else:
                    todo[number] = sentence, again
                    notes[number] = self._left_alone(fault) if answers[number] else LEFT_ALONE(reason=EMPTY.code)
            if not todo:
                break

        # A language model can write names in Hangul; if it did not after three more requests, such candidates are dropped.
        if isinstance(translator, ChatTranslator):
            for number, candidates in found.items():
                found[number] = [one for one in candidates if not one.spelled_out]
                if candidates and not found[number]:
                    notes[number] = LEFT_ALONE(reason=NAMES_SPELLED_OUT.code, names=", ".join(candidates[0].spelled_out))
        return [found[one.number] or notes.get(one.number) or self._left_alone(None) for one in sentences]

    def _again(
        self,
        sentence: WholeSentence,
        found: Sequence[TranslationCandidate],
        new: Sequence[TranslationCandidate],
        fault: Cause | AnswerFault | None,
    ) -> dict[str, Any] | None:
        """Return why a sentence is asked for again; None = one of its candidates will do."""
        if not found:
            return {"reason": why_again(fault, self.script.target)}

        best = best_candidate(found, *self._times(sentence))
        missed, added = best.amounts
        if missed and added:
            return {"reason": f"the line says {', '.join(missed)}, and not {', '.join(added)}", "text": best.text}
        if best.missed or missed:
            return {"reason": f"it lacks {', '.join((*best.missed, *missed))}", "text": best.text}
        if added:
            return {"reason": f"the line does not say {', '.join(added)}", "text": best.text}
        if best.spelled_out:
            return {"reason": ask_for_hangul_names(best.spelled_out), "text": best.text}
        if best.is_statement:
            return {"reason": "the line is a question: ask it", "text": best.text}
        if best.fits(*self._times(sentence)):
            return None

        last = best_candidate(new, *self._times(sentence)) if new else best
        if last.seconds is None:
            return {"reason": "it has signs that cannot be read aloud", "text": last.text}
        wanted_length = "shorter" if last.seconds > sentence.seconds else "longer"
        reason = f"it takes {last.seconds:.1f} s where there are {sentence.seconds:.1f} s: say it {wanted_length}"
        return {"reason": reason, "text": last.text, "seconds": round(last.seconds, 2)}

    @cached_property
    def _speakers(self) -> list[str]:
        return list(dict.fromkeys(one.speaker for one in self.part.utterances(self.script)))

    @cached_property
    def _context(self) -> list[dict[str, Any]]:
        """The whole recording's text, as context of each request."""
        spoken = self.part.utterances(self.script)
        return [{"number": one.number, "speaker": one.speaker, "text": one.text.text} for one in spoken if one.text is not None]

    def _request(self, sentence: WholeSentence, again: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request for a sentence."""
        speaker, slot_s = sentence.pieces[0].speaker, sentence.seconds
        level, syllable_s = self.script.speaker(speaker).level, self.texts.syllable_s * self._scale(speaker)
        others = [one for one in self._speakers if one != speaker]
        return {
            "number": sentence.number,
            "pieces": [one.number for one in sentence.pieces],
            "text": sentence.text,
            "source": self.script.source,
            "target": self.script.target,
            "speaker": speaker,
            "to": ", ".join(others),
            "level": level if isinstance(self.translator, ChatTranslator) else _LEVELS.get(level, level),
            "seconds": round(slot_s, 2),
            "syllables": [round(speed * slot_s / syllable_s) for speed in NATURAL_SPEED],
            "glossary": terms_in(sentence.text, self.glossary),
        } | ({"again": dict(again)} if again else {})

    def _answers(
        self, translator: ProgramTranslator | ChatTranslator, requests: Sequence[Mapping[str, Any]]
    ) -> dict[int, list[str]] | InputError:
        """Return the texts of each request by its number, made or found; empty for one without an answer.

        A translator gets the whole recording as context, but only a change of the sentence itself makes a new request.
        """
        left_out = ("number", "pieces", "syllables", "speaker", "to")  # an answer depends on all but these

        keys = dict[int, tuple[object, ...]]()
        for one in requests:
            anew = {self.anew[number] for number in one["pieces"] if number in self.anew}
            keys[one["number"]] = translator.key, {name: value for name, value in one.items() if name not in left_out}, *anew

        kept = {number: self.store.find(tuple[str, ...], "translated", key) for number, key in keys.items()}
        found = {number: list(texts) for number, texts in kept.items() if texts is not None}
        new = [one for one in requests if one["number"] not in found]
        if new:
            more = {"title": self.title, "context": self._context}
            try:
                made = translator.candidates([{**one, **more} for one in new])
            except InputError as error:
                # Returned, not raised: answers of earlier tries are used in spite of it.
                return error
            for number, texts in made.items():
                self.store.keep("translated", keys[number], tuple(texts))
            found |= made
        return {one["number"]: found.get(one["number"], []) for one in requests}
