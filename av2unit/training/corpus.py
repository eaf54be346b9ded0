"""Data of a training run, read and checked before the first step."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.training.augment import WrongLips
from av2unit.training.config import DataConfig, TrainConfig
from av2unit.training.items import ClipItems, Recipe
from av2unit.training.media import MediaReader
from av2unit.training.noise import NoiseMixer
from avcore.data.corpus import Corpus, read_corpus
from avcore.data.labels import (
    Labels,
    LeftOut,
    Selection,
    check_against_dictionary,
    class_of_unit,
    read_dictionaries,
    read_labels,
    select,
)
from avcore.errors import VocabularyError
from avcore.progress import Progress

LOG = logging.getLogger("netflips.train")


@dataclass(frozen=True)
class Prepared:
    """Training data of a run."""

    config: TrainConfig
    """with the number of classes of the data"""
    dictionaries: list[list[str]]
    """symbols of each head"""
    vocabulary: str
    """fingerprint of the labels' quantizer; "" = unknown"""
    train: ClipItems
    valid: ClipItems | None
    class_weights: Tensor | None
    """float32 [classes]; None = equal weights"""
    left_out: list[LeftOut]
    """clips that are not used"""
    media: MediaReader
    """reads the training clips"""
    files: tuple[Sequence[str], Sequence[str]]
    """their files of sound and of lips"""

    def preload(self, progress: Progress) -> None:
        """Decode sound and lips, up to `data.cache_gb`. Called last, after all other checks."""
        if self.config.data.cache_gb:
            self.media.preload(*self.files, self.config.data.cache_gb, progress)


@dataclass(frozen=True)
class _Part:
    corpus: Corpus
    labels: Labels
    selection: Selection

    @property
    def speech(self) -> list[str]:
        return [clip.audio for clip in self.corpus.clips if clip.audio]

    @property
    def lips(self) -> list[str]:
        return [clip.lips for clip in self.corpus.clips if clip.lips]


def prepare(config: TrainConfig) -> Prepared:
    """Read manifests, labels and dictionaries. Raises the NetflipsError of the first thing that does not fit."""
    data = config.data
    train = _read(config, data.train, data.train_labels)
    dictionaries = read_dictionaries(data.dictionaries, train.labels, data.num_units)
    classes = class_of_unit(dictionaries[0])
    check_against_dictionary(train.labels, train.corpus, classes)
    vocabulary = _vocabulary(train.labels, data)

    model = replace(config.model, num_classes=tuple(map(len, dictionaries)), mask_dim=config.model.audio_feat_dim)
    media = MediaReader()
    noise = NoiseMixer(config.noise, train.corpus.split, train.speech, media)
    recipe = Recipe(
        data,
        config.masking,
        model,
        config.loop.seed,
        config.augment,
        noise,
        config.microphone if config.microphone.is_used else None,
        WrongLips(config.mismatch, train.lips, media) if config.mismatch.prob and train.lips else None,
    )

    # A clip that is repeated in an epoch stands there several times.
    used = [train.corpus.clips[index] for index in dict.fromkeys(train.selection.indices)]

    sounds = [*noise.files, *(clip.audio for clip in used if clip.audio)]
    return Prepared(
        replace(config, model=model),
        dictionaries,
        vocabulary,
        ClipItems(train.corpus, train.selection.indices, train.labels, classes, recipe, media),
        prepare_validation(replace(config, model=model), classes, vocabulary),
        _class_weights(train, classes, model.num_classes[0], config.loss.class_balance),
        train.selection.left_out,
        media,
        (sounds, [clip.lips for clip in used if clip.lips]),
    )


def _read(config: TrainConfig, manifest: str, label_paths: Sequence[str]) -> _Part:
    data = config.data
    corpus = read_corpus(manifest, data.root or None)
    labels = read_labels(label_paths, corpus, data.label_rate, data.allow_other_vocabulary)
    return _Part(corpus, labels, select(corpus, labels, (data.min_frames, data.max_frames), config.loop.max_bad_share))


def prepare_validation(config: TrainConfig, classes: NDArray[np.int64], vocabulary: str) -> ClipItems | None:
    """Read the validation clips; None where the configuration names none.

    classes: int64 of shape [units], the class of each unit. vocabulary: that of the training labels.
    """
    if not config.data.valid:
        return None

    valid = _read(config, config.data.valid, config.data.valid_labels)
    check_against_dictionary(valid.labels, valid.corpus, classes)
    if valid.labels.vocabulary and vocabulary and valid.labels.vocabulary != vocabulary and not config.data.allow_other_vocabulary:
        raise VocabularyError(
            "training and validation labels come from different quantizers",
            path=valid.labels.source,
            expected=vocabulary,
            found=valid.labels.vocabulary,
        )

    recipe = Recipe(config.data, config.masking, config.model, config.loop.seed)
    return ClipItems(valid.corpus, valid.selection.indices, valid.labels, classes, recipe, MediaReader())


def _vocabulary(labels: Labels, data: DataConfig) -> str:
    """Return the quantizer that the labels state, or else that of the settings. Raises VocabularyError when the two differ."""
    stated = data.units_vocabulary
    if labels.vocabulary and stated and labels.vocabulary != stated:
        raise VocabularyError(
            "the labels are of another quantizer than data.units_vocabulary says",
            path=labels.source,
            expected=stated,
            found=labels.vocabulary,
        )

    vocabulary = labels.vocabulary or stated
    if not vocabulary:
        LOG.warning("%s do not say which quantizer they are of; data.units_vocabulary states it", labels.source)
    return vocabulary


def _class_weights(part: _Part, classes: NDArray[np.int64], num_classes: int, power: float) -> Tensor | None:
    """Return (1 / frequency) ** power of each class, with mean 1 over the labels; 1 for an unseen class."""
    if not power:
        return None
    used = np.concatenate([part.labels.of(index) for index in part.selection.indices])
    counts = np.bincount(classes[used], minlength=num_classes).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0)
    # A mean of 1 over the labels keeps the size of the loss, and so the meaning of the learning rate.
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(np.where(counts > 0, weights, 1).astype(np.float32))
