"""Speech that is given: files of the user for utterances, or one track along the recording.

It becomes units (av2unit), and either keeps its sound or is spoken again in the speaker's voice. All of it is kept in the store by
what it was made from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Extractor
from avcore.errors import InputError, MediaError, NetflipsError, NoSpeechError
from avcore.journal import file_digest
from avcore.media import MediaSource, probe
from avcore.notes import Note, Notes
from avcore.progress import Progress, silent
from avcore.progress import track as tracked
from avcore.speech.audio import faster, resample
from avcore.timeline import (
    SAMPLE_RATE,
    Interval,
    samples_to_seconds,
    samples_to_units,
    seconds_to_samples,
    seconds_to_units,
    units_to_samples,
    units_to_seconds,
)
from avcore.units import Ids, Units
from netflips.cascade.speakers import words_of
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import with_more
from netflips.dubbing.recording import sound_of
from netflips.dubbing.schedules import GivenAudio
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech_files import SPEECH_IN, match_pauses, numbered_files, speech_in, stretches_in
from netflips.dubbing.store import Store
from netflips.dubbing.text_speech import GIVEN, ProgramSpeech, TextToUnit, encoded
from netflips.models import Models
from netflips.script.files import file_beside
from netflips.script.notes import LEFT_ALONE, NOT_USABLE, NOTHING_GIVEN, SPEECH_LEFT_OUT
from netflips.script.targets import GivenUnits, KeptOriginal, SpokenSound, Text, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance

# Files of utterances


def with_given_speech(script: Script, job: Job, path: Path) -> Script:
    """Fill in the speech of --speech-in as targets, except where the script has speech, units or the original as a target.

    path: file or folder of that speech. A text of the script becomes the reading of the speech. Raises InputError for a folder or
    track that does not belong to the recording.
    """
    utterances = [
        utterance
        for utterance in job.part.utterances(script)
        if not isinstance(utterance.target, SpokenSound | GivenUnits | KeptOriginal)
    ]
    found: dict[int, tuple[str, Interval | None]]
    if path.is_dir():
        found = {number: (file.name, None) for number, file in numbered_files(path, len(script.utterances)).items()}
    else:
        taken = _in_track(path, _sound_beside(MediaSource(path), job), script.utterances, job.notes)
        spans = {utterance.number: taken[utterance.number] for utterance in utterances if utterance.number in taken}
        found = {number: (path.name, span) for number, span in spans.items()}
        # The samples of all spans are read in one go, and found when each target is encoded.
        rate, digest = job.sound_rate if job.options.keep_sound else SAMPLE_RATE, file_digest(path)
        if any(job.store.find(np.ndarray, GIVEN, (digest, rate, *span)) is None for span in spans.values()):
            for number, samples in stretches_in(path, spans, rate):
                job.store.keep(GIVEN, (digest, rate, *spans[number]), samples)

    targets = dict[int, Utterance]()
    for utterance in utterances:
        if utterance.number not in found:
            job.notes.add(LEFT_ALONE(reason=NOTHING_GIVEN.code, name=path.name), utterance.number)
            continue
        name, span = found[utterance.number]
        text = utterance.target.text if isinstance(utterance.target, WrittenText) else ""
        reading = Text(text, job.languages[1]) if text else None
        start_s, end_s = span or (0.0, None)
        target = SpokenSound(name, from_s=start_s, to_s=end_s, keep_sound=job.options.keep_sound, reading=reading)
        targets[utterance.number] = replace(utterance, target=target)
    return with_more(script, targets)


def _in_track(path: Path, sound: Sound, utterances: Sequence[Utterance], notes: Notes) -> dict[int, Interval]:
    """Return the span of a track that belongs to each utterance, by number. sound: of the track. Raises InputError for silence."""
    if not sound.regions:
        raise InputError("no speech was found in it", path=path, hint=f"{SPEECH_IN} takes speech along the recording")
    taken, unsaid = match_pauses(sound.regions, utterances)
    if unsaid:
        spans = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in unsaid)
        notes.add(SPEECH_LEFT_OUT(name=path.name, spans=spans))
    return taken


@dataclass(frozen=True, eq=False)
class SpeechFiles:
    """The files that targets name: beside the script that asks for them, or in --speech-in."""

    store: Store
    rate: int
    """sample rate of the output in Hz"""
    script_in: Path | None
    """file of the script that was given"""
    asked: Sequence[Utterance]
    """the utterances of that script; empty: there is none"""
    speech_in: Path | None
    """file or folder of --speech-in"""

    @classmethod
    def of(cls, options: DubOptions, store: Store, rate: int) -> "SpeechFiles":
        """Return the files that options name. rate: sample rate of the output in Hz."""
        asked = () if options.script is None else options.script.utterances
        return cls(store, rate, options.script_in, asked, options.speech_in)

    def sound_of(self, utterance: Utterance, target: SpokenSound) -> Samples:
        """Return the sound of a target without the silence around it, float32 [S].

        It is at the output's rate if the target keeps its sound, else at 16 kHz. Raises NetflipsError for what cannot be speech.
        """
        path, rate = self._path_of(utterance, target), self.rate if target.keep_sound else SAMPLE_RATE
        made_of = (file_digest(path), rate, target.from_s, target.to_s)
        return self.store.kept(np.ndarray, GIVEN, made_of, lambda: speech_in(path, rate, start_s=target.from_s, end_s=target.to_s))

    def units_of(self, utterance: Utterance, target: SpokenSound, models: Models) -> UnitList | Note:
        """Return the units of a target's speech, or a note with the reason why it cannot be used."""

        try:
            samples = self.sound_of(utterance, target)
        except NetflipsError as error:
            return LEFT_ALONE(reason=NOT_USABLE.code, name=target.file, error=words_of(error))
        return encoded(resample(samples, self.rate if target.keep_sound else SAMPLE_RATE, SAMPLE_RATE), models, self.store)

    def _path_of(self, utterance: Utterance, target: SpokenSound) -> Path:
        is_asked = len(self.asked) >= utterance.number and isinstance(self.asked[utterance.number - 1].target, SpokenSound)
        if self.script_in is not None and is_asked:
            return file_beside(self.script_in, target.file)
        assert self.speech_in is not None  # files come from the script or from --speech-in
        return self.speech_in / target.file if self.speech_in.is_dir() else self.speech_in


