"""Translates the sentences of a script by a model, a program or a language model, and judges what comes.

If no candidate will do, a program or a language model is asked again, with the reason; so are all sentences that share a fault.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from avcore.errors import InputError
from avcore.notes import Note, Notes
from avcore.progress import Progress, silent
from netflips.cascade.adequacy import ANSWER_FAULTS, AnswerFault, ask_for_hangul_names, fault_in, names_spelled_out, why_again
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.glossary import terms_in, with_terms
from netflips.cascade.habits import as_compared, cleaned
from netflips.cascade.program import ProgramTranslator
from netflips.cascade.run_faults import RunFault, find_run_faults
from netflips.dubbing.candidates import MOST_TAKES, MUCH_WORSE, TranslationCandidate, best_candidate
from netflips.dubbing.losses import lacks, losses_in
from netflips.dubbing.part import Part
from netflips.dubbing.sentences import WholeSentence, shared_out
from netflips.dubbing.store import Store
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit
from netflips.dubbing.timing import comfortable_s, duration_scale
from netflips.dubbing.translators import AnyTranslator, CachingTranslator, shown_by
from netflips.quality_estimation import Cause, translation_fault
from netflips.script.notes import (
    AMOUNTS_DIFFER,
    ANSWERS_OVERLAP,
    ANSWERS_SHIFTED,
    ECHOED,
    EMPTY,
    LEFT_ALONE,
    MANY_AMOUNTS_DIFFER,
    NAMES_SPELLED_OUT,
    NO_TRANSLATION,
    NOT_TRANSLATED,
    REPEATED,
    TAIL_SHARED,
    TERMS_MISSED,
    TOO_LONG,
)
from netflips.script.targets import TranslatedFrom, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import NATURAL_SPEED, Utterance
from text2unit.nouns import stands_in
from text2unit.script import as_pronounced

AGAIN = 3
"""Times that a sentence is asked for again."""
_LEVELS = {"존댓말": "polite", "반말": "plain", "해요체": "polite", "합니다체": "polite", "해체": "plain"}
"""Levels of politeness as a program gets them; a language model gets the name of the level."""
_RUNS = {
    "shifted": "your answers are out of step: this is not the answer to this line",
    "overlap": "it also says what belongs to a line beside it: translate this line alone",
    "tail": "it ends in the same words as your other answers, which this line does not say",
}
"""Why a translation is asked for once more, by the kind of `RunFault`."""
_RUN_NOTES = {"shifted": ANSWERS_SHIFTED, "overlap": ANSWERS_OVERLAP, "tail": TAIL_SHARED}
_MANY, _MANY_OF = 3, 0.25
"""From this many on, and this share of all translations, amounts that differ are told in one line."""
_MOST_TIMES = 2.0
"""A text of many letters for its time is too long if it takes more than so many times as long as there is."""
_REASONS = {"loop": REPEATED, "echo": ECHOED, "untranslated": EMPTY}
"""Why an utterance is left alone, by the cause that its translation was no use."""


class _Refused(NamedTuple):
    """A text that is no translation."""

    fault: Cause | AnswerFault
    text: str
    seconds: float | None = None
    """how long it takes, None = not known"""


class _Made(NamedTuple):
    """What was made of a sentence."""

    sentence: WholeSentence
    found: "list[TranslationCandidate] | Note"
    """its candidates, or why there are none"""
    best: TranslationCandidate | None

    @property
    def text(self) -> str:
        """Its translation, "" = there is none."""
        return "" if self.best is None else self.best.text


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
    leave_faulty: bool = False
    """whether a sentence whose translation has a fault after all tries keeps its sound"""
    again: int = AGAIN
    """times that a sentence is asked for again"""
    sources: dict[str, str] = field(default_factory=dict)
    """the source sentence of each translation, by the letters of the translation"""
    _amounts: dict[int, Note] = field(default_factory=dict)
    """notes of amounts that differ, by number, which are told together"""

    def __post_init__(self) -> None:
        for utterance in self.script.utterances:
            if utterance.text is not None and isinstance(utterance.target, WrittenText):
                self._note(WholeSentence((utterance,)), utterance.target.text)

    def _note(self, sentence: WholeSentence, text: str) -> None:
        self.sources.setdefault(as_compared(text), sentence.text)

    def of(self, sentences: Sequence[WholeSentence], progress: Progress = silent) -> dict[int, Utterance]:
        """Return the utterances of sentences, by number, with their targets; a note says why one has none."""
        made, together = list[_Made](), self.translator.together
        for start in range(0, len(sentences), together):
            group = sentences[start : start + together]
            for sentence, found in zip(group, self._translate(group), strict=True):
                made.append(_Made(sentence, found, None if isinstance(found, Note) else self._best(sentence, found)))
            progress("translate", len(made), len(sentences))

        made, faults = self._ask_runs_again(made)
        of_run, done = {place: fault for fault in reversed(faults) for place in fault.places}, dict[int, Utterance]()
        for place, one in enumerate(made):
            done |= self._said(one, of_run.get(place))
        self._tell(made, faults)
        return done

    def _translate(self, group: Sequence[WholeSentence]) -> "list[list[TranslationCandidate] | Note]":
        if isinstance(self.translator, CachingTranslator):
            return [self._by_model(self.translator, one) for one in group]
        return self._by_program(self.translator, group)

    def _best(self, sentence: WholeSentence, found: Sequence[TranslationCandidate]) -> TranslationCandidate:
        best = best_candidate(found, *self._times(sentence))
        self._note(sentence, best.text)
        return best

    # Faults of many translations together

    def _ask_runs_again(self, made: "list[_Made]") -> "tuple[list[_Made], list[RunFault]]":
        """Ask again for the sentences whose answers are out of step, or say more than them; also return the faults that stay."""
        faults, made, translator = self._run_faults(made), list(made), self.translator
        if isinstance(translator, CachingTranslator):
            return made, faults
        why = {place: _RUNS[fault.kind] for fault in reversed(faults) for place in fault.places}
        for place in why:  # an answer may be right for another sentence
            self.sources.pop(as_compared(made[place].text), None)

        places = sorted(why)
        for start in range(0, len(places), translator.together):
            group = places[start : start + translator.together]
            reasons = {made[place].sentence.number: {"reason": why[place], "text": made[place].text} for place in group}
            again = self._by_program(translator, [made[place].sentence for place in group], reasons)
            for place, found in zip(group, again, strict=True):
                sentence = made[place].sentence
                if isinstance(found, Note):
                    self._note(sentence, made[place].text)
                else:
                    made[place] = _Made(sentence, found, self._best(sentence, found))
        return made, self._run_faults(made) if why else faults

    def _run_faults(self, made: "Sequence[_Made]") -> list[RunFault]:
        sources, texts = [one.sentence.text for one in made], [one.text for one in made]
        languages = self.script.source, self.script.target

        @cache
        def lost(place: int, other: int) -> bool | None:
            return lacks(sources[place], texts[other], languages, self._names)

        return find_run_faults(sources, texts, lost)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Names of the glossary as the talk writes them, each with its translation."""
        found = dict[str, str]()
        for one in self._context:
            for term, korean in terms_in(one["text"], self.glossary).items():
                word = re.search(re.escape(term), one["text"], re.IGNORECASE)
                if word is not None and word[0][0].isupper():
                    found[word[0]] = korean
        return found

    # What is said and told

    def _said(self, made: "_Made", fault: RunFault | None) -> dict[int, Utterance]:
        """Return the utterances of a sentence, by number, with their targets. fault: of many translations, which it has as well."""
        sentence, best = made.sentence, made.best
        if best is None or isinstance(made.found, Note):
            for piece in sentence.pieces:
                self.notes.add(made.found, piece.number)  # type: ignore[arg-type]
            return {}
        if self.leave_faulty and (best.num_faults or fault is not None):
            for piece in sentence.pieces:
                self.notes.add(self._why_left(best), piece.number)
            return {}

        targets = self._shared(sentence, best)
        if targets is None:  # fewer words than pieces: each piece is a sentence of its own then
            before = dict(self._amounts)
            self._amounts.clear()
            done = self.of([WholeSentence((piece,)) for piece in sentence.pieces])
            self._amounts.update(before)
            return done
        if best.missed:
            self.notes.add(TERMS_MISSED(terms=", ".join(best.missed)), sentence.number)
        for loss in best.losses if fault is None else ():  # one line tells of them all
            if loss.note.code == AMOUNTS_DIFFER.code:
                self._amounts[sentence.number] = loss.note
            else:
                self.notes.add(loss.note, sentence.number)

        others = [one for one in made.found if one is not best][:MOST_TAKES]
        takes = [take for one in others if (take := self._shared(sentence, one)) is not None]
        return {
            utterance.number: replace(utterance, target=targets[place], alternatives=tuple(take[place] for take in takes))
            for place, utterance in enumerate(sentence.pieces)
            if utterance.target is None
        }

    def _why_left(self, best: TranslationCandidate) -> Note:
        """Return why a sentence whose translation has a fault keeps its sound (leave_faulty)."""
        if best.losses:
            return LEFT_ALONE(reason=best.losses[0].note.code, **{"u": "", **best.losses[0].note.values})
        if best.missed:
            return LEFT_ALONE(reason=TERMS_MISSED.code, u="", terms=", ".join(best.missed))
        if best.spelled_out:
            return LEFT_ALONE(reason=NAMES_SPELLED_OUT.code, names=", ".join(best.spelled_out))
        return LEFT_ALONE(reason=NO_TRANSLATION.code, language=self.script.target)

    def _tell(self, made: "Sequence[_Made]", faults: Sequence[RunFault]) -> None:
        """Tell the faults of many translations, each in one line."""
        for fault in faults:
            numbers = [made[place].sentence.number for place in fault.places]
            self.notes.add(_RUN_NOTES[fault.kind](words=fault.words), *numbers)

        count, total = len(self._amounts), sum(one.best is not None for one in made)
        is_summed = count >= _MANY and count >= _MANY_OF * total
        if is_summed:
            self.notes.add(MANY_AMOUNTS_DIFFER(count=count, of=total))
        for number, note in self._amounts.items():
            (self.notes.keep if is_summed else self.notes.add)(note, number)
        self._amounts.clear()

    def _shared(self, sentence: WholeSentence, candidate: TranslationCandidate) -> list[WrittenText] | None:
        """Return the target of each piece of a sentence; None if the candidate has too few words."""
        if len(sentence.pieces) == 1:
            translation = TranslatedFrom(sentence.text, candidate.text, candidate.score, candidate.put)
            return [WrittenText(candidate.text, "cascade", translation, seconds=candidate.seconds)]

        parts = shared_out(candidate.text, [piece.place.seconds for piece in sentence.pieces])
        if parts is None:
            return None

        puts = [{term: korean for term, korean in candidate.put.items() if stands_in(part, korean)} for part in parts]
        made = [TranslatedFrom(sentence.text, part, candidate.score, put) for part, put in zip(parts, puts, strict=True)]
        return [WrittenText(one.text, "cascade", one, seconds=self.texts.seconds_of(one.text)) for one in made]

    def _times(self, sentence: WholeSentence) -> tuple[float, float]:
        """Return how long a sentence is in the original (s), and how long it may be before it is made faster.

        Both are divided by the speaker's duration scale: less natural speech fits a slow speaker.
        """
        slack, scale = self.part.slack, self._scale(sentence.pieces[0].speaker)
        easy = (comfortable_s(piece.place.seconds, float(slack[piece.number])) for piece in sentence.pieces)
        return sentence.seconds / scale, sum(easy) / scale

    def _scale(self, speaker: str) -> float:
        return duration_scale(self.script.speaker(speaker).rate, self.keep_sound)

    def _judged(
        self, sentence: WholeSentence, texts: Iterable[tuple[str, float | None]], others: Mapping[str, str] = MappingProxyType({})
    ) -> "tuple[list[TranslationCandidate], _Refused | None]":
        """Return the texts that are a translation as candidates, and the last one that is not.

        others: answers for other sentences, in the form of `sources`. The same answer for another sentence is a fault.
        """
        terms, found, refused = terms_in(sentence.text, self.glossary), list[TranslationCandidate](), None
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
            wrong = wrong or translation_fault(text, source, target, sentence.seconds)
            seconds = self.texts.seconds_of(text) if wrong == "too_long" else None
            if wrong == "too_long" and seconds is not None and seconds <= _MOST_TIMES * self._times(sentence)[1]:
                wrong = None  # the pause behind it has room
            if wrong is not None:
                refused = _Refused(wrong, text, seconds)
                continue

            termed = with_terms(source, text, terms, alone)
            found.append(
                TranslationCandidate(
                    termed.text,
                    score,
                    termed.put,
                    termed.missed,
                    losses_in(source, termed.text, (self.script.source, target), terms, self._names),
                    names_spelled_out(as_pronounced(termed.text, self.texts.readings), target) if model is None else (),
                    self.texts.seconds_of(termed.text),
                )
            )
        return found, refused

    @cached_property
    def _examples(self) -> dict[str, str]:
        return shown_by(self.translator)

    # By a model of a folder

    def _by_model(self, model: CachingTranslator, sentence: WholeSentence) -> list[TranslationCandidate] | Note:
        texts = model.candidates(sentence.text, self.script.source, self.script.target)
        found, refused = self._judged(sentence, (text for text in texts if text.score >= texts[0].score - MUCH_WORSE))
        return found or self._left_alone(sentence, refused)

    def _left_alone(self, sentence: WholeSentence, refused: "_Refused | None") -> Note:
        if refused is not None and refused.fault in ANSWER_FAULTS:
            return LEFT_ALONE(reason=NO_TRANSLATION.code, language=self.script.target)
        if refused is not None and refused.fault == "too_long" and refused.seconds is not None:
            return LEFT_ALONE(reason=TOO_LONG.code, seconds=refused.seconds, slot=sentence.seconds, text=refused.text)
        fault = "untranslated" if refused is None else refused.fault
        return LEFT_ALONE(reason=_REASONS.get(fault, EMPTY).code, language=self.script.target)

    # By a program or a language model

    def _by_program(
        self,
        translator: ProgramTranslator | ChatTranslator,
        sentences: Sequence[WholeSentence],
        reasons: Mapping[int, dict[str, Any]] = MappingProxyType({}),
    ) -> list[list[TranslationCandidate] | Note]:
        """Ask for all sentences, and again for those without a candidate that will do.

        reasons: why each is asked for once more, by number.
        """
        found: dict[int, list[TranslationCandidate]] = {one.number: [] for one in sentences}
        notes, by_number = dict[int, Note](), {one.number: one for one in sentences}
        todo = {one.number: (one, reasons.get(one.number, {})) for one in sentences}

        # Each round asks for all open sentences together: a language model gets neighbours in one request.
        for tried in range(self.again + 1):
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
                made, refused = self._judged(sentence, ((text, None) for text in answers[number]), others)
                new = [one for one in made if one.text not in known]
                found[number] += new
                again = self._again(sentence, found[number], new, refused)
                # Who answers the same again although told why will not do better: the rest of the tries is saved.
                is_stubborn = tried > 0 and not new and bool(known)
                if again is None or is_stubborn:
                    del todo[number]
                else:
                    todo[number] = sentence, again
                    notes[number] = self._left_alone(sentence, refused) if answers[number] else LEFT_ALONE(reason=EMPTY.code)
            if not todo:
                break

        # A language model can write names in Hangul; if it did not after three more requests, such candidates are dropped.
        if isinstance(translator, ChatTranslator):
            for number, candidates in found.items():
                found[number] = [candidate for candidate in candidates if not candidate.spelled_out]
                if candidates and not found[number]:
                    notes[number] = LEFT_ALONE(reason=NAMES_SPELLED_OUT.code, names=", ".join(candidates[0].spelled_out))
        return [found[one.number] or notes.get(one.number) or self._left_alone(one, None) for one in sentences]

    def _again(
        self,
        sentence: WholeSentence,
        found: Sequence[TranslationCandidate],
        new: Sequence[TranslationCandidate],
        refused: _Refused | None,
    ) -> dict[str, Any] | None:
        """Return why a sentence is asked for again; None = one of its candidates will do."""
        if not found and refused is not None and refused.seconds is not None:
            return self._in_time(sentence, refused.text, refused.seconds)
        if not found:
            return {"reason": why_again(None if refused is None else refused.fault, self.script.target)}

        best = best_candidate(found, *self._times(sentence))
        if best.missed:
            return {"reason": f"it lacks {', '.join(best.missed)}", "text": best.text}
        if best.losses:
            return {"reason": "; ".join(loss.reason for loss in best.losses), "text": best.text}
        if best.spelled_out:
            return {"reason": ask_for_hangul_names(best.spelled_out), "text": best.text}
        if best.fits(*self._times(sentence)):
            return None

        last = best_candidate(new, *self._times(sentence)) if new else best
        if last.seconds is None:
            return {"reason": "it has signs that cannot be read aloud", "text": last.text}
        return self._in_time(sentence, last.text, last.seconds)

    def _in_time(self, sentence: WholeSentence, text: str, seconds: float) -> dict[str, Any]:
        """Return the reason to ask for a text of another length."""
        wanted_length = "shorter" if seconds > sentence.seconds else "longer"
        reason = f"it takes {seconds:.1f} s where there are {sentence.seconds:.1f} s: say it {wanted_length}"
        return {"reason": reason, "text": text, "seconds": round(seconds, 2)}

    @cached_property
    def _speakers(self) -> list[str]:
        return list(dict.fromkeys(utterance.speaker for utterance in self.part.utterances(self.script)))

    @cached_property
    def _context(self) -> list[dict[str, Any]]:
        """The whole recording's text, as context of each request."""
        spoken = self.part.utterances(self.script)
        return [
            {"number": utterance.number, "speaker": utterance.speaker, "text": utterance.text.text}
            for utterance in spoken
            if utterance.text is not None
        ]

    def _request(self, sentence: WholeSentence, again: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request for a sentence."""
        speaker, slot_s = sentence.pieces[0].speaker, sentence.seconds
        level, syllable_s = self.script.speaker(speaker).level, self.texts.syllable_s * self._scale(speaker)
        others = [one for one in self._speakers if one != speaker]
        return {
            "number": sentence.number,
            "pieces": [piece.number for piece in sentence.pieces],
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
        for request in requests:
            anew = {self.anew[number] for number in request["pieces"] if number in self.anew}
            keys[request["number"]] = (
                translator.key,
                {name: value for name, value in request.items() if name not in left_out},
                *anew,
            )

        kept = {number: self.store.find(tuple[str, ...], "translated", key) for number, key in keys.items()}
        found = {number: list(texts) for number, texts in kept.items() if texts is not None}
        new = [request for request in requests if request["number"] not in found]
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
        return {request["number"]: found.get(request["number"], []) for request in requests}
