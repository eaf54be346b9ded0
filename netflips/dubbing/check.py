"""The ASR check: each utterance is recognized and measured once it is spoken, before frames are drawn.

Quality estimation (`quality.py`) predicts; this measures. An installed recognizer transcribes the new speech with one beam and no
sampling, so that it writes the same when a dub is resumed. If the check itself fails, that is reported and the dub goes on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Transcript
from avcore.errors import NetflipsError
from avcore.notes import Notes
from avcore.progress import Progress, silent
from avcore.speech.audio import resample
from avcore.speech.figures import is_spoken, leak
from avcore.speech.voice_activity import STEP_RATE
from avcore.timeline import SAMPLE_RATE, Interval, seconds_to_samples
from netflips.dubbing import check_recognizer
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.measures import APART_S, Measurer, Spoken, in_order, rounded
from netflips.dubbing.mix import parts_of_sound
from netflips.dubbing.part import OutputClock, fitted, with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import speak, synthesizer_of
from netflips.dubbing.store import CachingRecognizer
from netflips.dubbing.text_speech import readings_of
from netflips.recognizers.windows import packed
from netflips.script.notes import FOUND_FAULTS, NOT_CHECKED, NOT_RECOGNIZED
from netflips.script.types import Script
from netflips.script.utterance import Checked, SpeechFault, Utterance
from unit2av.lipsync.backend import backend_of

_WORDS: frozenset[SpeechFault] = frozenset({"unheard", "misheard", "missing", "repeated"})
_OTHER_VOICE, _CLEARLY = 0.75, 0.02
"""An utterance is in another's voice below this cosine to the same speaker's other utterances in the dub, or if another speaker is
nearer by this much. The bundle's voices reach 0.8 and more to themselves, 0.6 to 0.79 to most others."""
_LEAK = 0.3
"""Share of the original's level (-10 dB) at or above which it leaks, beyond the background that plays anyway."""
_LEAST_OPEN = 2
"""This many b, m and p with open lips, or more, are a fault."""


