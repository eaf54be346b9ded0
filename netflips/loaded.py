"""Models in memory, for many calls: `netflips.load()`. Inputs and outputs are arrays and units, not files.

A voice is a file, a name of `voices`, float32 [S] speech at 16 kHz, or what `voice` returned; None is the first of `voices`, or a
neutral voice where there are none. A progress callback that raises stops the work, and nothing half-written stays.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from avcore.arrays import Samples
from avcore.bounds import checked
from avcore.command import named_models
from avcore.contracts import SpeakerVoice, Transcript
from avcore.errors import NetflipsError
from avcore.faces.select import parse_face_choice
from avcore.files import require_own_names
from avcore.notes import noted_by
from avcore.progress import Progress, silent
from avcore.units import Units
from netflips.commands.dub_options import DubCommand
from netflips.dubbing.options import DubOptions, Modalities
from netflips.live.options import LiveOptions
from netflips.model_paths import RunOptions
from netflips.models import Models
from netflips.quality_estimation import Decide

if TYPE_CHECKING:
    from netflips.live.session import Segment
    from netflips.script.types import Script

StrPath = str | os.PathLike[str]
_OVER_TEXT = ("cascade", "recognizer", "text_translator", "translate_with", "translate_model", "speak_with")
_SPOKEN = ("revoice", "keep_sound")
Voice = StrPath | Samples | SpeakerVoice | None


@dataclass(frozen=True, eq=False)
class Loaded:
    """All stages, read once. Each method raises NetflipsError for errors that you can put right."""

    models: Models
    """of all stages"""
    over_text: Mapping[str, Any] = field(default_factory=dict)
    """options of every dub with models of the cascade"""

    def units(
        self, recording: StrPath | Samples, *, modalities: str | None = None, face: str = "auto", progress: Progress = silent
    ) -> Units:
        """Return the units of a video, a sound file, or float32 [S] speech at 16 kHz.

        modalities: of a file: audio,video, audio or video; None = those that it has. face: as in `netflips units`.
        """
        if isinstance(recording, np.ndarray):
            return replace(self.models.extractor.extract(recording), language=self._languages[0])
        from av2unit.sources import parse_modalities, read_utterance
        from avcore.media import probe, require_media
        from avcore.media.tracks import select_tracks

        info = probe(select_tracks(require_media(Path(recording), "the recording")))
        there = {"audio": info.has_audio, "video": info.has_video}
        asked = modalities or ",".join(name for name, is_there in there.items() if is_there)
        speech, lips = read_utterance(info.source, parse_modalities(asked), None, parse_face_choice(face), progress)
        return replace(self.models.extractor.extract(speech, lips), language=self._languages[0])

    def translate(self, units: Units) -> Units:
        """Return units translated into the other language, without durations; `speak` predicts them."""
        return self.models.translator.translate(units, *self._languages).units

    def voice(self, of: StrPath | Samples) -> SpeakerVoice:
        """Return the voice of a file (x.npy, x.npz, sound or video), of a name, or of float32 [S] speech at 16 kHz."""
        from netflips.commands.say import speaker_voice
        from unit2av.speaker import voice_of

        if isinstance(of, np.ndarray):
            return voice_of(of, self.models.speaker_encoder)
        return speaker_voice(self.models, Path(of))

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that come with the renderer, the default first."""
        return tuple(self.models.named_voices)

    def speak(self, units: Units, voice: Voice = None) -> tuple[Samples, int]:
        """Return units as speech, float32 [S], and its sample rate in Hz."""
        from unit2av.voice.speech import pieces_at_own_rate, rate_of

        vocoder = self.models.vocoder
        timed = units if units.durations is not None else vocoder.predict_durations(units)
        return np.concatenate(list(pieces_at_own_rate(vocoder, timed, self._voice(voice)))), rate_of(vocoder)

    def say(self, text: str, voice: Voice = None, *, speed: float = 1.0, progress: Progress = silent) -> tuple[Samples, int]:
        """Return a text as speech, float32 [S], and its sample rate in Hz. speed: above 1 speaks faster."""
        from netflips.commands.options import Speed
        from netflips.commands.say import TextVoice
        from text2unit.inference import warn_of_script
        from text2unit.script import script_of
        from text2unit.stage import TEXT2UNIT

        language = self._languages[1]
        script = script_of(text, language)
        warn_of_script(script)
        text_to_unit, scale = self.models.other(TEXT2UNIT, language), 1 / checked(speed, Speed, "speed")
        telling = TextVoice(text_to_unit, self.models.vocoder, self._voice(voice), scale).speak(script, progress)
        return np.concatenate(list(telling)), telling.rate

    def transcribe(
        self, recording: StrPath | Samples, *, modalities: str = "auto", face: str = "auto", progress: Progress = silent
    ) -> Transcript:
        """Return the transcript of a file, or of float32 [S] speech at 16 kHz, in the most probable language. modalities, face: of
        a file, as in `netflips transcribe`."""
        from avcore.media.tracks import select_audio_track
        from netflips.commands.recognition import Transcriber, joined, read_in_memory, transcripts_of
        from unit2text.stage import UNIT2TEXT

        reader = self.models.other(UNIT2TEXT)
        if isinstance(recording, np.ndarray):
            return read_in_memory(recording, self.models.extractor, reader)
        asked = DubOptions(modalities=checked(modalities, Modalities, "modalities"), face=face)
        transcriber = Transcriber.of_units(self.models, reader, asked)
        return joined(transcripts_of(transcriber.transcribe(select_audio_track(Path(recording)), progress).utterances))

    def dub(
        self,
        video: StrPath,
        out: StrPath,
        options: DubOptions | None = None,
        *,
        progress: Progress = silent,
        decide: Decide | None = None,
    ) -> "Script":
        """Dub a video; returns the script of what was done. progress: called with the step, the amount done and the total or None.
        decide: called with the quality estimate before anything is spoken; it may raise NotUnderstoodError, as is done by default
        for speech that is not understood."""
        from netflips.dubbing.dub import dub

        asked = replace(options or DubOptions(), **self.over_text)
        with noted_by():
            return dub(os.fspath(video), os.fspath(out), self.models, asked, progress=progress, decide=decide)

    def live(self, source: StrPath, out: StrPath | None = None, options: LiveOptions | None = None) -> "Iterator[Segment]":
        """Dub while somebody speaks: yields each turn when it is dubbed, with its text, its speech and when that is heard.

        source, out: as `netflips live` takes them; out: None = the segments alone. Over text if the models were loaded so.
        """
        from netflips.commands.say import speaker_voice
        from netflips.live.work import session_of

        over_text = {name: value for name, value in self.over_text.items() if name in _OVER_TEXT}
        asked, written = replace(options or LiveOptions(), **over_text), None if out is None else os.fspath(out)
        with session_of(self.models, os.fspath(source), written, asked, speaker_voice(self.models, asked.voice)) as session:
            yield from session.run()

    def dub_all(
        self,
        videos: Iterable[StrPath],
        out_dir: StrPath,
        options: DubOptions | None = None,
        *,
        progress: Progress = silent,
        decide: Decide | None = None,
    ) -> "Iterator[tuple[Path, Script | NetflipsError]]":
        """Dub videos or sound files one after another into a folder, as <stem>_<language>; yields each with its script, or with the
        error that it failed with. Raises UsageError, before anything is dubbed, where two would get the same name."""
        from netflips.commands.dub_videos import out_name

        folder = Path(out_dir)
        jobs = [(Path(one), out_name(Path(one), folder, self._languages[1])) for one in videos]
        asked = options or DubOptions()
        require_own_names([(video, asked.own_name(out)) for video, out in jobs])
        folder.mkdir(parents=True, exist_ok=True)
        return self._dubbed(jobs, options, progress, decide)

    def _dubbed(
        self, jobs: list[tuple[Path, Path]], options: DubOptions | None, progress: Progress, decide: Decide | None
    ) -> "Iterator[tuple[Path, Script | NetflipsError]]":
        for video, out in jobs:
            try:
                yield video, self.dub(video, out, options, progress=progress, decide=decide)
            except NetflipsError as error:
                yield video, error

    @property
    def _languages(self) -> tuple[str, str]:
        return self.models.how.source, self.models.how.target

    def _voice(self, given: Voice) -> SpeakerVoice:
        if given is None:
            from netflips.commands.say import speaker_voice

            return speaker_voice(self.models, None)
        return given if isinstance(given, SpeakerVoice) else self.voice(given)


