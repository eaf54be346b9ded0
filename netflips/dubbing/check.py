"""The ASR check: each utterance is recognised and measured once it is spoken, before frames are drawn.

What fails is spoken otherwise, a few times.

Quality estimation (`quality.py`) predicts; this measures. An installed recognizer transcribes the new speech with one beam and no
sampling, so that it writes the same when a dub is resumed. If the check itself fails, that is reported and the dub goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from avcore.arrays import Floats, Samples
from avcore.contracts import SpeakerVoice, Transcript
from avcore.errors import NetflipsError, NoSpeechError, reason
from avcore.notes import Note, Notes
from avcore.progress import silent
from avcore.speech.audio import resample
from avcore.speech.figures import count_clicks, is_spoken, leak
from avcore.speech.voice_activity import STEP_RATE
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from netflips.aligned import phonemes_in
from netflips.cascade.adequacy import lost_numbers
from netflips.cascade.names import lost_names
from netflips.dubbing import check_recognizer
from netflips.dubbing.approved import targets_given
from netflips.dubbing.fit import OutputClock, fit_one, fitted, said, with_outputs
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.mix import parts_of_sound
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import speak, speak_one
from netflips.dubbing.stems import background_of
from netflips.dubbing.subtitles import read_target
from netflips.dubbing.target_units import target_units_of
from netflips.dubbing.voices import voice_for
from netflips.recognizers.windows import WindowPart, packed, recognised_together
from netflips.script.notes import CUT, FOUND_FAULTS, HURRIED, NOT_CHECKED, NOT_RECOGNISED
from netflips.script.types import FAULTS, Attempt, Fault, Script, Target, TimeFit, Utterance, WrittenText
from unit2av.lipsync.backend import table_of

if TYPE_CHECKING:
    from unit2av.lipsync.mesh.table import MouthTable

How = Literal["candidate", "alternative", "slower"]
_WORDS: frozenset[Fault] = frozenset({"unheard", "misheard", "missing", "repeated"})
_HELPED: Mapping[How, frozenset[Fault]] = {
    "candidate": _WORDS | {"hurried", "slow"},
    "alternative": _WORDS | {"voice", "clicks"},
    "slower": _WORDS,
}
"""The faults that each way to speak an utterance otherwise may remove, in the order in which the ways are tried."""
_MOST_MORE, _SHARE_MORE = 2, 0.5
"""Further attempts at one utterance at most, and at all of them, as a share of their number."""
_SLOW = 0.9
"""Pace below which speech is noticeably slower than natural."""
_SURE_S = 1.6
"""A window of the speaker encoder: in shorter speech a voice is not recognised."""
_OTHER_VOICE, _CLEARLY = 0.75, 0.02
"""An utterance is in another's voice below this cosine to the same speaker's other utterances in the dub, or if another speaker is
nearer by this much. The bundle's voices reach 0.8 and more to themselves, 0.6 to 0.79 to most others."""
_CLICKS_A_SECOND, _LEAST_CLICKS = 3.0, 4
"""Clicks from which on they are a fault. The bundle's lowest voices have 1.6 a second, most have none."""
_LEAK = 0.3
"""Share of the original's level (-10 dB) from which on it leaks, beyond the background that plays anyway."""
_OPEN, _PRESSED, _REACH_S = 0.15, 0.6, 0.06
"""Lips are closed if the mouth table's opening is below the first, or its pressing above the second, within these seconds of a b,
m or p."""
_LEAST_OPEN = 2
"""Open lips are a fault from so many b, m and p on."""
_APART_S, _PEAK = 1.0, 0.5
"""Silence in seconds between two utterances that are transcribed together, and the peak that each is scaled to."""
_CLOSING = "bmp"


