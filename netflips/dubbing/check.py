"""The ASR check: each utterance is recognized and measured once it is spoken, before frames are drawn.

What fails is spoken again in another way, a few times.

Quality estimation (`quality.py`) predicts; this measures. An installed recognizer transcribes the new speech with one beam and no
sampling, so that it writes the same when a dub is resumed. If the check itself fails, that is reported and the dub goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from types import MappingProxyType
from typing import Literal

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Transcript
from avcore.errors import NetflipsError
from avcore.notes import Note, Notes
from avcore.progress import Progress, silent
from avcore.speech.audio import resample
from avcore.speech.figures import is_spoken, leak
from avcore.speech.voice_activity import STEP_RATE
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from avcore.words import ENGLISH, KOREAN
from netflips.cascade.amounts import compare_amounts
from netflips.cascade.names import lost_names
from netflips.dubbing import check_recognizer
from netflips.dubbing.approved import targets_given
from netflips.dubbing.fit import Fitter, fitter_of, with_outputs
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.measures import APART_S, How, Measurer, Spoken, in_order, is_too_slow, rounded
from netflips.dubbing.mix import parts_of_sound
from netflips.dubbing.part import OutputClock, fitted, with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import speak, synthesizer_of
from netflips.dubbing.store import CachingRecognizer
from netflips.dubbing.subtitles import known_sentences, read_target
from netflips.dubbing.target_units import TargetEncoder, target_encoder
from netflips.dubbing.text_speech import ProgramSpeech, readings_of
from netflips.recognizers.windows import packed
from netflips.script.notes import CUT, FOUND_FAULTS, HURRIED, NOT_CHECKED, NOT_RECOGNIZED
from netflips.script.targets import Target, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Attempt, SpeechFault, TimeFit, Utterance
from unit2av.lipsync.backend import backend_of

_WORDS: frozenset[SpeechFault] = frozenset({"unheard", "misheard", "missing", "repeated"})
_HELPED: Mapping[How, frozenset[SpeechFault]] = {
    "other_translation": _WORDS | {"hurried", "slow"},
    "spoken_again": _WORDS | {"voice", "clicks"},
    "slower": _WORDS,
}
"""The faults that each other way to speak an utterance may remove, in the order in which the ways are tried."""
_MOST_MORE, _SHARE_MORE = 2, 0.5
"""Further attempts at one utterance at most, and at all of them, as a share of their number."""
_OTHER_VOICE, _CLEARLY = 0.75, 0.02
"""An utterance is in another's voice below this cosine to the same speaker's other utterances in the dub, or if another speaker is
nearer by this much. The bundle's voices reach 0.8 and more to themselves, 0.6 to 0.79 to most others."""
_LEAK = 0.3
"""Share of the original's level (-10 dB) at or above which it leaks, beyond the background that plays anyway."""
_LEAST_OPEN = 2
"""This many b, m and p with open lips, or more, are a fault."""


def check(script: Script, job: Job, sound: Sound) -> Script:
    """Fill in the attempts of each utterance: its transcript and measurements. In mode "repair", what fails is spoken again."""
    options, asked = job.options, job.options.cascade_models
    mode = options.check or ("repair" if script.is_source_timed and check_recognizer.recognizer_folders(asked) else "off")
    if mode == "off":
        return script

    # The recognizer is opened here, before the clock of the step runs, as all models are.
    measurer, known = _measurer(script, job, sound), known_sentences(job)
    if measurer.recognizer is None and options.check is not None:
        job.notes.add(NOT_RECOGNIZED(language=script.target))
    checker = _Checker(
        script, measurer, target_encoder(script, job, sound), fitter_of(script, job, sound),
        lambda one: read_target(one, job.reader, script.target, known), targets_given(options.script, options.retranslated),
        job.notes, job.progress,
    )  # fmt: skip
    with job.clock.stage("check"):
        found = checker.all(repairs=mode == "repair")
        script = with_outputs(with_more(script, found), job.part, job.own_rate)
        script = _with_leaks(script, job, sound, mutes=mode == "repair")

    taken = {one.number: one.checked for one in script.utterances if one.checked is not None}
    faults = {number: FOUND_FAULTS(faults=list(one.reported)) for number, one in taken.items() if one.reported}
    again, rows = sum(one.how != "first" for one in taken.values()), [one for one in taken.values() if one.right is not None]
    length = sum(len(one.text) for one in rows)
    recognized = f"{sum((one.right or 0.0) * len(one.text) for one in rows) / length:.0%} of its text is heard; " if length else ""
    counts = again, len(taken), len(faults)
    LOG.info("%s: %s%d of %d utterances are spoken in another way, %d have faults", job.out, recognized, *counts)
    job.notes.add_each(faults)
    return script


