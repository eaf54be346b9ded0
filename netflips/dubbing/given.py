"""Speech that is given for an utterance: the user's files, one track along the recording, or the output of a program.

It becomes units (av2unit), and either keeps its sound or is spoken again in the speaker's voice. All of it is kept in the store by
what it was made from.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Extractor
from avcore.errors import InputError, NetflipsError, NoSpeechError
from avcore.journal import file_digest, key_of
from avcore.media import MediaSource, probe
from avcore.notes import Note
from avcore.programs import command_key
from avcore.progress import Progress, silent
from avcore.progress import track as tracked
from avcore.speech.audio import faster, resample
from avcore.timeline import (
    SAMPLE_RATE,
    samples_to_seconds,
    samples_to_units,
    seconds_to_samples,
    seconds_to_units,
    units_to_samples,
    units_to_seconds,
)
from avcore.units import Ids, Units
from netflips.cascade.speakers import Speaking, SpeechError, faster_by, words_of
from netflips.dubbing.detect_speech import detect_speech
from netflips.dubbing.job import GivenAudio, Job, digest_of, voice_file
from netflips.dubbing.part import with_more
from netflips.dubbing.segmentation import Span
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech_files import SPEECH_IN, beginning_of, match_pauses, numbered_files, speech_in, stretches_in
from netflips.script.files import file_beside
from netflips.script.notes import LEFT_ALONE, NOT_TAKEN, NOTHING_GIVEN, UNSAID
from netflips.script.types import GivenUnits, KeptOriginal, Script, SpokenSound, Text, UnitList, Utterance, WrittenText

_GIVEN, _UNITS = "given", "given_units"
_REFERENCE_S = 12.0
"""Length of a voice reference (s): the longest utterance of a speaker, cut to this."""
_HARDLY_FASTER = 1.05
"""A program does not speak again to be faster by less than this factor."""


def with_given_speech(script: Script, job: Job) -> Script:
    """Fill in the speech of --speech-in as targets, except where the script has speech, units or the original as a target.

    A text of the script becomes the reading of the speech. Raises InputError for a folder or track that does not belong to the
    recording.
    """
    path = job.options.speech_in
    if path is None:
        return script

    utterances = [one for one in job.part.utterances(script) if not isinstance(one.target, SpokenSound | GivenUnits | KeptOriginal)]
    found: dict[int, tuple[str, Span | None]]
    if path.is_dir():
        found = {number: (file.name, None) for number, file in numbered_files(path, len(script.utterances)).items()}
    else:
        found = _track(script, job, path, utterances)

    targets = dict[int, Utterance]()
    for one in utterances:
        if one.number not in found:
            job.notes.add(LEFT_ALONE(reason=NOTHING_GIVEN.code, name=path.name), one.number)
            continue
        name, span = found[one.number]
        text = one.target.text if isinstance(one.target, WrittenText) else ""
        reading = Text(text, job.languages[1]) if text else None
        start_s, end_s = span or (0.0, None)
        target = SpokenSound(name, from_s=start_s, to_s=end_s, keep_sound=job.options.keep_sound, reading=reading)
        targets[one.number] = replace(one, target=target)
    return with_more(script, targets)


def _track(script: Script, job: Job, path: Path, utterances: Sequence[Utterance]) -> dict[int, tuple[str, Span | None]]:
    """Return the span of a track that belongs to each utterance, and keep the samples of all spans, which are read in one go."""
    sound = detect_speech(job, MediaSource(path))
    stretches = [] if sound is None else [(one.start_s, one.end_s) for one in sound.regions]
    if not stretches:
        raise InputError("no speech was found in it", path=path, hint=f"{SPEECH_IN} takes speech along the recording")
    taken, unsaid = match_pauses(stretches, script.utterances)
    if unsaid:
        spans = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in unsaid)
        job.notes.add(UNSAID(name=path.name, spans=spans))
    rate, digest = _rate(script, job, job.options.keep_sound), file_digest(path)
    spans_of = {one.number: taken[one.number] for one in utterances if one.number in taken}
    if any(job.store.find(np.ndarray, _GIVEN, (digest, rate, *span)) is None for span in spans_of.values()):
        for number, samples in stretches_in(path, spans_of, rate):
            job.store.keep(_GIVEN, (digest, rate, *spans_of[number]), samples)
    return {number: (path.name, span) for number, span in spans_of.items()}


def given_sound(script: Script, job: Job, one: Utterance, target: SpokenSound) -> Samples:
    """Return the sound of a target without the silence around it, float32 [S].

    It is at the output's rate if the target keeps its sound, else at 16 kHz. Raises NetflipsError for what cannot be speech.
    """
    path, rate = _path_of(job, one, target), _rate(script, job, target.keep_sound)
    made_of = (file_digest(path), rate, target.from_s, target.to_s)
    return job.store.kept(np.ndarray, _GIVEN, made_of, lambda: speech_in(path, rate, start_s=target.from_s, end_s=target.to_s))


def _path_of(job: Job, one: Utterance, target: SpokenSound) -> Path:
    """Return a target's file: beside the script that asks for it, or in --speech-in."""
    options = job.options
    asked = () if options.script is None else options.script.utterances
    if options.script_in is not None and len(asked) >= one.number and isinstance(asked[one.number - 1].target, SpokenSound):
        return file_beside(options.script_in, target.file)
    assert options.speech_in is not None  # files come from the script or from --speech-in
    return options.speech_in / target.file if options.speech_in.is_dir() else options.speech_in