def load(
    source: str | None = None,
    to: str | None = None,
    options: DubOptions | None = None,
    *,
    av2unit_path: StrPath | None = None,
    utut_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    unit2text_path: StrPath | None = None,
    text2unit_path: StrPath | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> Loaded:
    """Load the models once, for many calls: the bundle's, three of your own, or those that dub any speech over text.

    source, to: languages; None = the only one that the models allow. options: with `cascade`, the models over text that they name
    are loaded, and every dub is over text. These have no `translate`, and have `units` only with a unit encoder of yours. device:
    auto, cpu, cuda, cuda:N or mps.
    """
    # Before anything else is bound here: these are the arguments alone.
    given: dict[str, Any] = {name: value and Path(value) for name, value in locals().items() if name.endswith("_path")}
    from netflips.cascade.engines import require_models
    from netflips.model_paths import given_or_bundle
    from netflips.models import choose_languages, load_models

    over_text: dict[str, Any] = {}
    speaks = True
    asked: Any = SimpleNamespace(**given)
    if options is not None and options.cascade:
        given |= {one.name: getattr(options, one.name) for one in fields(options)} | {"source": source, "to": to}
        asked = DubCommand(**{**given, **named_models(given), "videos": (Path("-"),)}).with_fetched()
        require_models(asked.cascade_models)
        over_text = {name: getattr(asked, name) for name in (*_OVER_TEXT, *(_SPOKEN if asked.speak_with else ()))}
        source, to, speaks = asked.source, asked.to, not asked.keep_sound

    paths = given_or_bundle(asked)
    return Loaded(load_models(paths, *choose_languages(source, to, paths), RunOptions(device, precision, speaks=speaks)), over_text)
