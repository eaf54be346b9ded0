"""Calibration on a run's validation clips: the best duration penalty, and the agreement between lips and sound."""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from av2unit.extractor import ARGMAX, VITERBI, Decoding, UnitExtractor, decode
from av2unit.modality_selection import AGREEMENT_KEY, AgreementThreshold, find_threshold, quiet_units
from av2unit.model import AvHubert
from av2unit.stage import UNIT_ENCODER
from av2unit.training.config import TrainConfig
from av2unit.training.corpus import prepare_validation
from av2unit.training.items import ClipBatch, ClipItems, ValidationPair, collate
from av2unit.training.media import MediaReader
from av2unit.training.start import encoder_tensors
from av2unit.training.task import MaskedPrediction, clip_figures, clip_scores, with_uer
from avcore.checkpoints.checkpoint import read_checkpoint, rewrite_config
from avcore.compute.inference import resolve_device
from avcore.data.corpus import CorpusClip, read_corpus
from avcore.data.labels import class_of_unit
from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from avcore.train.checkpoints import RunResult
from avcore.train.task import Means, means_of
from avcore.units import Ids

LOG = logging.getLogger("netflips.train")


def choose_penalty(trained: RunResult, config: TrainConfig, options: argparse.Namespace) -> Decoding:
    """Decode validation clips with each of `options.choose_penalty`; returns the decoding with the least unit error rate, averaged
    over inputs.

    Raises UsageError when the run has no validation clips.
    """
    from accelerate.utils import send_to_device  # which a plain export does without

    dictionaries = trained.about["dictionaries"]
    model = replace(config.model, num_classes=tuple(map(len, dictionaries)), mask_dim=config.model.audio_feat_dim)
    config = replace(config, model=model)
    items = prepare_validation(config, class_of_unit(dictionaries[0]), trained.about["vocabulary"])
    if items is None:
        raise UsageError("there are no clips to choose the penalty on", expected="data.valid in the run's config")

    encoder = AvHubert(config.model)
    encoder.load_state_dict(encoder_tensors(trained))
    device = resolve_device(options.device)
    network = MaskedPrediction(encoder, config.loss).to(device).eval()
    found = {penalty: Means() for penalty in options.choose_penalty}

    # The network runs once for each clip: penalties differ in decoding alone.
    with torch.inference_mode():
        for clip in _clips(items, config, options.max_clips):
            for name, logits, wanted in clip_scores(network, send_to_device(clip, device)):
                for penalty, means in found.items():
                    means.add(clip_figures(name, decode(logits, decoding_of(penalty)), wanted))

    measured = {penalty: with_uer(means_of([means])) for penalty, means in found.items()}
    for penalty, metrics in measured.items():
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("uer"))
        LOG.info("duration penalty %g: %s", penalty, shown)
    return decoding_of(min(measured, key=lambda penalty: measured[penalty]["uer"]))


def decoding_of(penalty: float) -> Decoding:
    """Return the decoding with a duration penalty; argmax for 0."""
    return Decoding(VITERBI, penalty) if penalty else Decoding(ARGMAX)


def _clips(items: ClipItems, config: TrainConfig, limit: int) -> Iterator[ClipBatch]:
    """Yield up to `limit` random clips, one at a time; those that cannot be read are logged and left out."""
    for index in np.random.default_rng(config.loop.seed).permutation(len(items))[:limit].tolist():
        try:
            pair = items.load((0, index))
        except (InputError, OSError, ValueError) as error:
            LOG.warning("skipped %s: %s", items.name(index), error)
            continue
        if isinstance(pair, ValidationPair):
            yield collate([pair.whole], config.model.audio_feat_dim, config.model.image_crop_size)


def calibrate_agreement(path: Path, config: TrainConfig, device: str, max_clips: int) -> AgreementThreshold | None:
    """Find the threshold below which lips do not belong to a sound, and store it with an exported encoder.

    See `av2unit.modality_selection`. Returns the threshold, or None with a warning if the encoder cannot tell lips apart. Raises
    UsageError when the run has no validation clips.
    """
    if not config.data.valid:
        raise UsageError("there are no clips to judge lips on", expected="data.valid in the run's config")

    extractor = UnitExtractor.from_checkpoint(path, device)
    clips = [clip for clip in read_corpus(config.data.valid, config.data.root or None).clips if clip.audio and clip.lips]
    chosen = np.random.default_rng(config.loop.seed).permutation(len(clips))[:max_clips]

    try:
        found = list(_alone(extractor, [clips[index] for index in chosen]))
        quiet = np.concatenate([np.zeros(0, np.int64), *(units for _, _, units in found)])
        # The unit that is heard where clips are quiet. The most frequent one of all may be a sound.
        silence = int(np.bincount(quiet).argmax()) if len(quiet) else None
        threshold = find_threshold([(audio, seen) for audio, seen, _ in found], silence)
    except InputError as error:
        LOG.warning("%s is exported without a bound for lips: %s", path, error)
        return None

    checkpoint = read_checkpoint(path, UNIT_ENCODER)
    rewrite_config(checkpoint, {**checkpoint.config, AGREEMENT_KEY: threshold.to_config()})
    LOG.info(
        "lips agree with their sound in %.2f of the steps, with another's in %.2f; the bound is %.2f (%d clips)",
        threshold.own,
        threshold.foreign,
        threshold.least,
        threshold.clips,
    )

    return threshold


def _alone(extractor: UnitExtractor, clips: list[CorpusClip]) -> Iterator[tuple[Ids, Ids, Ids]]:
    """Yield for each clip the units of sound alone, of lips alone, and of quiet sound; unreadable clips are logged."""
    media = MediaReader()
    for clip in clips:
        try:
            speech, lips = read_speech(clip.audio), media.lips(clip.lips)
            audio = extractor.extract(speech).frames()
            yield audio, extractor.extract(lips=lips).frames(), quiet_units(audio, speech)
        except (InputError, OSError, ValueError) as error:
            LOG.warning("skipped %s: %s", clip.id, error)
