"""The vocoder that training starts from: a fresh one, or one language of a checkpoint."""

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import load_strict, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.convolutions import WeightNormed
from avcore.errors import CheckpointError, InputError
from avcore.files import require_file
from avcore.train.checkpoints import RunResult, read_run
from avcore.units import require_same_vocabulary
from unit2av.stage import RENDERER, RendererCheckpoint, open_training_checkpoint, with_vocoder
from unit2av.voice.harmonic import (
    HIFIGAN,
    HarmonicConfig,
    HarmonicVocoder,
    harmonic_config,
    kind_of_voice,
    source_settings,
)
from unit2av.voice.speech import resolve_unit_offset
from unit2av.voice.training.config import VoiceInitConfig, VoiceModelConfig
from unit2av.voice.training.losses import Runs
from unit2av.voice.vocoder import UnitHifiGan, VocoderConfig, vocoder_config

LOG = logging.getLogger("netflips.train")

_TABLE, _PITCH_TABLE = "dict.weight", "pitch.dict.weight"
GENERATOR = "generator"
RUN_KIND = "unit vocoder"
"""The kind that `describe` shows for a run's checkpoint."""


class TrainedHifiGan(UnitHifiGan):
    """The vocoder in training: one call uses every weight, as data parallel training needs it."""

    def forward(self, frame_ids: Tensor, speaker: Tensor, runs: Runs | None = None) -> Any:
        """Return sound, float32 [batch, samples a unit * time], and with runs also their log durations, float32 [batch, runs].

        frame_ids: int64 [batch, time]. speaker: float32 [batch, E].
        """
        sound = super().forward(frame_ids, speaker)
        return sound if runs is None else (sound, self.log_durations(runs.ids, runs.is_run))


class TrainedHarmonic(HarmonicVocoder):
    """The same for a voice with a pitch."""

    def forward(
        self,
        frame_ids: Tensor,
        speaker: Tensor,
        log_f0: Tensor,
        runs: Runs | None = None,
        melody: tuple[Tensor, Tensor] | None = None,
    ) -> Any:
        """Return sound, float32 [batch, samples a unit * time], and with runs and melody also log durations and contours.

        frame_ids: int64 [batch, time]. speaker: float32 [batch, E]. log_f0: float32 [batch, 4 * time]. melody: frames int64 [n, T]
        and `places` float32 [n, 10, T]. Log durations are float32 [batch, runs], contours float32 [n, 2, T].
        """
        sound = super().forward(frame_ids, speaker, log_f0)
        if runs is None or melody is None:
            return sound
        return sound, self.log_durations(runs.ids, runs.is_run), self.pitch(*melody)


TrainedVocoder = TrainedHifiGan | TrainedHarmonic


def read_voice_run(path: str | Path) -> RunResult:
    """Read `<run>/checkpoints/{last,best,step_N}.pt` of a vocoder's training. Raises CheckpointError for another file."""
    return read_run(path, "unit2av.train_unit2a", RUN_KIND)


def settings_of(config: VocoderConfig | HarmonicConfig) -> dict[str, Any]:
    """Return the settings that cannot be read from a vocoder's tensors, as a renderer's configuration holds them."""
    if isinstance(config, HarmonicConfig):
        return source_settings(config)
    return {"upsample_rates": list(config.upsample_rates), "dilations": config.resblock_dilations}


def fresh_vocoder(config: VocoderConfig, seed: int) -> TrainedHifiGan:
    """Return an untrained vocoder, the same for the same seed.

    Convolutions get torch's usual initial weights. HiFi-GAN's code draws N(0, 0.01), but into a copy that weight norm throws away;
    a narrow vocoder that really starts that way stays silent.
    """
    torch.manual_seed(seed)
    network = TrainedHifiGan(config)
    for module in network.modules():
        if isinstance(module, WeightNormed):
            module.restart()
    return network


def fresh_harmonic(config: HarmonicConfig, seed: int) -> TrainedHarmonic:
    """Return an untrained harmonic voice, the same for the same seed."""
    torch.manual_seed(seed)
    network = TrainedHarmonic(config)
    network.source.restart()
    network.pitch.of_voice.requires_grad_(False)  # set once, in closed form
    return network


