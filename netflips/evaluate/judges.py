"""What metrics may need beside an outcome, and the models among these needs. Each process loads a model when it is first needed.

A need is a word: a side of a case, something in it, a model, `package:NAME`, or `judge:NAME`, a network of the user's own. None of
the models is an independent judge of units: the unit encoder also read the source for the dub. For spoken words, Whisper is one.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Floats, Samples
from avcore.checkpoints.bundle import bundle_of, find_bundle
from avcore.checkpoints.stages import Running
from avcore.compute.onnx import answer, open_network, sound_settings
from avcore.contracts import Extractor, Speaker, SpeechRecognizer, Transcript
from avcore.errors import InputError, UsageError
from avcore.files import require_file
from avcore.journal import file_digest, key_of
from avcore.timeline import SAMPLE_RATE
from netflips.bundles.references import read_references
from netflips.evaluate.command import MeasureOptions
from netflips.evaluate.lip_sync import AS_PUBLISHED, LeastFace
from netflips.recognizers.opening import open_speech_recognizer
from netflips.recognizers.outside import installed_folder, recognizer_fingerprint, recognizer_folder
from netflips.recognizers.whisper import open_whisper
from netflips.stages import load_speaker_encoder, load_unit_encoder, load_unit_to_text
from unit2text.stage import UNIT2TEXT

if TYPE_CHECKING:
    from unit2text.unit_reader import UnitReader

NEEDS = {
    "source": "the source",
    "reference": "reference speech",
    "reference_text": "a reference text",
    "report": "the dub's report (--report of netflips dub)",
    "faces": "frames with a face",
    "others": "clips of other people",
    "recognizer": "a recognizer",
    "extractor": "a unit encoder",
    "speaker": "a speaker encoder",
    "syncnet": "SyncNet (--syncnet)",
    "reader": "a unit-to-text model (--unit2text-path)",
    "phrasebook": "all sentences that a bundle knows",
    "published": "a Whisper (--recognizer, or make judges)",
}
"""Needs, in the words that a reason uses."""
_PACKAGE, _JUDGE = "package:", "judge:"
_WHAT = "the judge"
"""The name of such a network in messages."""


def in_words(need: str) -> str:
    """Return a need in the words that a reason uses."""
    kind, _, name = need.partition(":")
    if need in NEEDS:
        return NEEDS[need]
    return f"{name}, which is not installed" if kind == "package" else f"a model (--judge {name}=PATH)"


def is_installed(need: str) -> bool:
    """Return whether a need is a package, and that package is installed."""
    return need.startswith(_PACKAGE) and find_spec(need.removeprefix(_PACKAGE)) is not None


class UnitHearing:
    """A speech recognizer by way of units: what `netflips transcribe` does, for sound in memory."""

    def __init__(self, name: str, extractor: Extractor, reader: "UnitReader") -> None:
        """name: its name in reports. Raises UsageError for a unit-to-text model that does not read units of sound."""
        from unit2text.stage import UNITS

        if reader.takes != UNITS:
            raise UsageError(
                "the recognizer must read units of sound", expected="a unit-to-text model that reads units", found=reader.path
            )
        self.name, self.languages = name, reader.languages
        self._extractor, self._reader = extractor, reader

    def languages_in(self, speech: Samples) -> Mapping[str, float]:
        """Return nothing: units do not show their language."""
        return {}

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Return the transcript of speech, float32 [S] at 16 kHz; empty where there is no speech. Raises LanguageError."""
        from netflips.commands.recognition import read_in_memory

        return read_in_memory(speech, self._extractor, self._reader, language)


