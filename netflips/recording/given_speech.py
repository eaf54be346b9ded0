"""Speech that somebody has, said in an utterance's place: it becomes units (av2unit), and those are spoken and drawn like others.

It comes from a text-to-speech program, from files named by the number of the utterance, from files that a script names, or from one
track along the recording, which is cut at its own pauses. All of it is kept in the work folder by what it was made from.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError, NetflipsError
from avcore.files import write_text
from avcore.journal import file_digest, key_of
from avcore.media import write_speech
from avcore.notes import Note
from avcore.programs import LineProgram, command_key, filled, program_name, run_program, takes
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from avcore.units import Units, require_same_vocabulary
from avcore.work_folder import Arrays
from netflips.dub.given_speech import SPEAK_WITH, SPEECH_IN
from netflips.dub.job import DubJob
from netflips.dub.speaker_map import read_speaker_map
from netflips.dub.utterances import Span
from netflips.recording.pauses import match_pauses
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.speaker_assignment import AssignedUtterance
from netflips.recording.speech_files import beginning_of, numbered_files, speech_in, stretches_in
from netflips.recording.texts import targets_of, units_of_text
from netflips.recording.voice_activity import find_speech
from netflips.script.notes import LEFT_ALONE, NOT_TAKEN, NOTHING_GIVEN, UNSAID
from netflips.script.types import KeptOriginal, SpokenSound, UnitList, UnitsGiven

_KEPT, _UNITS = "given", "given_units"
_WHAT = f"the program of {SPEAK_WITH}"
_REFERENCE_S = 12.0
"""A reference of a voice: the longest utterance of a speaker up to this."""
_MOST_FAILURES = 5
"""In a row; then a program is not asked any more."""
_FADE_S = 0.05


class SpeechError(InputError):
    """A program did not say a text."""


class GivenUnits(NamedTuple):
    """units: of speech, with its own durations. sound: key of the kept sound where it is heard as it is, "" = in the voice.
    whose: where it comes from, for reports. span: of a part of a file, when it is in it (s).
    """

    units: Units
    sound: str
    whose: str
    span: Span | None = None


class _Sound(NamedTuple):
    """A kept sound. key: its name in the work folder. name: of its file, for reports. is_heard: as it is, at the output's rate.
    span: see `GivenUnits`."""

    key: str
    name: str
    is_heard: bool
    span: Span | None = None


class GivenVoices:
    """What is said in utterances by speech that is given. Use within `with`: a program that was started is ended behind it."""

    def __init__(self, job: DubJob, found: FoundUtterances, casts: Sequence[AssignedUtterance]) -> None:
        self._job, self._found, self._asked = job, found, job.settings.speech
        self._casts = {one.utterance.number: one for one in casts}
        self._named = {number: one for number, one in targets_of(job.options).items() if not isinstance(one, KeptOriginal)}
        self._failures = 0
        is_lasting = bool(self._asked.command) and not self._asked.is_once
        self._program = LineProgram(self._asked.command, self._asked.limit_s, _WHAT) if is_lasting else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._program is not None:
            self._program.close()

    @property
    def are_units_taken(self) -> bool:
        """Whether units are taken of speech that is given."""
        return self._asked.is_asked or any(isinstance(one, SpokenSound) for one in self._named.values())

    def _rate(self, is_heard: bool) -> int:
        return self._job.sound_rate if is_heard else SAMPLE_RATE

    def spell(self, number: int, text: str, texts: Mapping[int, str]) -> GivenUnits:
        """Return the units of a text: as a program says it, or as the text-to-unit model has it.

        texts: of the original, by number. Raises SpeechError of a program, InputError and UnitError of the model.
        """
        return self.said(number, text, texts) if self._asked.command else GivenUnits(units_of_text(self._job, text), "", "")

    # Speech of a person

    @cached_property
    def recorded(self) -> dict[int, GivenUnits | Note]:
        """Speech and units of a script, and speech of --speech-in for the others, by the number of the utterance.

        A note says why there is none. Raises InputError for a folder or track that does not belong to the recording.
        """
        path, sounds = self._asked.path, dict[int, _Sound | Note]()
        if path is not None:
            sounds = {number: LEFT_ALONE(reason=NOTHING_GIVEN.code, name=path.name) for number in self._casts}
            sounds |= self._files(path) if path.is_dir() else self._track(path)
        sounds |= {number: self._of_script(one) for number, one in self._named.items() if isinstance(one, SpokenSound)}
        given: dict[int, GivenUnits | Note] = {
            number: found if isinstance(found, Note) else self._given(found)
            for number, found in sounds.items()
            if number in self._casts
        }
        return given | {
            number: self._units(number, one.units)
            for number, one in self._named.items()
            if number in self._casts and isinstance(one, UnitsGiven)
        }

    def _of_script(self, target: SpokenSound) -> "_Sound | Note":
        path = self._job.settings.segments_in
        assert path is not None  # the script that names it
        return self._kept(path.parent / target.file, target.file, target.keep_sound, target.from_s, target.to_s)

    def _units(self, number: int, given: UnitList) -> GivenUnits:
        """Units that a script has. Raises VocabularyError, and InputError for one that the voice does not have."""
        known, durations = self._job.models.vocoder.vocabulary, given.durations
        require_same_vocabulary(known, given.vocabulary, f"the units of utterance {number}")
        if (unit := max(given.ids, default=0)) >= (size := self._job.models.vocoder.num_units):
            path, what = self._job.settings.segments_in, f"a unit of utterance {number} is none of the voice's"
            raise InputError(what, path=path, expected=f"0..{size - 1}", found=unit)
        steps = None if durations is None else np.array(durations, np.int64)
        return GivenUnits(Units(np.array(given.ids, np.int64), steps, self._job.options.target, given.vocabulary), "", "")

    def _files(self, folder: Path) -> Iterator[tuple[int, _Sound | Note]]:
        for number, path in numbered_files(folder, len(self._found.utterances)).items():
            if number in self._casts:
                yield number, self._kept(path, path.name, self._asked.keeps_sound)

    def _kept(self, path: Path, name: str, is_heard: bool, start_s: float = 0.0, end_s: float | None = None) -> _Sound | Note:
        """Return a file's speech, or a part of it, put into the work folder; a note where it is none."""
        rate, part = self._rate(is_heard), [] if start_s == 0 and end_s is None else [start_s, end_s]
        key = key_of(file_digest(path), rate, *part)
        try:
            self._job.work.arrays(_KEPT, key, lambda: {"samples": speech_in(path, rate, start_s=start_s, end_s=end_s)})
        except NetflipsError as error:
            return LEFT_ALONE(reason=NOT_TAKEN.code, name=name, error=_words(error))
        return _Sound(key, name, is_heard)

    def _track(self, path: Path) -> Iterator[tuple[int, _Sound | Note]]:
        digest, is_heard = file_digest(path), self._asked.keeps_sound
        heard = find_speech(path, digest, self._job.work, self._job.progress)
        stretches = [(one.start_s, one.end_s) for one in heard.activity.regions()]
        if not stretches:
            raise InputError("no speech was found in it", path=path, hint=f"{SPEECH_IN} takes speech along the recording")
        taken, unsaid = match_pauses(stretches, self._found.utterances)
        if unsaid:
            self._job.notes.add(UNSAID(name=path.name, spans=_spans(unsaid)))
        wanted = {number: span for number, span in taken.items() if number in self._casts}
        keys = {number: key_of(digest, span, self._rate(is_heard)) for number, span in wanted.items()}
        if any(self._job.work.find_arrays(_KEPT, key) is None for key in keys.values()):
            for number, samples in stretches_in(path, wanted, self._rate(is_heard)):
                self._job.work.keep_arrays(_KEPT, keys[number], {"samples": samples})
        for number, span in wanted.items():
            yield number, _Sound(keys[number], path.name, is_heard, span)

    # Speech of a program

    def said(self, number: int, text: str, texts: Mapping[int, str]) -> GivenUnits:
        """Return a text as the program says it. texts: of the original, by number. Raises SpeechError where it fails."""
        return self._given(self._said(number, text, texts))

    def _said(self, number: int, text: str, texts: Mapping[int, str]) -> _Sound:
        cast = self._casts[number]
        reference, told = self._reference(cast, texts)
        values = {
            "text": text,
            "language": self._job.options.target,
            "speaker": cast.name,
            "seconds": f"{cast.utterance.seconds:.2f}",
        }
        asked = values | {"reference": key_of(reference), "reference_text": told}
        is_once = self._asked.is_once
        named = {name: value for name, value in asked.items() if not is_once or name == "text" or takes(self._asked.command, name)}
        is_heard = self._asked.keeps_sound
        key = key_of(command_key(self._asked.command), named, self._rate(is_heard))

        def make() -> Arrays:
            with tempfile.TemporaryDirectory(prefix="netflips-") as folder:
                return {"samples": self._ask(number, Path(folder), values | {"reference_text": told}, reference)}

        self._job.work.arrays(_KEPT, key, make)
        return _Sound(key, program_name(self._asked.command), is_heard)

    def _ask(self, number: int, folder: Path, values: Mapping[str, str], reference: Samples | None) -> Samples:
        if self._failures >= _MOST_FAILURES:
            raise SpeechError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")
        paths = {"out": folder / "said.wav", "text_file": folder / "text.txt", "reference": folder / "reference.wav"}
        write_text(paths["text_file"], values["text"] + "\n")
        if reference is None:
            paths.pop("reference")
            if takes(self._asked.command, "reference"):
                raise SpeechError("there is no sound of the speaker for {reference}")
        else:
            write_speech(paths["reference"], reference)
        try:
            if self._program is None:
                words = {name: str(path) for name, path in paths.items()} | dict(values)
                run_program(filled(self._asked.command, words), self._asked.limit_s, _WHAT)
            else:
                request = dict(values) | {"number": number, "seconds": float(values["seconds"]), "out": str(paths["out"])}
                self._program.ask(request | ({"reference": str(paths["reference"])} if "reference" in paths else {}))
            if not paths["out"].is_file():
                if self._program is not None:
                    self._program.drop()  # it may have answered something else
                raise InputError(f"{_WHAT} wrote no sound", path=self._asked.command[0])
            said = speech_in(paths["out"], self._rate(self._asked.keeps_sound), len(values["text"]))
        except NetflipsError as error:
            self._failures += 1
            raise SpeechError(_words(error)) from error
        self._failures = 0
        return said

    def _reference(self, cast: AssignedUtterance, texts: Mapping[int, str]) -> tuple[Samples | None, str]:
        """Return a cut of the voice that an utterance is spoken in, float32 [S] at 16 kHz, and what is said in it, "" = not
        known."""
        settings, options = self._job.settings, self._job.options
        wishes = None if settings.speaker_map is None else read_speaker_map(settings.speaker_map).settings(cast.name)
        path = options.speaker if wishes is None or wishes.voice is None else wishes.voice
        if path is not None and path.suffix.lower() != ".npy":
            most = seconds_to_samples(_REFERENCE_S)
            return beginning_of(path, most), ""
        if self._found.speech is None:
            return None, ""
        own = [one.utterance for one in self._casts.values() if one.name == cast.name]
        best = max(own, key=lambda one: (min(one.seconds, _REFERENCE_S), -one.number))
        end_s = min(best.end_s, best.start_s + _REFERENCE_S)
        return self._found.speech.between(best.start_s, end_s), texts.get(best.number, "") if end_s == best.end_s else ""

    def _given(self, sound: _Sound) -> GivenUnits:
        """Return the units of a kept sound."""
        extractor, models = self._job.models.extractor, self._job.models
        of_units = key_of(sound.key, models.fingerprints["av2unit"], str(extractor.decoding), models.arithmetic)

        def make() -> Arrays:
            units = extractor.extract(self._at_16_khz(sound), None)
            return {"frames": units.frames(), "vocabulary": np.array(units.vocabulary)}

        found = self._job.work.arrays(_UNITS, of_units, make)
        units = Units.from_frames(found["frames"], self._job.options.target, str(found["vocabulary"]))
        return GivenUnits(units, sound.key if sound.is_heard else "", sound.name, sound.span)

    def _at_16_khz(self, sound: _Sound) -> Samples:
        found = self._job.work.read_arrays(_KEPT, sound.key)
        assert found is not None  # it was kept a moment ago
        return resample(np.asarray(found["samples"], np.float32), self._rate(sound.is_heard), SAMPLE_RATE)


def kept_sound(job: DubJob, key: str, length: int, is_cut: bool) -> Samples:
    """Given speech as it sounds, float32 [length] at the output's rate; what is cut off ends in a fade."""
    found = job.work.read_arrays(_KEPT, key)
    assert found is not None  # its units were taken in this run
    samples = np.asarray(found["samples"], np.float32)[:length]
    samples = np.pad(samples, (0, length - len(samples)))
    if is_cut:
        fade = min(seconds_to_samples(_FADE_S, job.sound_rate), length)
        samples[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return samples


def _words(error: NetflipsError) -> str:
    return f"{error.what}: {error.found}" if error.found else error.what


def _spans(spans: Sequence[Span]) -> str:
    return ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in spans)
