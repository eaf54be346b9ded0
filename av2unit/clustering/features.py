"""Features for clustering, 50 or 25 a second, clip by clip.

They are the log filterbank or MFCC of the sound, averaged to the rate of the labels, or the output of an encoder's layer. Workers
read clips; only a few are in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from av2unit.cepstra import filterbank_features, mfcc_features, normalise_columns
from av2unit.clustering.config import CLIP, ENCODER, MFCC, FeatureConfig
from av2unit.extractor import UnitExtractor
from av2unit.training.media import MediaReader, Pcm
from avcore.arrays import Floats, Frames
from avcore.data.corpus import Corpus, CorpusClip
from avcore.errors import InputError
from avcore.timeline import FRAME_RATE, UNITS_PER_FRAME, units_to_samples
from avcore.train.data import BadItem, ItemsOf, make_loader

_INT16_SCALE = 32768


@dataclass(frozen=True)
class _Media:
    speech: Pcm | None
    lips: Frames | None


class _Sources(ItemsOf[CorpusClip, Floats | _Media]):
    """Items for workers: each reads a clip and computes acoustic features."""

    def __init__(self, corpus: Corpus, config: FeatureConfig) -> None:
        super().__init__(corpus.clips, (clip.steps for clip in corpus.clips))
        self._config, self._media = config, MediaReader()

    def item(self, index: int, rng: np.random.Generator) -> Floats | _Media:
        clip = self.rows[index]
        if self._config.kind == ENCODER:
            wanted = self._config.modalities
            speech = self._media.speech(clip.audio) if clip.audio and "audio" in wanted else None
            lips = self._media.lips(clip.lips) if clip.lips and "video" in wanted else None
            if speech is None and lips is None:
                raise InputError("the clip has nothing that the encoder is to be given", expected=" or ".join(wanted))
            return _Media(speech, lips)

        if not clip.audio:
            raise InputError("the clip has no sound", hint="take features.kind=encoder for lips alone")
        samples = self._media.speech(clip.audio).astype(np.float64)
        compute = mfcc_features if self._config.kind == MFCC else filterbank_features
        return compute(samples, self._config.label_rate)


class FeatureStream:
    """Features of a corpus, in its order."""

    def __init__(self, corpus: Corpus, config: FeatureConfig, extractor: UnitExtractor | None, num_workers: int) -> None:
        """extractor: only needed for features of an encoder."""
        self._corpus, self._config, self._extractor, self._num_workers = corpus, config, extractor, num_workers

    def __len__(self) -> int:
        return len(self._corpus.clips)

    def of(self, numbers: Sequence[int]) -> Iterator[tuple[int, Floats | BadItem]]:
        """Yield numbers and features of clips, float32 [labels, columns], in the given order; for a bad clip the reason."""
        batches = [[(0, number)] for number in numbers]
        loader = make_loader(_Sources(self._corpus, self._config), itemgetter(0), batches, self._num_workers)
        for number, batch in zip(numbers, loader, strict=True):
            yield number, batch.bad[0] if batch.bad else self._finish(batch.content)

    def _finish(self, content: Floats | _Media) -> Floats:
        rows = self._encode(content) if isinstance(content, _Media) else content
        return normalise_columns(rows) if self._config.normalise == CLIP else rows

    def _encode(self, media: _Media) -> Floats:
        extractor, layer = self._extractor, self._config.layer
        if extractor is None:
            raise ValueError("features of an encoder need an extractor")
        speech = None if media.speech is None else media.speech.astype(np.float32) / _INT16_SCALE

        if self._config.label_rate == FRAME_RATE:
            return extractor.features(layer, speech, media.lips)
        if speech is None:
            return np.repeat(extractor.features(layer, None, media.lips), UNITS_PER_FRAME, axis=0)
        return np.stack([extractor.features(layer, part, media.lips) for part in around(speech)], axis=1).reshape(
            -1, extractor.config.encoder_embed_dim
        )


def around(speech: Floats) -> tuple[Floats, Floats]:
    """Return the sound shifted 10 ms later and 10 ms earlier, with the same length, float32 [samples] each.

    A row of the encoder covers 40 ms. For these two sounds, rows are centred on its first and its second 20 ms, so that interleaved
    rows are features at 50 a second. Lips are not shifted, and are off by a quarter of a frame.
    """
    half = units_to_samples(1) // 2
    padded = np.pad(speech, (half, half))
    return padded[: len(speech)], padded[2 * half :]


def feature_settings(config: FeatureConfig, extractor: UnitExtractor | None) -> dict[str, Any]:
    """Return settings that identify the features, with the encoder's fingerprint."""
    settings = asdict(config) | {"modalities": list(config.modalities)}
    # The settings are part of the units' fingerprint, which must not depend on a setting without effect.
    if config.kind != ENCODER:
        del settings["layer"], settings["modalities"]
    return settings | ({"encoder": extractor.fingerprint} if extractor is not None else {})