def _measurer(script: Script, job: Job, sound: Sound) -> Measurer:
    """Return what measures the job's utterances."""
    found = check_recognizer.check_recognizer(job.models, job.options.cascade_models, script.target)
    recognizer = None
    if found is not None:
        # "check": the cascade's own transcripts may be of the same Whisper with other settings.
        recognizer = CachingRecognizer(found.recognizer, job.store, (found.fingerprint, job.models.arithmetic, "check"))

    mouth = None
    if (table := backend_of(job.lips, job.renderer).mouth_table(job.lips, job.renderer)) is not None:
        from unit2av.lipsync.mesh.table import MouthTable  # with what draws it, for which other backends need not wait

        mouth = MouthTable.load(table)

    synthesizer = synthesizer_of(script, job, sound)

    def spoken(one: Utterance) -> Samples:
        return resample(synthesizer.speak(one).samples, synthesizer.rate, SAMPLE_RATE)

    has_times, readings = found is not None and found.has_times, readings_of(script, job)
    return Measurer(spoken, recognizer, has_times, lambda: job.models.likeness_encoder, job.store, mouth, script.target, readings)


# All utterances


def taken_of(attempts: Sequence[Attempt], source: str, terms: Mapping[str, str] = MappingProxyType({})) -> int:
    """Return the index of the attempt that the dub takes: the one with the fewest faults, the first of equals.

    An attempt is not taken if less of its text is recognized than of the first attempt's, or if it loses a number or a name of the
    source text that the first one has. source: "" = not known. terms: of the talk, with what is spoken for each.
    """
    first = attempts[0]

    def rank(place: int) -> tuple[bool, int]:
        one = attempts[place]
        is_less = (one.right or 0.0) < (first.right or 0.0) or loses_more(
            source, first.transcript or "", one.transcript or "", terms
        )
        return is_less, len(one.faults)

    return min(range(len(attempts)), key=rank)


def loses_more(source: str, text: str, other: str, terms: Mapping[str, str]) -> bool:
    """Return whether another translation of a source text, or its transcript, has fewer of the source's numbers or names."""
    (amounts, names), (amounts_before, names_before) = (
        (compare_amounts(source, one, (ENGLISH, KOREAN)).missed, lost_names(source, one, terms)) for one in (other, text)
    )
    return len(amounts) > len(amounts_before) or len(names) > len(names_before)


def _meaning(one: Utterance) -> str:
    """Return the source text that an utterance is the translation of, "" = not known."""
    return "" if not isinstance(one.target, WrittenText) or one.target.translation is None else one.target.translation.of


