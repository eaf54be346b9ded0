"""The models that an evaluation listens and looks with: read when they are first asked for, in each process of its own.

None of them is an outside judge of units: the unit encoder read the source for the dub, too. Whisper and Vosk are, of what is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av2unit.sources import AUDIO
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import Bundle, bundle_of, find_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, Speaker, SpeechRecognizer, Transcript
from avcore.errors import UsageError
from avcore.faces.select import FaceChoice
from avcore.journal import file_digest, key_of
from netflips.bundles.references import read_references
from netflips.evaluate.face_clips import AS_PUBLISHED, LeastFace
from netflips.evaluate.needs import (
    EXTRACTOR,
    PHRASEBOOK,
    PUBLISHED,
    READER,
    RECOGNIZER,
    SPEAKER,
    SYNCNET,
    VOSK,
    judge_named,
    user_judge,
)
from netflips.recognizers.outside import installed_folder, is_vosk, open_recognizer, recognizer_fingerprint
from netflips.recognizers.whisper import open_whisper
from netflips.stages import load_speaker_encoder, load_text_reader, load_unit_encoder
from unit2text.stage import TEXT_READER

if TYPE_CHECKING:
    from unit2text.reader import UnitReader


@dataclass(frozen=True)
class JudgePaths:
    """Files of models; None = the bundle's, or none. recognizer: a folder of Whisper or Vosk. others: of `--judge`, by name. face:
    whose face of several. watched: faces that SyncNet looks at. outside: the recognizer is Whisper base where `make judges` has
    installed it and no other was given."""

    recognizer: Path | None = None
    unit2text: Path | None = None
    av2unit: Path | None = None
    speaker_encoder: Path | None = None
    syncnet: Path | None = None
    device: str = "cpu"
    precision: str = "float32"
    face: FaceChoice = "auto"
    watched: LeastFace = AS_PUBLISHED
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)
    outside: bool = False

    @property
    def given(self) -> tuple[Path, ...]:
        """All files and folders that were named."""
        found = (*(getattr(self, one.name) for one in fields(self)), *self.others.values())
        return tuple(one for one in found if isinstance(one, Path))


class UnitHearing:
    """A recognizer of sound by way of units: what `netflips transcribe` does, for sound that lies in memory."""

    def __init__(self, name: str, extractor: Extractor, reader: "UnitReader") -> None:
        """name: what reports call it. Raises UsageError for a reader of other things than units of sound."""
        from netflips.recognition import UnitRecogniser
        from unit2text.stage import UNITS

        if reader.takes != UNITS:
            raise UsageError("the recognizer must read units of sound", expected="a text reader of units", found=reader.path)
        self.name, self.languages = name, reader.languages
        self._ear = UnitRecogniser(reader, extractor)

    def languages_in(self, speech: Samples) -> Mapping[str, float]:
        """Return nothing: units do not say which language they are in."""
        return {}

    def hear(self, speech: Samples, language: str | None = None) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says; nothing where there is no speech. Raises LanguageError."""
        from netflips.recognition import hear_sound

        return hear_sound(speech, self._ear, self._ear.settings(AUDIO, language, "auto", None))