def start_vocoder(
    model: VoiceModelConfig, init: VoiceInitConfig, vocabulary: str, speaker_dim: int, seed: int, encoder: str = ""
) -> TrainedVocoder:
    """Return the vocoder to train.

    vocabulary: fingerprint of the units' quantizer. speaker_dim: length of the voices. encoder: fingerprint of their speaker
    encoder, "" = unknown. Raises VocabularyError, CheckpointError or InputError where checkpoint and data do not fit each other.
    """
    if init.checkpoint:
        checkpoint = _open(init, model)
        stated = str(checkpoint.vocoder_settings(init.language).get("speaker_encoder", ""))
        if stated and encoder not in ("", stated):
            what, hint = "the vocoder to start from learnt with another speaker encoder", "give data.speaker_encoder"
            raise InputError(what, path=checkpoint.source.path, expected=stated, found=encoder, hint=hint)
        network = _from_checkpoint(checkpoint, model, init, vocabulary, seed)
    elif model.kind != HIFIGAN:
        network = fresh_harmonic(model.harmonic, seed)
    else:
        network = fresh_vocoder(model, seed)

    if network.config.speaker_dim != speaker_dim:
        raise InputError(
            "the voices do not fit the vocoder",
            path=init.checkpoint or None,
            expected=f"{network.config.speaker_dim} values",
            found=speaker_dim,
            hint="take them from its own speaker encoder" if init.checkpoint else "set model.speaker_dim",
        )
    return network


def _open(init: VoiceInitConfig, model: VocoderConfig) -> RendererCheckpoint:
    """Read any of the three kinds of file as a renderer with at least one vocoder. Raises CheckpointError for another file."""
    path = require_file(init.checkpoint, "the checkpoint to start from")
    try:
        return RendererCheckpoint(read_checkpoint(path, RENDERER))
    except CheckpointError as error:
        with suppress(InputError):
            return open_training_checkpoint(path, init.language, settings_of(model))
        with suppress(InputError):
            run = read_voice_run(path)
            config = {**run.about["settings"], "vocabulary": run.about["vocabulary"], "unit_offsets": {init.language: 0}}
            tensors = with_vocoder({}, init.language, run.modules[GENERATOR])
            return RendererCheckpoint(Checkpoint(path, RENDERER, config, tensors, ""))
        # The first complaint says what kind of file it is.
        raise error


def _from_checkpoint(
    checkpoint: RendererCheckpoint, model: VoiceModelConfig, init: VoiceInitConfig, vocabulary: str, seed: int
) -> TrainedVocoder:
    source, language, num_units = checkpoint.source, init.language, model.num_units
    tensors, settings = checkpoint.vocoder_tensors(language), checkpoint.vocoder_settings(language)
    if not init.allow_other_vocabulary:
        require_same_vocabulary(vocabulary, str(settings.get("vocabulary", "")), f"the '{language}' vocoder of {source.path}")

    offset = resolve_unit_offset(
        init.unit_offset if init.unit_offset >= 0 else "auto", language, tensors[_TABLE], checkpoint.unit_offsets
    )
    network = _fresh_as(tensors, settings, model, source.path, seed)

    # The tensors may be views of the file; training would write into it.
    own = {name: tensor.clone() for name, tensor in tensors.items()}
    known = tensors[_TABLE][offset : offset + num_units]
    # Rows of units that the checkpoint lacks stay as they were drawn.
    for name in (_TABLE, *((_PITCH_TABLE,) if _PITCH_TABLE in tensors else ())):
        table = network.get_parameter(name).detach().clone()
        table[: len(known)] = tensors[name][offset : offset + num_units]
        own[name] = table

    load_strict(network, own, source)
    LOG.info("starting from '%s' of %s, %d of %d unit rows", language, source.path, len(known), num_units)
    return network


def _fresh_as(
    tensors: dict[str, Tensor], settings: dict[str, Any], model: VoiceModelConfig, path: Path, seed: int
) -> TrainedVocoder:
    """Return an untrained vocoder with a checkpoint's sizes. Raises CheckpointError if its kind is not the one to train."""
    found = kind_of_voice(tensors)
    if found != model.kind:
        raise CheckpointError(
            "the vocoder to start from is of another kind",
            path=path,
            expected=model.kind,
            found=found,
            hint=f"set model={found}, or leave init.checkpoint out",
        )

    if found != HIFIGAN:
        return fresh_harmonic(replace(harmonic_config(tensors, settings, path), num_units=model.num_units), seed)
    return fresh_vocoder(replace(vocoder_config(tensors, settings, path), num_units=model.num_units), seed)
