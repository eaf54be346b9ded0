"""Speech that somebody has, said in an utterance's place: it becomes units (av2unit), and those are spoken and drawn like others.

It comes from a text-to-speech program, from files named by the number of the utterance, from files that a script names, or from one
track along the recording, which is cut at its own pauses. All of it is kept in the work folder by what it was made from.
"""

import re
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
from avcore.media import iter_speech_blocks, probe, write_speech
from avcore.notes import Note
from avcore.programs import LineProgram, command_key, filled, program_name, run_program, takes
from avcore.runs.cache import Arrays, file_digest, key_of
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs, resample
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from avcore.units import Units
from avcore.units.vocabulary import require_same_vocabulary
from netflips.dub.given_speech import SPEAK_WITH, SPEECH_IN
from netflips.dub.job import DubJob
from netflips.dub.speaker_map import read_speaker_map
from netflips.dub.utterances import Span, TimedUtterance
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.speaker_assignment import AssignedUtterance
from netflips.recording.texts import targets_of, units_of_text
from netflips.recording.voice_activity import find_speech
from netflips.script.notes import LEFT_ALONE, NOT_TAKEN, NOTHING_GIVEN, UNSAID
from netflips.script.types import KeptOriginal, SpokenSound, UnitList, UnitsGiven

_KEPT, _UNITS = "given", "given_units"
_WHAT = f"the program of {SPEAK_WITH}"
_NUMBERED = re.compile(r"\D*?0*(\d{1,9})", re.ASCII)
_LEAST_S = 0.1
_MOST_S, _MOST_S_A_SIGN = 20.0, 1.0
"""Of what a program says to a text: longer than this, and a second for each letter, is a program that has lost its way."""
_LEAST_RATE = 8000
_AUDIBLE_DBFS = -60.0
_WINDOW_S, _MARGIN_S = 0.02, 0.04
_BELOW_LOUDEST_DB = 45.0
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
        """Units that a script has. Raises VocabularyError."""
        known, durations = self._job.models.vocoder.vocabulary, given.durations
        require_same_vocabulary(known, given.vocabulary, f"the units of utterance {number}")
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
            self._job.work.arrays(_KEPT, key, lambda: {"samples": _checked(path, rate, start_s=start_s, end_s=end_s)})
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
            for number, samples in _cut(path, wanted, self._rate(is_heard)):
                self._job.work.keep_arrays(_KEPT, keys[number], {"samples": samples})
        for number, span in wanted.items():
            yield number, _Sound(keys[number], path.name, is_heard, span)

    # Speech of a program

    def said(self, number: int, text: str, texts: Mapping[int, str]) -> GivenUnits:
        """Return a text as the program says it. texts: of the original, by number. Raises SpeechError where it fails."""
        return self._given(self._said(number, text, texts))

    def sound(self, number: int, text: str, texts: Mapping[int, str]) -> Samples:
        """Return the program's own sound of a text, float32 [S] at 16 kHz. See `said`."""
        return self._at_16_khz(self._said(number, text, texts))

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
                return {"samples": self._ask(Path(folder), values | {"reference_text": told}, reference)}

        self._job.work.arrays(_KEPT, key, make)
        return _Sound(key, program_name(self._asked.command), is_heard)

    def _ask(self, folder: Path, values: Mapping[str, str], reference: Samples | None) -> Samples:
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
                request = dict(values) | {"seconds": float(values["seconds"]), "out": str(paths["out"])}
                self._program.ask(request | ({"reference": str(paths["reference"])} if "reference" in paths else {}))
            if not paths["out"].is_file():
                raise InputError(f"{_WHAT} wrote no sound", path=self._asked.command[0])
            said = _checked(paths["out"], self._rate(self._asked.keeps_sound), len(values["text"]))
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
            return _first(path, most), ""
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