class Judges:
    """The models of an evaluation. Those that metrics need are attributes of the needs' names; each raises CheckpointError."""

    def __init__(self, paths: JudgePaths) -> None:
        self.paths = paths
        self._how = Running(paths.device, paths.precision)

    @cached_property
    def encoder_path(self) -> Path | None:
        """The unit encoder's file, None where neither one was given nor a bundle is there."""
        bundle = find_bundle()
        return self.paths.av2unit or (None if bundle is None else bundle.checkpoint(UNIT_ENCODER))

    @cached_property
    def bundle(self) -> Bundle | None:
        """The bundle that the encoder is of."""
        return None if self.encoder_path is None else bundle_of(self.encoder_path)

    @cached_property
    def files(self) -> Mapping[str, Path | None]:
        """Files and folders of the models, by need; None = there is none, of the speaker encoder: that which comes along.

        A recogniser is a folder; where the text reader reads units in its place, it is that.
        """
        packed = None if self.bundle is None else self.bundle.checkpoint(TEXT_READER)
        reader = self.paths.unit2text or (packed if packed is not None and packed.is_file() else None)
        recognizer, references = self.paths.recognizer, None if self.bundle is None else self.bundle.references
        if recognizer is None and self.paths.unit2text is None and self.paths.outside:
            recognizer = installed_folder("judge-whisper")
        return {
            RECOGNIZER: recognizer or reader,
            PUBLISHED: None if recognizer is None or is_vosk(recognizer) else recognizer,
            READER: reader,
            PHRASEBOOK: references if references is not None and references.is_file() else None,
            EXTRACTOR: self.encoder_path,
            SPEAKER: self.paths.speaker_encoder,
            SYNCNET: self.paths.syncnet,
            VOSK: installed_folder("judge-vosk-ko") if self.paths.outside else None,
            **{user_judge(name): path for name, path in self.paths.others.items()},
        }

    @cached_property
    def there(self) -> frozenset[str]:
        """Which models there are, by the names of what metrics need."""
        return frozenset(need for need, path in self.files.items() if path is not None or need == SPEAKER)

    def model(self, need: str) -> Any:
        """Return the model that a need names; of `--judge` its path. Raises UsageError or CheckpointError."""
        return getattr(self, need) if judge_named(need) is None else self.files[need]

    def _file(self, need: str) -> Path:
        path = self.files[need]
        assert path is not None  # as needs say
        return path

    @cached_property
    def extractor(self) -> Extractor:
        """The unit encoder. Raises UsageError without one."""
        if self.encoder_path is None:
            raise UsageError("there is no unit encoder", expected="--av2unit-path FILE, or a bundle")
        return load_unit_encoder(self.encoder_path, self._how)

    @cached_property
    def speaker(self) -> Speaker:
        """The speaker encoder: that which was given, else resemblyzer's weights, which come along."""
        return load_speaker_encoder(self.paths.speaker_encoder, self._how)

    @cached_property
    def reader(self) -> "UnitReader":
        """The text reader of units."""
        return load_text_reader(self._file(READER), self._how)

    @cached_property
    def phrasebook(self) -> tuple[str, ...]:
        """Texts of all sentences of the bundle."""
        return tuple(one.text for one in read_references(self._file(PHRASEBOOK)))

    @cached_property
    def syncnet(self) -> tuple[Any, LeastFace]:
        """SyncNet, and the faces that it looks at."""
        from unit2av.face.syncnet import load_syncnet

        return load_syncnet(self._file(SYNCNET)), self.paths.watched

    @cached_property
    def recognizer(self) -> SpeechRecognizer:
        """Whisper or Vosk where there is a folder, else units read by `unit2text`. Raises UsageError without either."""
        path = self.files[RECOGNIZER]
        if path is None:
            raise UsageError("there is no recognizer", expected="--recognizer FOLDER, or --unit2text-path FILE")
        if path == self.files[READER]:
            return UnitHearing(f"unit2text ({path.name})", self.extractor, self.reader)
        return open_recognizer(path, self.paths.device)

    @cached_property
    def published(self) -> SpeechRecognizer:
        """The same Whisper with the settings that papers use."""
        return open_whisper(self._file(PUBLISHED), self.paths.device, is_published=True)

    @cached_property
    def vosk(self) -> SpeechRecognizer:
        """Vosk's small Korean model: a second recogniser, of another kind than Whisper."""
        return open_recognizer(self._file(VOSK))

    def identity(self, need: str) -> str:
        """Return a name made from what a model's files hold, for records; "" where there is none."""
        path = self.files.get(need)
        if path is None or need not in self.there:
            return ""
        own = recognizer_fingerprint(path) if path.is_dir() else file_digest(path)
        if need == SYNCNET and self.paths.watched != AS_PUBLISHED:
            return key_of(own, self.paths.watched.pictures, self.paths.watched.side)
        return key_of(own, self.identity(EXTRACTOR)) if need == RECOGNIZER and path == self.files[READER] else own
