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
from avcore.answers import Transcript
from avcore.arrays import Samples
from avcore.checkpoints.bundle import Bundle, bundle_of, find_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Extractor, Speaker, SpeechRecognizer
from avcore.errors import UsageError
from avcore.faces.select import FaceChoice
from avcore.runs.cache import file_digest, key_of
from netflips.evaluate.face_clips import AS_PUBLISHED, LeastFace
from netflips.evaluate.metric import EXTRACTOR, PHRASEBOOK, READER, RECOGNIZER, SPEAKER, SYNCNET, judge_named, user_judge
from netflips.evaluate.metrics.nearest import KnownSentences
from netflips.recognizers.outside import installed_folder, open_recognizer, recognizer_fingerprint
from netflips.stages import load_speaker_encoder, load_text_reader, load_unit_encoder
from unit2text.stage import TEXT_READER

if TYPE_CHECKING:
    from unit2text.reader import UnitReader


_MODELS = {
    RECOGNIZER: "recognizer",
    EXTRACTOR: "extractor",
    SPEAKER: "speaker",
    READER: "reader",
    PHRASEBOOK: "sentences",
    SYNCNET: "syncnet",
}
"""Needs, and where `Judges` has their models."""


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
        from netflips.listening import Listener, ReaderEar
        from unit2text.takes import UNITS

        if reader.takes != UNITS:
            raise UsageError("the recognizer must read units of sound", expected="a text reader of units", found=reader.path)
        self.name, self.languages = name, reader.languages
        self._listener = Listener(ReaderEar(reader, extractor))

    def hear(self, speech: Samples, language: str | None = None) -> Transcript:
        """What speech float32 [S] at 16 kHz says; nothing where there is no speech. Raises LanguageError."""
        return self._listener.hear_sound(speech, self._listener.settings(AUDIO, language, "auto", None))


class Judges:
    """The models of an evaluation."""

    def __init__(self, paths: JudgePaths) -> None:
        self.paths = paths
        self._how = Running(paths.device, paths.precision)

    @cached_property
    def encoder_path(self) -> Path | None:
        """The unit encoder's file, None where neither one was given nor a bundle is there."""
        bundle = find_bundle()
        return self.paths.av2unit or (None if bundle is None else bundle.checkpoint(UNIT_ENCODER))

    @cached_property
    def reader_path(self) -> Path | None:
        """The text reader's file: that which was given, else of the bundle that the encoder is of."""
        bundle = None if self.encoder_path is None else bundle_of(self.encoder_path)
        packed = None if bundle is None else bundle.checkpoint(TEXT_READER)
        return self.paths.unit2text or (packed if packed is not None and packed.is_file() else None)

    @cached_property
    def recognizer_path(self) -> Path | None:
        """A recogniser's folder; None = units are read, or nothing is heard."""
        if self.paths.recognizer is None and self.paths.unit2text is None and self.paths.outside:
            return installed_folder("judge-whisper")
        return self.paths.recognizer

    @cached_property
    def bundle(self) -> Bundle | None:
        """The bundle that the encoder is of, where it has references."""
        found = None if self.encoder_path is None else bundle_of(self.encoder_path)
        return found if found is not None and found.references.is_file() else None

    @cached_property
    def there(self) -> frozenset[str]:
        """Which models there are, by the names of what metrics need."""
        known = {
            RECOGNIZER: self.recognizer_path or self.reader_path,
            READER: self.reader_path,
            PHRASEBOOK: self.bundle,
            EXTRACTOR: self.encoder_path,
            SPEAKER: True,  # one comes with NetfLips
            SYNCNET: self.paths.syncnet,
        }
        return frozenset(name for name, path in known.items() if path is not None) | {
            user_judge(name) for name in self.paths.others
        }

    def model(self, need: str) -> Any:
        """The model that a need names; of `--judge` its path. Raises UsageError or CheckpointError."""
        name = judge_named(need)
        if name is not None:
            return self.paths.others[name]
        return getattr(self, _MODELS[need])

    @cached_property
    def extractor(self) -> Extractor:
        """The unit encoder. Raises UsageError without one, CheckpointError."""
        if self.encoder_path is None:
            raise UsageError("there is no unit encoder", expected="--av2unit-path FILE, or a bundle")
        return load_unit_encoder(self.encoder_path, self._how)

    @cached_property
    def speaker(self) -> Speaker:
        """The speaker encoder: that which was given, else resemblyzer's weights, which come along."""
        return load_speaker_encoder(self.paths.speaker_encoder, self._how)

    @cached_property
    def reader(self) -> "UnitReader":
        """The text reader of units. Raises CheckpointError."""
        assert self.reader_path is not None  # as needs say
        return load_text_reader(self.reader_path, self._how)

    @cached_property
    def sentences(self) -> KnownSentences:
        """All sentences of the bundle."""
        assert self.bundle is not None  # as needs say
        return KnownSentences.read(self.bundle)

    @cached_property
    def syncnet(self) -> tuple[Any, LeastFace]:
        """SyncNet, and the faces that it looks at. Raises CheckpointError."""
        from unit2av.face.syncnet import load_syncnet

        assert self.paths.syncnet is not None  # as needs say
        return load_syncnet(self.paths.syncnet), self.paths.watched

    @cached_property
    def recognizer(self) -> SpeechRecognizer:
        """Whisper or Vosk where there is a folder, else units read by `unit2text`. Raises UsageError or CheckpointError."""
        if self.recognizer_path is not None:
            return open_recognizer(self.recognizer_path, self.paths.device)
        if self.reader_path is None:
            raise UsageError("there is no recognizer", expected="--recognizer FOLDER, or --unit2text-path FILE")
        return UnitHearing(f"unit2text ({self.reader_path.name})", self.extractor, self.reader)

    def identity(self, need: str) -> str:
        """A name made from what a model's files hold, for records; "" where there is none."""
        paths: dict[str, Path | None] = {
            RECOGNIZER: self.recognizer_path or self.reader_path,
            READER: self.reader_path,
            PHRASEBOOK: None if self.bundle is None else self.bundle.references,
            EXTRACTOR: self.encoder_path,
            SPEAKER: self.paths.speaker_encoder,
            SYNCNET: self.paths.syncnet,
        }
        path = paths.get(need, self.paths.others.get(judge_named(need) or ""))
        if path is None or need not in self.there:
            return ""
        own = recognizer_fingerprint(path) if path.is_dir() else file_digest(path)
        if need == SYNCNET and self.paths.watched != AS_PUBLISHED:
            return key_of(own, self.paths.watched.pictures, self.paths.watched.side)
        return key_of(own, self.identity(EXTRACTOR)) if need == RECOGNIZER and path == self.reader_path else own


_CONTRACT: type[SpeechRecognizer] = UnitHearing
"""Checked by mypy: the class keeps the protocol."""
