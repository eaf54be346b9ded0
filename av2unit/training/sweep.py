"""Choose the duration penalty that gives the fewest unit errors on a run's validation clips."""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch

from av2unit.avhubert.model import AvHubert
from av2unit.decoding import ARGMAX, VITERBI, Decoding, decode
from av2unit.training.config import TrainConfig
from av2unit.training.items import Batch, ClipItems, Pair, collate
from av2unit.training.network import MaskedPrediction
from av2unit.training.prepare import prepare_validation
from av2unit.training.trained import Trained
from av2unit.training.validation import Score, clip_scores
from avcore.compute.device import resolve_device
from avcore.errors import InputError, UsageError
from avdata.labels import class_of_unit
from avtrain.data import move

LOG = logging.getLogger("netflips.train")


def choose_penalty(trained: Trained, config: TrainConfig, options: argparse.Namespace) -> Decoding:
    """Decode validation clips with each of `options.choose_penalty`; the least mean unit error rate over inputs wins.

    Raises UsageError when the run has no validation clips.
    """
    dictionaries = trained.about["dictionaries"]
    model = replace(config.model, num_classes=tuple(map(len, dictionaries)), mask_dim=config.model.audio_feat_dim)
    config = replace(config, model=model)
    items = prepare_validation(config, class_of_unit(dictionaries[0]), trained.about["vocabulary"])
    if items is None:
        raise UsageError("there are no clips to choose the penalty on", expected="data.valid in the run's config")
    encoder = AvHubert(config.model)
    encoder.load_state_dict(trained.tensors)
    device = resolve_device(options.device)
    network = MaskedPrediction(encoder, config.loss).to(device).eval()
    scores = {penalty: Score() for penalty in options.choose_penalty}
    with torch.inference_mode():
        for clip in _clips(items, config, options.max_clips):
            for name, logits, wanted in clip_scores(network, move(clip, device)):
                for penalty, score in scores.items():
                    score.add(name, decode(logits, decoding_of(penalty)), wanted)
    return decoding_of(_best({penalty: score.metrics() for penalty, score in scores.items()}))


def decoding_of(penalty: float) -> Decoding:
    """The decoding with a duration penalty; none is argmax."""
    return Decoding(VITERBI, penalty) if penalty else Decoding(ARGMAX)


def _clips(items: ClipItems, config: TrainConfig, limit: int) -> Iterator[Batch]:
    """Some of the clips, one at a time; those that cannot be read are named and left out."""
    for index in np.random.default_rng(config.loop.seed).permutation(len(items))[:limit].tolist():
        try:
            pair = items.load((0, index))
        except (InputError, OSError, ValueError) as error:
            LOG.warning("skipped %s: %s", items.name(index), error)
            continue
        if isinstance(pair, Pair):
            yield collate([pair.whole], config.model.audio_feat_dim, config.model.image_crop_size)


def _best(measured: Mapping[float, Mapping[str, float]]) -> float:
    for penalty, metrics in measured.items():
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("uer"))
        LOG.info("duration penalty %g: %s", penalty, shown)
    return min(measured, key=lambda penalty: measured[penalty]["uer"])
