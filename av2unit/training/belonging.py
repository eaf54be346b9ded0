"""Find out, on a run's validation clips, how far an encoder's lips and its sound agree."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from av2unit.agreement import KEY, Bound, find_bound
from av2unit.extractor import UnitExtractor
from av2unit.training.config import TrainConfig
from av2unit.training.media import MediaReader
from avcore.checkpoints.checkpoint import Kind, read_checkpoint, rewrite_config
from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from avcore.units import Ids
from avdata.corpus import Clip, read_corpus

LOG = logging.getLogger("netflips.train")


def judge_lips(path: Path, config: TrainConfig, device: str, max_clips: int) -> Bound | None:
    """Store with an exported encoder the bound below which lips do not belong to a sound; see `av2unit.trust`.

    Returns it; None, with a warning, when the encoder cannot tell lips apart. Raises UsageError when the run has no validation
    clips.
    """
    if not config.data.valid:
        raise UsageError("there are no clips to judge lips on", expected="data.valid in the run's config")
    extractor = UnitExtractor.from_checkpoint(path, device)
    clips = [clip for clip in read_corpus(config.data.valid, config.data.root or None).clips if clip.audio and clip.lips]
    chosen = np.random.default_rng(config.loop.seed).permutation(len(clips))[:max_clips]
    try:
        bound = find_bound(list(_alone(extractor, [clips[index] for index in chosen])), extractor.silence)
    except InputError as error:
        LOG.warning("%s is exported without a bound for lips: %s", path, error)
        return None
    checkpoint = read_checkpoint(path, Kind.UNIT_ENCODER)
    rewrite_config(checkpoint, {**checkpoint.config, KEY: bound.to_config()})
    LOG.info(
        "lips agree with their sound in %.2f of the steps, with another's in %.2f; the bound is %.2f (%d clips)",
        bound.own, bound.foreign, bound.least, bound.clips,
    )  # fmt: skip
    return bound


def _alone(extractor: UnitExtractor, clips: list[Clip]) -> Iterator[tuple[Ids, Ids]]:
    """Units of the sound alone and of the lips alone; clips that cannot be read are named and left out."""
    media = MediaReader()
    for clip in clips:
        try:
            yield extractor.extract(read_speech(clip.audio)).frames(), extractor.extract(lips=media.lips(clip.lips)).frames()
        except (InputError, OSError, ValueError) as error:
            LOG.warning("skipped %s: %s", clip.id, error)