class Evaluators:
    """The models of an evaluation. Each model that a metric needs is an attribute named like the need, and raises
    CheckpointError."""

    def __init__(self, options: MeasureOptions) -> None:
        self.options = options
        self.watched = LeastFace(options.least_frames, options.least_face)
        self._how = Running(options.device, options.precision)

    @cached_property
    def files(self) -> Mapping[str, Path | None]:
        """Files and folders of the models, by need; None = there is none. The speaker encoder comes with NetfLips.

        The recognizer is a folder, or the unit-to-text model in its place. Raises InputError for a folder without a recognizer.
        """
        given, shipped = self.options, find_bundle()
        encoder = given.av2unit_path or (None if shipped is None else shipped.checkpoint(UNIT_ENCODER))
        bundle = None if encoder is None else bundle_of(encoder)
        packed = None if bundle is None else bundle.checkpoint(UNIT2TEXT)
        reader = given.unit2text_path or (packed if packed is not None and packed.is_file() else None)

        recognizer = None if given.recognizer is None else recognizer_folder(given.recognizer)
        # Whoever gives a unit-to-text model wants to be heard by it.
        if recognizer is None and given.unit2text_path is None:
            recognizer = installed_folder("judge-whisper")
        references = None if bundle is None else bundle.references
        judges = (one.partition("=") for one in given.judge)

        return {
            "recognizer": recognizer or reader,
            "published": recognizer,
            "reader": reader,
            "phrasebook": references if references is not None and references.is_file() else None,
            "extractor": encoder,
            "syncnet": given.syncnet,
            **{_JUDGE + name: Path(path) for name, _, path in judges},
        }

    @cached_property
    def there(self) -> frozenset[str]:
        """The needs for which there is a model."""
        return frozenset({"speaker", *(need for need, path in self.files.items() if path is not None)})

    def model(self, need: str) -> Any:
        """Return the model that a need names; for `--judge`, its path. Raises UsageError or CheckpointError."""
        return self.files[need] if need.startswith(_JUDGE) else getattr(self, need)

    def _file(self, need: str) -> Path:
        path = self.files[need]
        if path is None:
            hint = "give --recognizer, --unit2text-path or --av2unit-path"
            raise UsageError("a model is not there", expected=in_words(need), hint=hint)
        return path

    @cached_property
    def extractor(self) -> Extractor:
        """The unit encoder. Raises UsageError without one."""
        return load_unit_encoder(self._file("extractor"), self._how)

    @cached_property
    def speaker(self) -> Speaker:
        """The speaker encoder: resemblyzer's weights, which come with NetfLips."""
        return load_speaker_encoder(None, self._how)

    @cached_property
    def reader(self) -> "UnitReader":
        """The unit-to-text model."""
        return load_unit_to_text(self._file("reader"), self._how)

    @cached_property
    def phrasebook(self) -> tuple[str, ...]:
        """The texts of all sentences of the bundle."""
        return tuple(reference.text for reference in read_references(self._file("phrasebook")))

    @cached_property
    def syncnet(self) -> tuple[Any, LeastFace]:
        """SyncNet, and which faces it gets."""
        from unit2av.face.syncnet import load_syncnet

        return load_syncnet(self._file("syncnet")), self.watched

    @cached_property
    def recognizer(self) -> SpeechRecognizer:
        """A speech recognizer where there is a folder, else `unit2text` over units. Raises UsageError without either."""
        path = self._file("recognizer")
        if path == self.files["reader"]:
            return UnitHearing(f"unit2text ({path.name})", self.extractor, self.reader)
        return open_speech_recognizer(path, self.options.device)

    @cached_property
    def published(self) -> SpeechRecognizer:
        """Whisper with the settings that papers use."""
        return open_whisper(self._file("published"), self.options.device, is_published=True)

    def identity(self, need: str) -> str:
        """Return a digest of the files of a model, for records; "" where there is none."""
        path = self.files.get(need)
        if path is None:
            return ""

        own = recognizer_fingerprint(path) if path.is_dir() else file_digest(path)
        if need == "syncnet" and self.watched != AS_PUBLISHED:
            return key_of(own, self.watched.frames, self.watched.side)
        # A recognizer over units depends on the encoder that makes them, too.
        return key_of(own, self.identity("extractor")) if need == "recognizer" and path == self.files["reader"] else own


@cache
def onnx_file(path: Path) -> Path:
    """Return the network of `--judge`: the file itself; in a folder, its only .onnx file or its only model.onnx, as Hugging Face's
    optimum exports it.

    Raises InputError for a path that does not exist, and for a folder without a network or with several.
    """
    if not path.is_dir():
        return require_file(path, "the judge")

    found = sorted(path.rglob("*.onnx"))
    meant = [one for one in found if one.name == "model.onnx"] or found
    if len(meant) != 1:
        names = ", ".join(str(one.relative_to(path)) for one in found[:4]) or "none"
        raise InputError("the judge's folder cannot be used", path=path, expected="one .onnx file, or one model.onnx", found=names)
    return meant[0]


def asked(path: Path, speech: Samples) -> Floats:
    """Run a network on speech float32 [S] at 16 kHz, given as [1, S]; returns its embeddings, else its first output, as float32
    [N].

    path: a file, or a folder as for `onnx_file`. Raises CheckpointError for a file that is no such network, InputError for a folder
    that `onnx_file` refuses and for settings of another sample rate, UsageError where onnxruntime is not installed.
    """
    network, settings = open_network(onnx_file(path), _WHAT), sound_settings(path, _WHAT)
    if settings.rate not in (None, SAMPLE_RATE):
        expected, found = f"{SAMPLE_RATE} Hz", settings.rate
        raise InputError("the judge takes sound of another rate", path=path, expected=expected, found=found)
    return answer(network, settings.prepared(speech)[None], path, _WHAT)