def check(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in the attempts of each utterance: its transcript and measurements. What fails is spoken otherwise, in mode "repair"."""
    mode = job.options.check or ("repair" if script.is_source_timed and check_recognizer.recognizer_folders(job) else "off")
    if mode == "off":
        return script

    checker = _Checker(script, job, sound)
    # The recognizer is opened here, before the clock of the step runs, as all models are.
    if checker.recognizer is None and job.options.check is not None:
        job.notes.add(NOT_RECOGNISED(language=script.target))
    with job.clock.stage("check"):
        found = checker.all(repairs=mode == "repair")
        script = with_outputs(with_more(script, found), job)
        script = _with_leaks(script, job, sound, mutes=mode == "repair")

    taken = {one.number: one.checked for one in script.utterances if one.checked is not None}
    faults = {number: FOUND_FAULTS(faults=list(one.faults)) for number, one in taken.items() if one.faults}
    again, rows = sum(one.how != "first" for one in taken.values()), [one for one in taken.values() if one.right is not None]
    length = sum(len(one.text) for one in rows)
    recognised = f"{sum((one.right or 0.0) * len(one.text) for one in rows) / length:.0%} of its text is heard; " if length else ""
    LOG.info("%s: %s%d of %d utterances are said otherwise, %d have faults", job.out, recognised, again, len(taken), len(faults))
    job.notes.add_each(faults)
    return script


# All utterances


def taken_of(attempts: Sequence[Attempt], source: str, terms: Mapping[str, str] = MappingProxyType({})) -> int:
    """Return the index of the attempt that the dub takes: the one with the fewest faults, the first of equals.

    An attempt is not taken if less of its text is recognised than of the first attempt's, or if it loses a number or a name of the
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
    numbers, names = ((lost_numbers(source, one), lost_names(source, one, terms)) for one in (other, text))
    return any(len(one) > len(before) for one, before in zip(numbers, names, strict=True))


def _meaning(one: Utterance) -> str:
    """Return the source text that an utterance is the translation of, "" = not known."""
    return "" if not isinstance(one.target, WrittenText) or one.target.translation is None else one.target.translation.of


@dataclass(frozen=True, eq=False)
class _Spoken:
    """An utterance that was spoken, and what was measured."""

    one: Utterance
    attempt: Attempt
    voice: Floats | None
    """its speaker embedding, float32 [E]; None = it is too short"""
    lips: tuple[int, int] = (0, 0)
    """number of b, m and p at which the lips close, and at which they do not"""
    notes: Sequence[Note] = ()
    """messages about its place in time"""


@dataclass(eq=False)
class _Checker:
    script: Script
    job: Job
    sound: Sound | None
    spoken: dict[int, _Spoken] = field(default_factory=dict)
    """first attempts, by number of the utterance"""
    voices: dict[str, SpeakerVoice] = field(default_factory=dict)
    """by name of the speaker"""
    repeats_itself: bool = False
    """whether the program that speaks made the same sound when it was asked again"""

    @cached_property
    def recognizer(self) -> check_recognizer.CheckRecognizer | None:
        return check_recognizer.check_recognizer(self.job, self.script.target)

    @cached_property
    def given(self) -> frozenset[int]:
        return targets_given(self.job.options.script, self.job.options.retranslate)

    @cached_property
    def terms(self) -> dict[str, str]:
        """Names and terms of the talk, with what is spoken for each, or proposed."""
        return {one.word: one.said or one.proposed for one in self.script.terms}

    def all(self, repairs: bool) -> dict[int, Utterance]:
        """Return the utterances with their attempts, by number. repairs: those that fail are spoken otherwise."""
        placed = {one.number: one for one, _ in fitted(self.script)}
        ranks = {number: rank for rank, number in enumerate(placed, 1)}
        for numbers in packs_of(self.script.utterances):
            pack = [placed[number] for number in numbers if number in placed]
            for one, transcript in zip(pack, self._transcribe_together(pack), strict=True):
                found = self._measured(one, "first", transcript)
                if transcript is not None and found is not None and _WORDS & set(found.attempt.faults):
                    found = self._measured(one, "first")  # by itself: its neighbours may have confused the recognizer
                if found is not None:
                    self.spoken[one.number] = found
            if pack:
                self.job.progress("check", ranks[pack[-1].number], len(placed))

        left, known = max(round(_SHARE_MORE * len(placed)), 1), dict[int, Utterance]()
        firsts = [replace(first, attempt=self._among_others(first)) for first in self.spoken.values()]
        # The attempts left are shared by all: speech that is only slow has the least to win from them, so it comes last.
        for first in sorted(firsts, key=lambda one: set(one.attempt.faults) <= {"slow"}):
            number = first.one.number
            best, attempts, others = first, [first], self._others(first) if repairs and first.attempt.faults else iter(())
            while left and len(attempts) <= _MOST_MORE and best.attempt.faults and (other := next(others, None)) is not None:
                attempts, left = [*attempts, replace(other, attempt=self._among_others(other))], left - 1
                best = attempts[taken_of([one.attempt for one in attempts], _meaning(first.one), self.terms)]
            if best is not first:
                # The notes on its place are those of another attempt by now.
                before = self.job.notes.of.get(number, [])
                self.job.notes.of[number] = [one for one in before if one.code not in (HURRIED.code, CUT.code)]
                for note in best.notes:
                    self.job.notes.add(note, number)
            checked = tuple(one.attempt._replace(is_taken=one is best) for one in attempts)
            known[number] = replace(best.one, attempts=checked)
        return known

    def _others(self, first: _Spoken) -> Iterator[_Spoken]:
        """Yield further attempts at an utterance that may remove its faults. Each is spoken only when it is asked for."""
        one, faults = first.one, set(first.attempt.faults)
        ways: list[tuple[How, Utterance, bool]] = []
        for take in self._candidates(one):  # the translation of before becomes an alternative
            takes = (*([] if one.target is None else [one.target]), *(other for other in one.alternatives if other is not take))
            ways.append(("candidate", replace(one, target=take, alternatives=takes), False))
        if isinstance(one.target, WrittenText) and self.job.speaking is not None:
            again = (replace(one.target, take=number) for number in range(1, _MOST_MORE + 1))
            ways += [("alternative", replace(one, target=target), False) for target in again]
        if one.fit is not None and (one.fit.pace or 1.0) > 1.0:
            ways.append(("slower", one, True))

        for how, other, is_slow in ways:
            if not faults & _HELPED[how] or (how == "alternative" and self.repeats_itself):
                continue
            quiet = replace(self.job, notes=Notes(is_quiet=True))
            try:
                ready = other if is_slow else target_units_of(self.script, quiet, other, self.sound)
                if ready is None:
                    continue
                placed = read_target(self.script, quiet, fit_one(self.script, quiet, ready, self.sound, is_slow=is_slow))
            except NetflipsError:  # what cannot be spoken is no way out; a bug of ours is not hidden
                LOG.debug("utterance %d, another %s", one.number, how, exc_info=True)
                continue

            # Spoken at the same length with the same units it would only sound the same.
            now, before = placed.fit or TimeFit(one.place), one.fit or TimeFit(one.place)
            is_same = now.durations == before.durations and placed.units == one.units
            self.repeats_itself |= is_same and how == "alternative"
            is_longer, is_shorter = now.natural_s >= before.natural_s, now.natural_s <= before.natural_s
            if is_same or (faults <= {"hurried"} and is_longer) or (faults <= {"slow"} and is_shorter):
                continue
            found = self._measured(placed, how)
            if found is not None:
                yield replace(found, notes=quiet.notes.of.get(one.number, ()))

    def _candidates(self, one: Utterance) -> list[Target]:
        """Return other translations that the dub may take by itself.

        There are none of what a person gave, nor of a piece of a longer sentence. None loses a number or a name.
        """
        target = one.target
        if one.number in self.given:
            return []
        if isinstance(target, WrittenText) and target.seconds is not None and (fit := one.fit) is not None:
            timed = [(take, (take.seconds or 0.0) - target.seconds) for take in one.alternatives if isinstance(take, WrittenText)]
            if fit.is_hurried:
                one = replace(one, alternatives=tuple(take for take, longer_s in timed if longer_s < 0))
            elif is_too_slow(fit.pace):
                one = replace(one, alternatives=tuple(take for take, longer_s in timed if longer_s > 0))
        if not isinstance(target, WrittenText) or target.translation is None:
            return list(one.alternatives)
        of = target.translation.of
        if one.text is None or of != one.text.text:
            return []
        written = (take for take in one.alternatives if isinstance(take, WrittenText))
        return [take for take in written if not loses_more(of, target.text, take.text, self.terms)]

    # One attempt

    def _speech(self, one: Utterance) -> Samples:
        if one.speaker not in self.voices:
            self.voices[one.speaker] = voice_for(self.script, self.job, self.sound, one.speaker)
        samples = speak_one(self.script, self.job, self.sound, one, self.voices[one.speaker]).samples
        return resample(samples, self.job.sound_rate(self.script), SAMPLE_RATE)

    def _measured(self, one: Utterance, how: Literal["first"] | How, transcript: Transcript | None = None) -> _Spoken | None:
        """Speak an utterance, transcribe and measure it; None, with a note, where that fails. transcript: if it is known."""
        job = self.job
        try:
            speech, text = self._speech(one), "" if one.said is None else job.with_readings(one.said.text)
            transcript = (transcript or self._transcript(speech)) if text else None
            right: float | None = None
            faults = set[Fault]()
            if transcript is not None:
                right, faults = check_recognizer.compared(transcript, text, self.script.target, len(speech))

            clicks, closed = count_clicks(speech), self._closed(one, speech, text)
            if clicks >= max(_LEAST_CLICKS, _CLICKS_A_SECOND * len(speech) / SAMPLE_RATE):
                faults.add("clicks")
            assert one.fit is not None  # it has its place
            if one.fit.is_hurried or one.fit.cut_s:
                faults.add("hurried")
            if is_too_slow(one.fit.pace):
                faults.add("slow")

            share = closed[0] / sum(closed) if any(closed) else None
            attempt = Attempt(
                how=how,
                text=text,
                transcript=None if transcript is None else transcript.text,
                right=_rounded(right),
                pace=_rounded(one.fit.pace),
                clicks=clicks,
                closed=_rounded(share),
                faults=_in_order(faults),
            )
            return _Spoken(one, attempt, self._voice_of(speech), closed)
        except Exception as error:  # recognizers and encoders are others' libraries: whatever they fail at, the dub goes on
            LOG.debug("check of utterance %d", one.number, exc_info=True)
            job.notes.add(NOT_CHECKED(error=error.what if isinstance(error, NetflipsError) else reason(error)), one.number)
            return None

    def _transcript(self, speech: Samples) -> Transcript | None:
        return None if self.recognizer is None else self._recognised(speech)

    def _recognised(self, speech: Samples) -> Transcript:
        """Return the recognizer's transcript, made or found; there must be a recognizer."""
        recognizer, language = self.recognizer, self.script.target
        assert recognizer is not None
        made_of = (speech, language, recognizer.fingerprint, self.job.models.arithmetic, "check")
        return self.job.store.kept(Transcript, "heard", made_of, lambda: recognizer.recognizer.transcribe(speech, language))

    def _transcribe_together(self, pack: Sequence[Utterance]) -> list[Transcript | None]:
        """Return the transcripts of utterances that together fill half a minute; None where each is to be transcribed by itself.

        A window of Whisper takes as long for one utterance as for several.
        """
        if self.recognizer is None or not self.recognizer.has_times or len(pack) < 2:
            return [None] * len(pack)
        around = np.zeros(seconds_to_samples(_APART_S / 2), np.float32)
        try:
            pieces = list[WindowPart]()
            for one in pack:
                speech = self._speech(one)
                level = _PEAK / max(float(np.abs(speech).max(initial=0.0)), 1e-6)
                pieces.append(WindowPart(np.concatenate([around, speech * level, around]), -_APART_S / 2))
            return [*recognised_together(pieces, self._recognised)]
        except Exception:  # each is transcribed by itself then, where what fails is reported
            LOG.debug("check of several utterances", exc_info=True)
            return [None] * len(pack)

    def _closed(self, one: Utterance, speech: Samples, text: str) -> tuple[int, int]:
        """Return at how many b, m and p the lips will close, and at how many not.

        Both are 0 where that is not known before frames are drawn, or the times of the phonemes are not known.
        """
        table = self._mouth
        units = said(one, self.script.target)
        if table is None or not text or not len(units) or not len(speech):
            return 0, 0
        try:
            spoken = phonemes_in(speech, text, self.script.target)
        except NetflipsError:  # espeak-ng cannot say it
            return 0, 0
        moves = table.parameters(units)
        times = (np.arange(len(moves)) + 0.5) / FRAME_RATE
        near = [moves[(times > start - _REACH_S) & (times < end + _REACH_S)] for name, start, end in spoken if name[0] in _CLOSING]
        closes = [rows[:, 0].min() < _OPEN or rows[:, 2].max() > _PRESSED for rows in near if len(rows)]
        count = int(np.sum(closes))
        return count, len(closes) - count

    @cached_property
    def _mouth(self) -> "MouthTable | None":
        from unit2av.lipsync.mesh.table import MouthTable

        path = table_of(self.job.lips, self.job.renderer) if self.job.lips.name == "mesh" else None
        return None if path is None else MouthTable.load(path)

    # Voices

    def _voice_of(self, speech: Samples) -> Floats | None:
        if samples_to_seconds(len(speech)) < _SURE_S:
            return None
        encoder = self.job.models.likeness_encoder
        try:
            return self.job.store.kept(np.ndarray, "voices", (speech, encoder.fingerprint), lambda: encoder.embed(speech))
        except NoSpeechError:
            return None

    def _among_others(self, spoken: _Spoken) -> Attempt:
        """Return an attempt with the faults that show only beside the rest of the dub: open lips, and another's voice.

        Lips must stay open more than once, or as all do. A voice is compared with the dub, not with the original: a vocoder changes
        each voice in its own way.
        """
        faults, (shut, stay) = set(spoken.attempt.faults), spoken.lips
        if stay >= shut and (stay >= _LEAST_OPEN or (stay and self._stay_open)):
            faults.add("open_lips")
        own = self._likeness(spoken, spoken.one.speaker)
        if own is None:
            return spoken.attempt._replace(faults=_in_order(faults))
        names = (name for name in self._speakers if name != spoken.one.speaker)
        others = [one for one in (self._likeness(spoken, name) for name in names) if one is not None]
        other = max(others, default=None)
        if own < _OTHER_VOICE or (other is not None and other > own + _CLEARLY):
            faults.add("voice")
        return spoken.attempt._replace(own_voice=_rounded(own), other_voice=_rounded(other), faults=_in_order(faults))

    @cached_property
    def _speakers(self) -> tuple[str, ...]:
        """Names of the speakers whose utterances are spoken."""
        return tuple(dict.fromkeys(one.one.speaker for one in self.spoken.values()))

    @cached_property
    def _stay_open(self) -> bool:
        """Whether lips stay open at half or more of all b, m and p of the dub."""
        shut, stay = (sum(one.lips[place] for one in self.spoken.values()) for place in (0, 1))
        return stay >= max(shut, _LEAST_OPEN)

    def _likeness(self, spoken: _Spoken, speaker: str) -> float | None:
        """Return how like a speaker's other utterances an utterance sounds: the cosine that most of them reach.

        None where there are fewer than two others, or it is too short.
        """
        rest = [
            one.voice
            for one in self.spoken.values()
            if one.one.speaker == speaker and one.one.number != spoken.one.number and one.voice is not None
        ]
        if spoken.voice is None or len(rest) < 2:
            return None
        return float(np.sort(np.stack(rest) @ spoken.voice)[::-1][(len(rest) + 1) // 2 - 1])


def packs_of(utterances: Sequence[Utterance]) -> Iterator[list[int]]:
    """Yield the numbers of all utterances in order, as many together as a window of Whisper holds.

    They are packed by their times in the original, so that another text of one, or none, leaves all others in their packs: their
    transcripts are found again.
    """
    for pack in packed([one.place.seconds + _APART_S for one in utterances]):
        yield [utterances[k].number for k in pack]


def is_too_slow(pace: float | None) -> bool:
    """Return whether speech is noticeably slower than natural."""
    return pace is not None and round(pace, 3) < _SLOW


def _in_order(faults: set[Fault]) -> tuple[Fault, ...]:
    return tuple(one for one in FAULTS if one in faults)


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)


# The original under the dub


def _with_leaks(script: Script, job: Job, sound: Sound | None, mutes: bool) -> Script:
    """Fill in how loud the original voice is under each utterance in the final mix.

    mutes: where it leaks, the background behind the utterance is left out.
    """
    is_mute = job.options.background == "mute" and background_of(job) is None
    if sound is None or not script.is_source_timed or is_mute or job.options.under:
        return script
    quiet = replace(job, notes=Notes(is_quiet=True), progress=silent)
    try:
        behind = _background_share(sound)
        found = {number: leak(made, sound.between(*place)) for number, place, made in _mixed_pieces(script, quiet, sound)}
    except NetflipsError as error:  # the same sound is mixed when it is written, and what is wrong is reported there
        LOG.debug("leak", exc_info=True)
        job.notes.add(NOT_CHECKED(error=error.what))
        return script

    known = dict[int, Utterance]()
    for one in script.utterances:
        taken = one.checked
        if taken is not None and one.number in found:
            more: tuple[Fault, ...] = ("leak",) if found[one.number] > _LEAK + behind else ()
            faults = _in_order({*taken.faults, *more})
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


def _mixed_pieces(script: Script, job: Job, sound: Sound) -> Iterator[tuple[int, tuple[float, float], Samples]]:
    """Yield each utterance's number, place in the recording (s) and mixed sound, float32 [S] at 16 kHz."""
    rate, clock = job.sound_rate(script), OutputClock(script, job)
    places = ((one.number, (one.place.start_s, one.place.end_s)) for one, _ in fitted(script))
    wanted = [(number, place, seconds_to_samples(clock.at(place[0]), rate)) for number, place in places]
    held, first, speech = np.zeros(0, np.float32), 0, speak(script, job, sound)
    for new, rest in parts_of_sound(script, job, speech, sound):
        held = np.concatenate([held, (new + rest).mean(axis=1, dtype=np.float32)])
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