def _rate(script: Script, job: Job, keep_sound: bool) -> int:
    return job.sound_rate(script) if keep_sound else SAMPLE_RATE


def units_given(script: Script, job: Job, one: Utterance, target: SpokenSound) -> UnitList | Note:
    """Return the units of a file's speech, or a note with the reason why it cannot be used."""
    try:
        samples = given_sound(script, job, one, target)
    except NetflipsError as error:
        return LEFT_ALONE(reason=NOT_TAKEN.code, name=target.file, error=words_of(error))
    return _units(job, resample(samples, _rate(script, job, target.keep_sound), SAMPLE_RATE))


def _units(job: Job, samples: Samples) -> UnitList:
    """Return the units of speech, float32 [S] at 16 kHz."""
    extractor = job.models.extractor
    made_of = (samples, job.models.fingerprints["av2unit"], str(extractor.decoding), job.models.arithmetic)
    return job.store.kept(UnitList, _UNITS, made_of, lambda: UnitList.of(extractor.extract(samples, None)))


_PIECE, _OVERLAP = seconds_to_units(20), seconds_to_units(1)
"""Steps of a piece of a track, and steps of context that are encoded before and after it."""


def track_of(job: Job, source: MediaSource, units: UnitList | None = None) -> GivenAudio:
    """Return the speech of a file in its full length. units: units that it was made from. Raises NoSpeechError if it is empty."""
    sound = detect_speech(job, source)
    if sound is None or not sound.activity.num_samples:
        raise NoSpeechError("the speech is empty", path=source.path)
    return GivenAudio(source, sound, samples_to_seconds(sound.activity.num_samples), units=units)


def units_of_track(job: Job, track: GivenAudio) -> UnitList:
    """Return the units of a track with their durations in it; empty without a unit encoder, where the lips need no units."""
    encoder = job.models.paths.av2unit
    if track.units is not None:
        return track.units
    if encoder is None:
        return UnitList()

    def make() -> UnitList:
        return UnitList.of(units_of_speech(job.models.extractor, track.sound.samples, job.progress, track.source.path))

    made_of = digest_of(probe(track.source)), file_digest(encoder), job.models.arithmetic
    return job.store.kept(UnitList, "units", made_of, make)


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


def kept_sound(script: Script, job: Job, one: Utterance, length: int) -> Samples:
    """Return speech that keeps its sound, float32 [length] at the output's rate. Longer speech is made faster at its pitch."""
    rate = job.sound_rate(script)
    if isinstance(one.target, SpokenSound):
        samples = given_sound(script, job, one, one.target)
    else:
        assert isinstance(one.target, WrittenText)
        assert job.speaking is not None  # it spoke the text
        samples = speech_of_program(script, job, job.speaking, one, one.target.text, None)
    if len(samples) > length + seconds_to_samples(units_to_seconds(1), rate):
        samples = faster(samples, rate, len(samples) / length)
    samples = samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def keeps_its_sound(job: Job, one: Utterance) -> bool:
    """Return whether an utterance's new speech keeps its sound, and is not spoken again in the speaker's voice."""
    if isinstance(one.target, SpokenSound):
        return one.target.keep_sound
    return isinstance(one.target, WrittenText) and bool(one.target.spoken_by) and job.options.keep_sound