@dataclass(eq=False)
class _Checker:
    """Measures all utterances, and speaks those otherwise that fail."""

    script: Script
    measurer: Measurer
    encoder: TargetEncoder
    fitter: Fitter
    read: Callable[[Utterance], Utterance]
    """fills in the target text that a model can read"""
    given: frozenset[int]
    """numbers of the utterances whose target a person gave"""
    notes: Notes
    progress: Progress = silent
    spoken: dict[int, Spoken] = field(default_factory=dict)
    """first attempts, by number of the utterance"""
    repeats_itself: bool = False
    """whether the program that speaks made the same sound when it was asked again"""

    @cached_property
    def terms(self) -> dict[str, str]:
        """Names and terms of the talk, with what is spoken for each, or proposed."""
        return {one.word: one.spoken or one.proposed for one in self.script.terms}

    def all(self, repairs: bool) -> dict[int, Utterance]:
        """Return the utterances with their attempts, by number. repairs: those that fail are spoken again."""
        placed = {one.number: one for one, _ in fitted(self.script)}
        ranks = {number: rank for rank, number in enumerate(placed, 1)}
        for numbers in packs_of(self.script.utterances):
            pack = [placed[number] for number in numbers if number in placed]
            for one, transcript in zip(pack, self.measurer.transcribe_together(pack), strict=True):
                found = self._measured(one, "first", transcript)
                if transcript is not None and found is not None and _WORDS & set(found.attempt.faults):
                    found = self._measured(one, "first")  # by itself: its neighbours may have confused the recognizer
                if found is not None:
                    self.spoken[one.number] = found
            if pack:
                self.progress("check", ranks[pack[-1].number], len(placed))

        # Only now, when all are spoken, can each be compared with the rest of the dub.
        left, known = max(round(_SHARE_MORE * len(placed)), 1), dict[int, Utterance]()
        firsts = [replace(first, attempt=self._among_others(first)) for first in self.spoken.values()]
        # The attempts left are shared by all: speech that is only slow has the least to win from them, so it comes last.
        for first in sorted(firsts, key=lambda one: set(one.attempt.faults) <= {"slow"}):
            number = first.utterance.number
            best, attempts, others = first, [first], self._others(first) if repairs and first.attempt.faults else iter(())
            while left and len(attempts) <= _MOST_MORE and best.attempt.faults and (other := next(others, None)) is not None:
                attempts, left = [*attempts, replace(other, attempt=self._among_others(other))], left - 1
                best = attempts[taken_of([one.attempt for one in attempts], _meaning(first.utterance), self.terms)]

            if best is not first:
                # The note on its place is that of another attempt by now.
                before = self.notes.of.get(number, [])
                self.notes.of[number] = [one for one in before if one.code not in (HURRIED.code, CUT.code)]
                if best.note is not None:
                    self.notes.add(best.note, number)

            checked = tuple(one.attempt._replace(is_chosen=one is best) for one in attempts)
            known[number] = replace(best.utterance, attempts=checked)
        return known

    def _others(self, first: Spoken) -> Iterator[Spoken]:
        """Yield further attempts at an utterance that may remove its faults. Each is spoken only when it is asked for."""
        one, faults = first.utterance, set(first.attempt.faults)
        ways: list[tuple[How, Utterance]] = []
        for take in self._candidates(one):  # the translation of before becomes an alternative
            takes = (*([] if one.target is None else [one.target]), *(other for other in one.alternatives if other is not take))
            ways.append(("other_translation", replace(one, target=take, alternatives=takes)))

        # A text-to-unit model would say the same again; a program may sample.
        if isinstance(one.target, WrittenText) and isinstance(self.encoder.texts(), ProgramSpeech):
            # The take is part of the key: else the store would return the same sound.
            again = (replace(one.target, take=number) for number in range(1, _MOST_MORE + 1))
            ways += [("spoken_again", replace(one, target=target)) for target in again]

        if one.fit is not None and (one.fit.speed or 1.0) > 1.0:
            ways.append(("slower", one))

        for how, other in ways:
            if not faults & _HELPED[how] or (how == "spoken_again" and self.repeats_itself):
                continue
            try:
                placed, note = self._placed(other, is_slow=how == "slower")
            except NetflipsError:  # what cannot be spoken is no way out; a bug of ours is not hidden
                LOG.debug("utterance %d, %s", one.number, how, exc_info=True)
                continue
            if placed is None:
                continue

            # Spoken at the same length with the same units it would only sound the same.
            now, before = placed.fit or TimeFit(one.place), one.fit or TimeFit(one.place)
            is_same = now.durations == before.durations and placed.units == one.units
            self.repeats_itself |= is_same and how == "spoken_again"
            is_longer, is_shorter = now.natural_s >= before.natural_s, now.natural_s <= before.natural_s
            if is_same or (faults <= {"hurried"} and is_longer) or (faults <= {"slow"} and is_shorter):
                continue
            found = self._measured(placed, how)
            if found is not None:
                yield replace(found, note=note)

    def _placed(self, one: Utterance, is_slow: bool) -> tuple[Utterance | None, Note | None]:
        """Return an utterance with other speech in its place, and the note on that; None where nothing can be spoken.

        is_slow: the same units, slower. Raises NetflipsError.
        """
        if is_slow and one.units is not None:
            ready, units = one, one.units
        else:
            encoded = self.encoder.encode(one)
            if isinstance(encoded, Note):
                return None, None
            ready, units = encoded
        time_fit, note = self.fitter.fit(ready, units, is_slow=is_slow)
        return self.read(replace(ready, units=units, fit=time_fit)), note

    def _measured(self, one: Utterance, how: Literal["first"] | How, transcript: Transcript | None = None) -> Spoken | None:
        """Speak and measure an utterance; None, with a note, where that fails. transcript: if it is known."""
        try:
            return self.measurer.measured(one, how, transcript)
        except NetflipsError as error:
            LOG.debug("check of utterance %d", one.number, exc_info=True)
            self.notes.add(NOT_CHECKED(error=error.what), one.number)
            return None

    def _candidates(self, one: Utterance) -> list[Target]:
        """Return other translations that the dub may take by itself.

        There are none of what a person gave, nor of a piece of a longer sentence. None loses a number or a name.
        """
        target = one.target
        if one.number in self.given:
            return []

        # What is hurried needs a shorter translation, and what is slow a longer one: others cost an attempt for nothing.
        if isinstance(target, WrittenText) and target.seconds is not None and (fit := one.fit) is not None:
            timed = [(take, (take.seconds or 0.0) - target.seconds) for take in one.alternatives if isinstance(take, WrittenText)]
            if fit.is_hurried:
                one = replace(one, alternatives=tuple(take for take, longer_s in timed if longer_s < 0))
            elif is_too_slow(fit.speed):
                one = replace(one, alternatives=tuple(take for take, longer_s in timed if longer_s > 0))

        if not isinstance(target, WrittenText) or target.translation is None:
            return list(one.alternatives)
        of = target.translation.of
        if one.text is None or of != one.text.text:
            return []
        written = (take for take in one.alternatives if isinstance(take, WrittenText))
        return [take for take in written if not loses_more(of, target.text, take.text, self.terms)]

    def _among_others(self, spoken: Spoken) -> Attempt:
        """Return an attempt with the faults that show only beside the rest of the dub: open lips, and another's voice.

        Open lips count only if they are open more than once, or in all utterances. A voice is compared with the dub, not with the
        original: a vocoder changes each voice in its own way.
        """
        faults, (shut, stay) = set(spoken.attempt.faults), spoken.lips
        if stay >= shut and (stay >= _LEAST_OPEN or (stay and self._stay_open)):
            faults.add("open_lips")

        own = self._likeness(spoken, spoken.utterance.speaker)
        if own is None:
            return spoken.attempt._replace(faults=in_order(faults))
        names = (name for name in self._speakers if name != spoken.utterance.speaker)
        others = [one for one in (self._likeness(spoken, name) for name in names) if one is not None]
        other = max(others, default=None)
        if own < _OTHER_VOICE or (other is not None and other > own + _CLEARLY):
            faults.add("voice")
        return spoken.attempt._replace(own_voice=rounded(own), other_voice=rounded(other), faults=in_order(faults))

    @cached_property
    def _speakers(self) -> tuple[str, ...]:
        """Names of the speakers whose utterances are spoken."""
        return tuple(dict.fromkeys(spoken.utterance.speaker for spoken in self.spoken.values()))

    @cached_property
    def _stay_open(self) -> bool:
        """Whether lips stay open at half or more of all b, m and p of the dub."""
        shut, stay = (sum(one.lips[place] for one in self.spoken.values()) for place in (0, 1))
        return stay >= max(shut, _LEAST_OPEN)

    def _likeness(self, spoken: Spoken, speaker: str) -> float | None:
        """Return how like a speaker's other utterances an utterance sounds: the cosine that most of them reach.

        None where there are fewer than two others, or it is too short.
        """
        rest = [
            other.voice
            for other in self.spoken.values()
            if other.utterance.speaker == speaker and other.utterance.number != spoken.utterance.number and other.voice is not None
        ]
        if spoken.voice is None or len(rest) < 2:
            return None
        # Not the mean: one of the others may itself be in a wrong voice.
        return float(np.sort(np.stack(rest) @ spoken.voice)[::-1][(len(rest) + 1) // 2 - 1])


def packs_of(utterances: Sequence[Utterance]) -> Iterator[list[int]]:
    """Yield the numbers of all utterances in order, as many together as a window of Whisper holds.

    They are packed by their times in the original, so that a changed text leaves the other packs as they are, with their
    kept transcripts.
    """
    for pack in packed([one.place.seconds + APART_S for one in utterances]):
        yield [utterances[k].number for k in pack]


# The original under the dub


def _with_leaks(script: Script, job: Job, sound: Sound, mutes: bool) -> Script:
    """Fill in how loud the original voice is under each utterance in the final mix.

    mutes: where it leaks, the background behind the utterance is left out.
    """
    is_mute = job.options.background == "mute" and job.background is None
    if not sound.is_there or not script.is_source_timed or is_mute or job.options.under:
        return script

    # Quiet, since the same sound is mixed once more when it is written: each note would come twice.
    quiet, rate = replace(job, notes=Notes(is_quiet=True), progress=silent), job.sound_rate
    try:
        behind = _background_share(sound)
        mixed = (new + rest for new, rest in parts_of_sound(script, quiet, speak(script, quiet, Recording(job.info, sound)), sound))
        pieces = _mixed_pieces(script, OutputClock(script, job.part, job.own_rate), mixed, rate)
        found = {number: leak(made, sound.between(*place)) for number, place, made in pieces}
    except NetflipsError as error:  # the same sound is mixed when it is written, and what is wrong is reported there
        LOG.debug("leak", exc_info=True)
        job.notes.add(NOT_CHECKED(error=error.what))
        return script

    known = dict[int, Utterance]()
    for one in script.utterances:
        taken = one.checked
        if taken is not None and one.number in found:
            more: tuple[SpeechFault, ...] = ("leak",) if found[one.number] > _LEAK + behind else ()
            faults = in_order({*taken.faults, *more})
            with_it = taken._replace(leak=round(found[one.number], 3), faults=faults, is_dry=mutes and bool(more))
            known[one.number] = replace(one, attempts=tuple(with_it if attempt is taken else attempt for attempt in one.attempts))
    return with_more(script, known)


def _background_share(sound: Sound) -> float:
    """Return the level of the sound outside of speech, as a share of the level within it."""
    powers = 10 ** (sound.activity.levels.astype(np.float64) / 10)  # of 32 ms each: the sound itself may last for hours
    at = [(int(one.start_s * STEP_RATE), ceil(one.end_s * STEP_RATE)) for one in sound.regions]
    spoken = is_spoken(at, len(powers))
    if spoken.all() or not spoken.any():
        return 0.0
    return float(np.sqrt(powers[~spoken].mean() / max(powers[spoken].mean(), 1e-12)))


def _mixed_pieces(
    script: Script, clock: OutputClock, mixed: Iterable[Samples], rate: int
) -> Iterator[tuple[int, tuple[float, float], Samples]]:
    """Yield each utterance's number, place in the recording (s) and mixed sound, float32 [S] at 16 kHz.

    mixed: sound of the output in blocks, float32 [time, channel] at `rate` Hz.
    """
    places = ((one.number, (one.place.start_s, one.place.end_s)) for one, _ in fitted(script))
    wanted = [(number, place, seconds_to_samples(clock.at(place[0]), rate)) for number, place in places]
    held, first = np.zeros(0, np.float32), 0

    for block in mixed:
        held = np.concatenate([held, block.mean(axis=1, dtype=np.float32)])
        while wanted:
            number, place, start = wanted[0]
            stop = start + seconds_to_samples(place[1] - place[0], rate)
            if first + len(held) < stop:
                break
            yield number, place, resample(held[start - first : stop - first], rate, SAMPLE_RATE)
            del wanted[0]
        # Only sound that an utterance to come may need is held: memory stays flat.
        keep_from = min(wanted[0][2], first + len(held)) if wanted else first + len(held)
        held, first = held[max(keep_from - first, 0) :], max(keep_from, first)