def numbered_files(folder: Path, most: int) -> dict[int, Path]:
    """Return the sound files of a folder by the number in their names, as 3.wav or line_003.wav.

    Raises InputError for none, two of one number, and a number above `most`.
    """
    found: dict[int, Path] = {}
    for path in sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")):
        named = _NUMBERED.fullmatch(path.stem)
        if named is None or path.suffix.lower() in (".txt", ".json", ".srt"):
            continue
        number = int(named[1])
        if number in found:
            raise InputError("two files are of one utterance", path=folder, found=f"{found[number].name} and {path.name}")
        if not 1 <= number <= most:
            hint = "--segments lists the utterances"
            raise InputError("there is no such utterance", path=path, expected=f"1 to {most}", found=number, hint=hint)
        found[number] = path
    if not found:
        raise InputError(f"{SPEECH_IN} has no file that is named by a number", path=folder, expected="1.wav, 2.wav, ...")
    return found


def _checked(path: Path, rate: int, signs: int | None = None, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the speech in a file, float32 [S] mono at `rate` Hz, without the silence around it.

    signs: letters of its text. start_s, end_s: of the part that is taken, None = up to its end. Raises InputError or MediaError
    for a file that cannot be speech.
    """
    found = probe(path)
    if found.has_audio and found.audio_rate is not None and found.audio_rate < _LEAST_RATE:
        raise InputError(
            "its sample rate is too low", path=path, expected=f"{_LEAST_RATE} Hz or more", found=f"{found.audio_rate} Hz"
        )
    most_s = 600.0 if signs is None else _MOST_S + _MOST_S_A_SIGN * signs
    samples = sounding(_first(path, seconds_to_samples(most_s, rate) + 1, rate, start_s, end_s), rate)
    seconds = len(samples) / rate
    if seconds > most_s:
        raise InputError("its sound is too long for what it says", path=path, expected=f"{most_s:.0f} s at most")
    if seconds < _LEAST_S:
        raise InputError(
            "its sound is silent, or too short", path=path, expected=f"{_LEAST_S:g} s of speech", found=f"{seconds:.2f} s"
        )
    return samples


def _first(path: Path, most: int, rate: int = SAMPLE_RATE, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the beginning of a sound, or of a part of it, float32 of `most` samples at most."""
    skipped = seconds_to_samples(start_s, rate)
    most = most if end_s is None else max(min(most, seconds_to_samples(end_s, rate) - skipped), 0)
    blocks, length = list[Samples](), 0
    for block in iter_speech_blocks(path, rate):
        blocks.append(block[skipped:])
        length += len(blocks[-1])
        skipped = max(skipped - len(block), 0)
        if length >= most:
            break
    return np.concatenate(blocks)[:most] if blocks else np.zeros(0, np.float32)


def sounding(samples: Samples, rate: int) -> Samples:
    """Speech without the silence around it, but for 40 ms; float32 [S] at `rate` Hz. Empty where all of it is silent."""
    size = max(seconds_to_samples(_WINDOW_S, rate), 1)
    levels = [level_dbfs(samples[start : start + size]) for start in range(0, len(samples), size)]
    loudest = max(levels, default=-np.inf)
    if not loudest >= _AUDIBLE_DBFS:
        return np.zeros(0, np.float32)
    floor = min(max(SOUND_FLOOR_DBFS, loudest - _BELOW_LOUDEST_DB), loudest)
    loud = np.flatnonzero(np.array(levels) >= floor)
    margin = seconds_to_samples(_MARGIN_S, rate)
    return samples[max(int(loud[0]) * size - margin, 0) : (int(loud[-1]) + 1) * size + margin]


def _cut(path: Path, spans: Mapping[int, Span], rate: int) -> Iterator[tuple[int, Samples]]:
    """Stretches of a sound, in order, each without the silence around it; memory holds one."""
    waiting = sorted(spans.items(), key=lambda one: one[1])
    position, parts = 0, list[Samples]()
    for block in iter_speech_blocks(path, rate):
        while waiting:
            number, span = waiting[0]
            start, stop = seconds_to_samples(span[0], rate), seconds_to_samples(span[1], rate)
            parts.append(block[max(start - position, 0) : max(stop - position, 0)])
            if stop > position + len(block):
                break
            yield number, sounding(np.concatenate(parts), rate)
            waiting.pop(0)
            parts = []
        position += len(block)
    if waiting and parts:
        yield waiting[0][0], sounding(np.concatenate(parts), rate)


# One track along the recording

_LAGS_S = np.arange(0, 8.01, 0.5).tolist()
"""By how much an interpreter may be behind, all through."""
_LAG_COST, _END_COST, _PAUSE_COST, _UNSAID_COST = 0.5, 0.25, 0.5, 3.0
_REACH_S = 20.0
"""Speech further from an utterance than this does not belong to it."""
_MOST_STRETCHES = 12


def match_pauses(stretches: Sequence[Span], utterances: Sequence[TimedUtterance]) -> tuple[dict[int, Span], list[Span]]:
    """Give stretches of speech, in order, to utterances, in order: dynamic programming over how far apart they begin and end.

    stretches: between the pauses of a track (s). All may be behind by one lag. Returns from when to when each utterance's speech
    lasts in the track, by number, and the stretches that belong to none.
    """
    tried = [(cost + _LAG_COST * lag, taken) for lag in _LAGS_S for cost, taken in [_matched(stretches, utterances, lag)]]
    taken = min(tried, key=lambda one: one[0])[1]
    used = {place for places in taken.values() for place in places}
    spans = {number: (stretches[places[0]][0], stretches[places[-1]][1]) for number, places in taken.items()}
    return spans, [one for place, one in enumerate(stretches) if place not in used]


class _Way(NamedTuple):
    """How far it went: the stretches of an utterance, behind those of the utterances before it."""

    before: "_Way | None"
    number: int
    places: range


_States = dict[int, tuple[float, _Way | None]]
"""Cost and way by how many stretches are dealt with."""


def _matched(stretches: Sequence[Span], utterances: Sequence[TimedUtterance], lag: float) -> tuple[float, dict[int, range]]:
    """Return the least cost, and the stretches of each utterance."""
    best: _States = {0: (0.0, None)}
    for one in utterances:
        following: _States = {}
        _leave_out(best, stretches, one.start_s + lag - _REACH_S)
        for done, (cost, way) in best.items():
            _better(following, done, cost + one.seconds, way)
            pauses = 0.0
            for stop in range(done + 1, min(done + _MOST_STRETCHES, len(stretches)) + 1):
                start_s, end_s = stretches[done][0] - lag, stretches[stop - 1][1] - lag
                if abs(start_s - one.start_s) > _REACH_S:
                    break
                if stop > done + 1:
                    pauses += stretches[stop - 1][0] - stretches[stop - 2][1]
                price = abs(start_s - one.start_s) + _END_COST * abs(end_s - one.end_s) + _PAUSE_COST * pauses
                _better(following, stop, cost + price, _Way(way, one.number, range(done, stop)))
        best = following
    _leave_out(best, stretches, np.inf)
    cost, way = best[len(stretches)]
    taken: dict[int, range] = {}
    while way is not None:
        taken[way.number] = way.places
        way = way.before
    return cost, taken


def _leave_out(best: _States, stretches: Sequence[Span], before_s: float) -> None:
    """Let stretches be left out, at their cost; those that begin before a time must be dealt with now."""
    for done in range(min(best), len(stretches)):
        if done not in best:
            continue
        start_s, end_s = stretches[done]
        if start_s > before_s + 2 * _REACH_S:
            break
        cost, way = best[done]
        _better(best, done + 1, cost + _UNSAID_COST * (1 + end_s - start_s), way)
        if start_s < before_s:
            del best[done]


def _better(states: _States, done: int, cost: float, way: _Way | None) -> None:
    if done not in states or cost < states[done][0]:
        states[done] = cost, way


def _words(error: NetflipsError) -> str:
    return f"{error.what}: {error.found}" if error.found else error.what


def _spans(spans: Sequence[Span]) -> str:
    return ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in spans)
