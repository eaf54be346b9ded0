"""What of the models decides the results, so that those of different models are never mixed."""

from pathlib import Path
from typing import Any, cast

from av2unit.avhubert.labels import vocabulary_of
from av2unit.decoding import Decoding
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import InputError
from netflips.bulk.settings import ExtractModels, ExtractSettings
from unit2av.speaker import default_weights
from unit2av.stage import SPEAKER_ENCODER


def model_key(models: ExtractModels, settings: ExtractSettings) -> dict[str, Any]:
    """What of the models decides the results. Raises CheckpointError, and InputError for a layer that is not there."""
    key: dict[str, Any] = {"precision": models.precision}
    if settings.needs_encoder:
        checkpoint = read_checkpoint(cast(Path, models.encoder), UNIT_ENCODER)
        layers = int(checkpoint.config["model"].get("encoder_layers", 0))
        if settings.layer is not None and settings.layer > layers:
            raise InputError("the encoder has no such layer", path=models.encoder, expected=f"0..{layers}", found=settings.layer)
        decoding = Decoding.from_config(checkpoint.config.get("decoding"), checkpoint.path)
        key |= {
            "encoder": checkpoint.fingerprint,
            "vocabulary": vocabulary_of(checkpoint),
            "decoding": f"{decoding.method} {decoding.duration_penalty:g}",
        }
    if settings.speaker:
        key["speaker_encoder"] = read_checkpoint(models.speaker or default_weights(), SPEAKER_ENCODER).fingerprint
    return key
