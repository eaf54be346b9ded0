"""Find out, on a run's validation clips, how far an encoder's lips and its sound agree."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from av2unit.agreement import KEY, Bound, find_bound, quiet_units
from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from av2unit.training.config import TrainConfig
from av2unit.training.media import MediaReader
from avcore.checkpoints.checkpoint import read_checkpoint, rewrite_config
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
        found = list(_alone(extractor, [clips[index] for index in chosen]))
        quiet = np.concatenate([np.zeros(0, np.int64), *(units for _, _, units in found)])
        silence = int(np.bincount(quiet).argmax()) if len(quiet) else None
        bound = find_bound([(heard, seen) for heard, seen, _ in found], silence)
    except InputError as error:
        LOG.warning("%s is exported without a bound for lips: %s", path, error)
        return None
    checkpoint = read_checkpoint(path, UNIT_ENCODER)
    rewrite_config(checkpoint, {**checkpoint.config, KEY: bound.to_config()})
    LOG.info(
        "lips agree with their sound in %.2f of the steps, with another's in %.2f; the bound is %.2f (%d clips)",
        bound.own, bound.foreign, bound.least, bound.clips,
    )  # fmt: skip
    return bound


def _alone(extractor: UnitExtractor, clips: list[Clip]) -> Iterator[tuple[Ids, Ids, Ids]]:
    """Units of the sound alone, of the lips alone, and of the sound where it is silent; clips that cannot be read are named."""
    media = MediaReader()
    for clip in clips:
        try:
            speech, lips = read_speech(clip.audio), media.lips(clip.lips)
            heard = extractor.extract(speech).frames()
            yield heard, extractor.extract(lips=lips).frames(), quiet_units(heard, speech)
        except (InputError, OSError, ValueError) as error:
            LOG.warning("skipped %s: %s", clip.id, error)