def keeps_its_sound(utterance: Utterance, keep_sound: bool) -> bool:
    """Return whether an utterance's new speech keeps its sound, and is not spoken again in the speaker's voice.

    keep_sound: whether a program's speech does.
    """
    if isinstance(utterance.target, SpokenSound):
        return utterance.target.keep_sound
    return isinstance(utterance.target, WrittenText) and bool(utterance.target.spoken_by) and keep_sound


def kept_sound(
    utterance: Utterance, length: int, files: Callable[[], SpeechFiles], texts: Callable[[], TextToUnit | ProgramSpeech]
) -> Samples | None:
    """Return the speech of an utterance that keeps its sound, float32 [length] at the output's rate; None for all others.

    files, texts: return the files of speech, and what speaks texts. Longer speech is made faster at its pitch.
    """
    if isinstance(utterance.target, SpokenSound) and utterance.target.keep_sound:
        samples, rate = files().sound_of(utterance, utterance.target), files().rate
    elif isinstance(utterance.target, WrittenText) and utterance.target.spoken_by and isinstance(program := texts(), ProgramSpeech):
        if not program.keep_sound:
            return None
        samples, rate = program.speech_of(utterance, utterance.target.text), program.rate
    else:
        return None

    # Lengths are in whole units of 20 ms. A rest shorter than that is cut off, and is no reason to make speech faster.
    if len(samples) > length + seconds_to_samples(units_to_seconds(1), rate):
        samples = faster(samples, rate, len(samples) / length)
    samples = samples[:length]
    return np.pad(samples, (0, length - len(samples)))


# One track of any length


_PIECE, _OVERLAP = seconds_to_units(20), seconds_to_units(1)
"""Steps of a piece of a track, and steps of context that are encoded before and after it."""


def _sound_beside(source: MediaSource, job: Job) -> Sound:
    """Return the sound of a file that is used in place of the video's. Raises MediaError for a file without sound."""
    info = probe(source)
    if not info.has_audio:
        raise MediaError("it has no sound track", path=source.path, expected="sound")
    with job.clock.stage("read"):
        return sound_of(info, digest_of(info), job.store, job.progress)


def track_of(job: Job, source: MediaSource, units: UnitList | None = None) -> GivenAudio:
    """Return the speech of a file in its full length. units: units that it was made from. Raises NoSpeechError if it is empty."""
    sound = _sound_beside(source, job)
    if not sound.is_there:
        raise NoSpeechError("the speech is empty", path=source.path)
    return GivenAudio(source, sound, samples_to_seconds(sound.activity.num_samples), units=units)


def units_of_track(track: GivenAudio, models: Models, store: Store, progress: Progress = silent) -> UnitList:
    """Return the units of a track with their durations in it; empty without a unit encoder, where the lips need no units."""
    encoder = models.paths.av2unit
    if track.units is not None:
        return track.units
    if encoder is None:
        return UnitList()

    def make() -> UnitList:
        return UnitList.of(units_of_speech(models.extractor, track.sound.samples, progress, track.source.path))

    made_of = digest_of(probe(track.source)), file_digest(encoder), models.arithmetic
    return store.kept(UnitList, "units", made_of, make)


def units_of_speech(extractor: Extractor, speech: Samples, progress: Progress = silent, path: Path | None = None) -> Units:
    """Return the units of speech, float32 [S] at 16 kHz of any length, with their durations in it. It is encoded in pieces.

    path: its file, for the error message. Raises NoSpeechError if it is too short.
    """
    total = samples_to_units(len(speech))
    if not total:
        found = f"{float(samples_to_seconds(len(speech))):.3f} s"
        raise NoSpeechError("the speech is too short", path=path, expected="0.02 s or more", found=found)

    pieces, units = list[Ids](), Units.from_frames([])
    starts = range(0, total, _PIECE)
    for start in tracked(starts, "units", progress, len(starts)):
        first, stop = max(0, start - _OVERLAP), min(total, start + _PIECE + _OVERLAP)
        units = extractor.extract(np.array(speech[units_to_samples(first) : units_to_samples(stop)]), None)
        frames, count = units.frames(), stop - first
        # The encoder may return a step less or more than the speech has.
        frames = np.append(frames[:count], np.full(max(0, count - len(frames)), frames[-1] if len(frames) else 0))
        pieces.append(frames[start - first : min(start + _PIECE, total) - first])
    return Units.from_frames(np.concatenate(pieces), units.language, units.vocabulary)
