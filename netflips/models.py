"""The models of a dub, loaded once and checked against one another before any work is done."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from av2unit.extractor import UnitExtractor
from avcore.errors import CheckpointError
from avcore.units.vocabulary import require_same_vocabulary
from netflips.options import ModelPaths, RunOptions
from unit2av.model import open_renderer_checkpoint
from unit2av.renderer import LipRenderer
from unit2av.speaker import SpeakerEncoder
from unit2av.voice.speech import UnitVocoder
from unit2unit.inference import UnitTranslator


@dataclass(frozen=True)
class Models:
    """What dubs.

    speaker_encoder_path: None = resemblyzer's weights; read when a voice is needed. puts_away: see RunOptions.
    """

    extractor: UnitExtractor
    translator: UnitTranslator
    vocoder: UnitVocoder
    renderer: LipRenderer
    fingerprints: dict[str, str]
    speaker_encoder_path: Path | None = None
    device: str = "cpu"
    precision: str = "float32"
    puts_away: bool = False
    renderer_path: Path | None = None
    """Where the renderer was read; what belongs to it lies beside it."""

    def done_with(self, stage: UnitExtractor | UnitTranslator) -> None:
        """A dub will not ask this stage again: where there is only that dub, its weights leave memory."""
        if self.puts_away:
            stage.put_away()

    @property
    def arithmetic(self) -> str:
        """What the last digits of all answers depend on, besides the checkpoints: kept work is only good for the same."""
        return f"{self.device} {self.precision}"

    @cached_property
    def speaker_encoder(self) -> SpeakerEncoder:
        """The speaker encoder; raises CheckpointError when its vectors do not fit the vocoder."""
        encoder = SpeakerEncoder.from_checkpoint(self.speaker_encoder_path, self.device)
        if encoder.embedding_dim != self.vocoder.speaker_dim:
            raise CheckpointError(
                "the speaker encoder does not fit the vocoder",
                path=self.speaker_encoder_path,
                expected=f"vectors of {self.vocoder.speaker_dim}",
                found=encoder.embedding_dim,
                hint="give --speaker-encoder-path",
            )
        return encoder


def load_models(paths: ModelPaths, source: str, target: str, run: RunOptions) -> Models:
    """Load all three stages for a pair of languages.

    Raises LanguageError when the translator or the renderer lacks a language, CheckpointError for files that do not fit,
    VocabularyError for models of different units, UsageError for a device or precision that is not here.
    """
    translator = UnitTranslator.from_checkpoint(paths.utut, run.device, run.precision, run.translator_unit_offset)
    for language in (source, target):
        translator.require_language(language)
    checkpoint = open_renderer_checkpoint(paths.unit2av)
    vocoder = UnitVocoder.from_checkpoint(checkpoint, target, run.device, run.precision, run.vocoder_unit_offset)
    renderer = LipRenderer.from_checkpoint(checkpoint, run.device, run.precision)
    extractor = UnitExtractor.from_checkpoint(paths.av2unit, run.device, run.precision)
    require_same_vocabulary(extractor.vocabulary, translator.trained_on, f"the translator {paths.utut.name}")
    require_same_vocabulary(extractor.vocabulary, vocoder.vocabulary, f"the vocoder of {paths.unit2av.name}")
    require_same_vocabulary(extractor.vocabulary, renderer.vocabulary, f"the face renderer of {paths.unit2av.name}")
    fingerprints = {
        "av2unit": extractor.fingerprint,
        "unit2unit": translator.fingerprint,
        "unit2av": checkpoint.source.fingerprint,
    }
    return Models(
        extractor, translator, vocoder, renderer, fingerprints, paths.speaker_encoder, run.device, run.precision, run.puts_away,
        paths.unit2av,
    )  # fmt: skip