def check(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in what is measured of each utterance as it is spoken, `checked`, and report faults."""
    options = job.options
    is_usual = script.is_source_timed and bool(check_recognizer.recognizer_folders(job.road.recognizer))
    if options.check == "off" or (options.check is None and not is_usual):
        return script

    job.progress("check", 0, len(script.utterances))
    # The recognizer is opened here, before the clock of the step runs, as all models are.
    measurer = _measurer(script, job, recording.sound)
    if measurer.recognizer is None and options.check is not None:
        job.notes.add(NOT_RECOGNIZED(language=script.target))
    checker = _Checker(script, measurer, job.notes, job.progress)
    with job.clock.stage("check"):
        script = _with_leaks(with_more(script, checker.all()), job, recording)

    measured = {utterance.number: utterance.checked for utterance in script.utterances if utterance.checked is not None}
    faults = {number: FOUND_FAULTS(faults=list(one.reported)) for number, one in measured.items() if one.reported}
    recognized = [one for one in measured.values() if one.right is not None]
    length = sum(len(one.text) for one in recognized)
    share = f"{sum((one.right or 0.0) * len(one.text) for one in recognized) / length:.0%} of its text is heard; " if length else ""
    LOG.info("%s: %s%d of %d utterances have faults", job.out, share, len(faults), len(measured))
    job.notes.add_each(faults)
    return script


def _measurer(script: Script, job: Job, sound: Sound) -> Measurer:
    """Return what measures the job's utterances."""
    found = check_recognizer.check_recognizer(job.models, job.road.recognizer, script.target)
    recognizer = None
    if found is not None:
        # "check": the cascade's own transcripts may be of the same Whisper with other settings.
        recognizer = CachingRecognizer(found.recognizer, job.store, (found.fingerprint, job.models.arithmetic, "check"))

    mouth = None
    if (table := backend_of(job.lips, job.renderer).mouth_table(job.lips, job.renderer)) is not None:
        from unit2av.lipsync.mesh.table import MouthTable  # with what draws it, for which other backends need not wait

        mouth = MouthTable.load(table)

    synthesizer = synthesizer_of(script, job, sound)

    def spoken(utterance: Utterance) -> Samples:
        return resample(synthesizer.speak(utterance).samples, synthesizer.rate, SAMPLE_RATE)

    has_times, readings = found is not None and found.has_times, readings_of(script, job)
    return Measurer(spoken, recognizer, has_times, lambda: job.models.likeness_encoder, job.store, mouth, script.target, readings)


# All utterances


@dataclass(eq=False)
class _Checker:
    """Measures all utterances."""

    script: Script
    measurer: Measurer
    notes: Notes
    progress: Progress = silent
    spoken: dict[int, Spoken] = field(default_factory=dict)
    """what was measured, by number of the utterance"""

    def all(self) -> dict[int, Utterance]:
        """Return the utterances with what was measured of them, by number."""
        placed = {utterance.number: utterance for utterance, _ in fitted(self.script)}
        ranks = {number: rank for rank, number in enumerate(placed, 1)}
        for numbers in packs_of(self.script.utterances):
            pack = [placed[number] for number in numbers if number in placed]
            for utterance, transcript in zip(pack, self.measurer.transcribe_together(pack), strict=True):
                found = self._measured(utterance, transcript)
                if transcript is not None and found is not None and _WORDS & set(found.checked.faults):
                    found = self._measured(utterance)  # by itself: its neighbours may have confused the recognizer
                if found is not None:
                    self.spoken[utterance.number] = found
            if pack:
                self.progress("check", ranks[pack[-1].number], len(placed))

        # Only now, when all are spoken, can each be compared with the rest of the dub.
        return {number: replace(spoken.utterance, checked=self._among_others(spoken)) for number, spoken in self.spoken.items()}

    def _measured(self, utterance: Utterance, transcript: Transcript | None = None) -> Spoken | None:
        """Speak and measure an utterance; None, with a note, where that fails. transcript: if it is known."""
        try:
            return self.measurer.measured(utterance, transcript)
        except NetflipsError as error:
            LOG.debug("check of utterance %d", utterance.number, exc_info=True)
            self.notes.add(NOT_CHECKED(error=error.what), utterance.number)
            return None

    def _among_others(self, spoken: Spoken) -> Checked:
        """Return what was measured, with the faults that show only beside the rest of the dub: open lips, and another's voice.

        Open lips count only if they are open more than once, or in all utterances. A voice is compared with the dub, not with the
        original: a vocoder changes each voice in its own way.
        """
        faults, (shut, stay) = set(spoken.checked.faults), spoken.lips
        if stay >= shut and (stay >= _LEAST_OPEN or (stay and self._stay_open)):
            faults.add("open_lips")

        own = self._likeness(spoken, spoken.utterance.speaker)
        if own is None:
            return spoken.checked._replace(faults=in_order(faults))
        names = (name for name in self._speakers if name != spoken.utterance.speaker)
        others = [one for one in (self._likeness(spoken, name) for name in names) if one is not None]
        other = max(others, default=None)
        if own < _OTHER_VOICE or (other is not None and other > own + _CLEARLY):
            faults.add("voice")
        return spoken.checked._replace(own_voice=rounded(own), other_voice=rounded(other), faults=in_order(faults))

    @cached_property
    def _speakers(self) -> tuple[str, ...]:
        """Names of the speakers whose utterances are spoken."""
        return tuple(dict.fromkeys(spoken.utterance.speaker for spoken in self.spoken.values()))

    @cached_property
    def _stay_open(self) -> bool:
        """Whether lips stay open at half or more of all b, m and p of the dub."""
        shut, stay = (sum(spoken.lips[place] for spoken in self.spoken.values()) for place in (0, 1))
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
    for pack in packed([utterance.place.seconds + APART_S for utterance in utterances]):
        yield [utterances[k].number for k in pack]


# The original under the dub


def _with_leaks(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in how loud the original voice is under each utterance in the final mix."""
    sound, is_mute = recording.sound, job.options.background == "mute" and job.background is None
    if not sound.is_there or not script.is_source_timed or is_mute or job.options.under:
        return script

    # Quiet, since the same sound is mixed once more when it is written: each note would come twice.
    quiet, rate = replace(job, notes=Notes(is_quiet=True), progress=silent), job.sound_rate
    try:
        behind = _background_share(sound)
        mixed = (new + rest for new, rest in parts_of_sound(script, quiet, speak(script, quiet, recording), sound))
        pieces = _mixed_pieces(script, OutputClock(script, job.part, job.own_rate), mixed, rate)
        found = {number: leak(made, sound.between(*place)) for number, place, made in pieces}
    except NetflipsError as error:  # the same sound is mixed when it is written, and what is wrong is reported there
        LOG.debug("leak", exc_info=True)
        job.notes.add(NOT_CHECKED(error=error.what))
        return script

    known = dict[int, Utterance]()
    for utterance in script.utterances:
        if utterance.checked is not None and utterance.number in found:
            more: tuple[SpeechFault, ...] = ("leak",) if found[utterance.number] > _LEAK + behind else ()
            faults = in_order({*utterance.checked.faults, *more})
            checked = utterance.checked._replace(leak=round(found[utterance.number], 3), faults=faults)
            known[utterance.number] = replace(utterance, checked=checked)
    return with_more(script, known)


def _background_share(sound: Sound) -> float:
    """Return the level of the sound outside of speech, as a share of the level within it."""
    powers = 10 ** (sound.activity.levels.astype(np.float64) / 10)  # of 32 ms each: the sound itself may last for hours
    at = [(int(region.start_s * STEP_RATE), ceil(region.end_s * STEP_RATE)) for region in sound.regions]
    spoken = is_spoken(at, len(powers))
    if spoken.all() or not spoken.any():
        return 0.0
    return float(np.sqrt(powers[~spoken].mean() / max(powers[spoken].mean(), 1e-12)))


def _mixed_pieces(
    script: Script, clock: OutputClock, mixed: Iterable[Samples], rate: int
) -> Iterator[tuple[int, Interval, Samples]]:
    """Yield each utterance's number, place in the recording (s) and mixed sound, float32 [S] at 16 kHz.

    mixed: sound of the output in blocks, float32 [time, channel] at `rate` Hz.
    """
    wanted = [
        (utterance.number, utterance.place, seconds_to_samples(clock.at(utterance.place.start_s), rate))
        for utterance, _ in fitted(script)
    ]
    held, first = np.zeros(0, np.float32), 0

    for block in mixed:
        held = np.concatenate([held, block.mean(axis=1, dtype=np.float32)])
        while wanted:
            number, place, start = wanted[0]
            stop = start + seconds_to_samples(place.seconds, rate)
            if first + len(held) < stop:
                break
            yield number, place, resample(held[start - first : stop - first], rate, SAMPLE_RATE)
            del wanted[0]
        # Only sound that an utterance to come may need is held: memory stays flat.
        keep_from = min(wanted[0][2], first + len(held)) if wanted else first + len(held)
        held, first = held[max(keep_from - first, 0) :], max(keep_from, first)