# Speech of a program


def units_by_program(script: Script, job: Job, speaking: Speaking, one: Utterance, text: str, sound: Sound | None) -> UnitList:
    """Return the units of a text as a program speaks it. Raises SpeechError."""
    samples = speech_of_program(script, job, speaking, one, text, sound)
    return _units(job, resample(samples, _rate(script, job, job.options.keep_sound), SAMPLE_RATE))


def speech_of_program(script: Script, job: Job, speaking: Speaking, one: Utterance, text: str, sound: Sound | None) -> Samples:
    """Return a text as a program speaks it, float32 [S] without silence around it, from the store if it is there.

    It is at the output's rate if it keeps its sound, else at 16 kHz. Raises SpeechError.
    """
    language, slot_s, text = job.languages[1], one.place.seconds, job.with_readings(text)
    speed = speaking.speed_for(text, language, slot_s)
    samples = _program_speech_at(script, job, speaking, one, text, sound, speed)
    seconds = len(samples) / _rate(script, job, job.options.keep_sound)
    if speed == 1:
        speaking.took(text, seconds)
        faster = faster_by(seconds, slot_s)
        # How long a program speaks is known only once it has spoken, so a text that is too long is spoken twice.
        if faster > _HARDLY_FASTER and not speaking.is_exact and speaking.takes("speed"):
            again = _program_speech_at(script, job, speaking, one, text, sound, faster)
            samples = again if len(again) < len(samples) else samples
    return samples


def _program_speech_at(
    script: Script, job: Job, speaking: Speaking, one: Utterance, text: str, sound: Sound | None, speed: float
) -> Samples:  # fmt: skip
    """Return a text as a program speaks it at a speed, 1 = its usual one."""
    command, rate = speaking.program.command, _rate(script, job, job.options.keep_sound)
    reference, transcript = _reference(script, job, one, sound)
    values = {
        "text": text,
        "language": job.languages[1],
        "speaker": one.speaker,
        "seconds": f"{one.place.seconds:.2f}",
        "speed": f"{speed:.2f}",
        "keep_sound": "yes" if job.options.keep_sound else "no",
        "reference_text": transcript,
    }

    # Only values that the command line of the program contains are part of the key: others cannot change its speech.
    asked = values | {"reference": key_of(reference)}
    named = {name: value for name, value in asked.items() if speaking.takes(name)}
    take = one.target.take if isinstance(one.target, WrittenText) else 0
    named |= {"take": str(take)} if take else {}

    def make() -> Samples:
        with tempfile.TemporaryDirectory(prefix="netflips-") as folder:
            written = speaking.say(one.number, Path(folder), values, reference)
            try:
                return speech_in(written, rate, len(text))
            except NetflipsError as error:
                speaking.failed()
                raise SpeechError(words_of(error)) from error

    return job.store.kept(np.ndarray, _GIVEN, (command_key(command), named, rate), make)


def _reference(script: Script, job: Job, one: Utterance, sound: Sound | None) -> tuple[Samples | None, str]:
    """Return a sample of the voice for an utterance, float32 [S] at 16 kHz, and its transcript, "" = not known."""
    path = voice_file(job.options, one.speaker)
    if path is not None and path.suffix.lower() != ".npy":
        return beginning_of(path, seconds_to_samples(_REFERENCE_S)), ""
    sound = sound if sound is not None else detect_speech(job)
    if sound is None:
        return None, ""

    own = [other for other in job.part.utterances(script) if other.speaker == one.speaker]
    best = max(own, key=lambda other: (min(other.place.seconds, _REFERENCE_S), -other.number))
    end_s = min(best.place.end_s, best.place.start_s + _REFERENCE_S)
    text = best.text.text if best.text is not None and end_s == best.place.end_s else ""
    return sound.between(best.place.start_s, end_s), text
