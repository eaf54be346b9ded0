"""Speech and lips to units: the trained encoder behind one small face."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.agreement import Bound
from av2unit.avhubert.config import NO_UNIT, unit_of_class, vocabulary_of
from av2unit.avhubert.model import AvHubert, load_avhubert
from av2unit.decoding import Classes, Decoding, Scores, chosen_log_probabilities, decode, log_probabilities
from av2unit.features import audio_features, lip_features
from av2unit.nearest import KnownSentences
from av2unit.stage import UNIT_ENCODER
from avcore.answers import Extraction
from avcore.arrays import Floats, Pictures
from avcore.checkpoints.checkpoint import Checkpoint, read_again, read_checkpoint
from avcore.compute.device import resolve_device, resolve_precision
from avcore.compute.modules import Reloadable
from avcore.contracts import Extractor
from avcore.errors import InputError
from avcore.progress import Progress, silent
from avcore.units import Units
from avcore.units.domain import Domain, steps_below, weakest_stretch

_WEAKEST_STEPS, _NEAREST_STEPS = 10, 15
"""How long a stretch is: of these, at three false warnings in a hundred, find most known sentences with one unknown word."""


class _Batch(NamedTuple):
    """Padded input of the encoder: float32 [batch, time, 104], float32 [batch, time, 88, 88], steps of each."""

    audio: Tensor | None
    video: Tensor | None
    lengths: list[int]


class UnitExtractor:
    """Turns speech, lip pictures or both into units, 50 a second: two for each 40 ms step of the encoder.

    vocabulary: fingerprint of the quantizer, which the units carry; fingerprint: of the whole checkpoint. decoding: how
    units are chosen from the scores. domain: what confidence to expect of it, known: the sentences of that domain, agreement: how
    far its lips and its sound agree, None = not stated.
    """

    def __init__(
        self, model: AvHubert, checkpoint: Checkpoint, device: torch.device, load: Callable[[], AvHubert] | None = None
    ) -> None:
        """model: in evaluation mode, on `device`; checkpoint: where it came from, for labels and decoding.

        load: makes an equal model, see `put_away`; None = this one stays in memory.
        """
        self._model, self.config, self.device = Reloadable(model, load), model.config, device
        self.vocabulary, self.fingerprint = vocabulary_of(checkpoint), checkpoint.fingerprint
        self.decoding = Decoding.from_config(checkpoint.config.get("decoding"), checkpoint.path)
        self.domain = Domain.from_config(checkpoint.config, checkpoint.path)
        self.agreement = Bound.from_config(checkpoint.config, checkpoint.path)
        self._unit_of_class: NDArray[np.int64] = unit_of_class(checkpoint)
        self.known = KnownSentences.from_config(checkpoint.config, checkpoint.path, self._unit_of_class)

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu", precision: str = "float32") -> "UnitExtractor":
        """Load a published or own unit encoder for inference.

        Raises UsageError for a device or precision that is not here, CheckpointError for a file that does not fit.
        """
        target = resolve_device(device)
        dtype = resolve_precision(precision, target)
        checkpoint = read_checkpoint(path, UNIT_ENCODER)
        place, known = checkpoint.path, checkpoint.fingerprint

        def load() -> AvHubert:
            return _ready(read_again(place, UNIT_ENCODER, known), target, dtype)

        return cls(_ready(checkpoint, target, dtype), checkpoint, target, load)

    @property
    def model(self) -> AvHubert:
        """The network; read from its file again after `put_away`. Raises CheckpointError when that holds another one by now."""
        return self._model.value

    def put_away(self) -> None:
        """Let the weights go until they are needed next."""
        self._model.put_away()

    def extract(self, speech: Floats | None = None, lips: Pictures | None = None, progress: Progress = silent) -> Units:
        """Turn one utterance into units with their durations.

        speech: float32 [samples] at 16 kHz in [-1, 1]. lips: uint8 gray [time, 96, 96] at 25 fps. Either may be None;
        with both, speech is cut or filled up to the lips' length. Raises InputError for neither, for another form, or
        when one is empty.
        """
        return self.extract_batch(*_batch_of_one(speech, lips), progress)[0]

    def extract_batch(
        self, speech: Sequence[Floats] | None = None, lips: Sequence[Pictures] | None = None, progress: Progress = silent
    ) -> list[Units]:
        """Turn several utterances into units together; each comes out as it would alone.

        Arguments as of `extract`, in lists of equal length; a modality that is missing is missing in all.
        """
        return [self._units(self._classes(scores)) for scores in self._scores(speech, lips, progress)]

    def extract_scored(self, speech: Floats | None = None, lips: Pictures | None = None, progress: Progress = silent) -> Extraction:
        """Turn one utterance into units as `extract` does, and say how sure that is."""
        scores = self._scores(*_batch_of_one(speech, lips), progress)[0]
        classes = self._classes(scores)
        chosen = chosen_log_probabilities(scores, classes)
        # An unknown word is unlike any sentence and heard unsurely at once: with both, a bound that warns of 1 known sentence in 20
        # finds 0.84 of those with one unknown word, with the likeness alone 0.80 (98 sentences).
        likeness = None if self.known is None else self.known.likeness(log_probabilities(scores), self._unit_of_class) + chosen
        return Extraction(
            self._units(classes),
            float(chosen.mean()) if len(chosen) else 0.0,
            weakest_stretch(chosen, _WEAKEST_STEPS),
            None if likeness is None else weakest_stretch(likeness, _NEAREST_STEPS),
            None if self.domain is None or not len(chosen) else self._share_known(self.domain, chosen, likeness),
        )

    @staticmethod
    def _share_known(domain: Domain, chosen: Floats, likeness: NDArray[np.float64] | None) -> float:
        """Return the share of the steps that lie in no strange stretch."""
        strange = steps_below(chosen, _WEAKEST_STEPS, domain.weakest)
        if likeness is not None:
            strange |= steps_below(likeness, _NEAREST_STEPS, domain.nearest)
        return float(1 - strange.mean())

    def logits(self, speech: Floats | None = None, lips: Pictures | None = None) -> Scores:
        """Return the scores of all classes, the specials too, float32 [units, classes], two rows for each 40 ms step."""
        batch = self._batch(*_batch_of_one(speech, lips))
        with torch.inference_mode():
            return _interleave([head[0] for head in self.model(batch.audio, batch.video, batch.lengths)])

    def features(self, layer: int | None = None, speech: Floats | None = None, lips: Pictures | None = None) -> Floats:
        """Return the hidden states of the encoder, float32 [time, encoder_embed_dim], 25 a second, for clustering and the like.

        layer: 0 = what enters the first layer, n = the raw output of layer n, None = the normalised output of the last.
        """
        if layer is not None and not 0 <= layer <= self.config.encoder_layers:
            raise InputError("the encoder has no such layer", expected=f"0..{self.config.encoder_layers}", found=layer)
        batch = self._batch(*_batch_of_one(speech, lips))
        with torch.inference_mode():
            hidden = self.model.encode(batch.audio, batch.video, batch.lengths, layer)
        return np.asarray(hidden[0].float().cpu().numpy(), dtype=np.float32)

    def _batch(self, speech: Sequence[Floats] | None, lips: Sequence[Pictures] | None) -> _Batch:
        if not speech and not lips:
            raise InputError("units come from speech, lips or both", found="neither")
        if speech and lips and len(speech) != len(lips):
            raise ValueError(f"as many lips as speech are needed, found {len(lips)} and {len(speech)}")
        config = self.config
        video = [lip_features(clip, config.image_crop_size, config.image_mean, config.image_std) for clip in lips or ()]
        audio = [
            audio_features(clip, config.stack_order_audio, config.normalize, len(video[row]) if video else None)
            for row, clip in enumerate(speech or ())
        ]
        return _Batch(self._pad(audio), self._pad(video), [len(clip) for clip in video or audio])

    def _pad(self, clips: Sequence[Floats]) -> Tensor | None:
        """Put float32 [time, ...] clips into one [batch, time, ...], zeros at the end, on the model's device; None for none."""
        if not clips:
            return None
        if len(clips) == 1:
            return torch.from_numpy(clips[0])[None].to(self.device)
        return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True).to(self.device)

    def _scores(self, speech: Sequence[Floats] | None, lips: Sequence[Pictures] | None, progress: Progress) -> list[Scores]:
        """Return the scores of each utterance, float32 [units, classes], -inf for classes that stand for no unit."""
        batch = self._batch(speech, lips)
        with torch.inference_mode():
            heads = self.model(batch.audio, batch.video, batch.lengths, progress)
        rows = [_interleave([head[row, :length] for head in heads]) for row, length in enumerate(batch.lengths)]
        return [np.where(self._unit_of_class == NO_UNIT, -np.inf, logits).astype(np.float32) for logits in rows]

    def _classes(self, scores: Scores) -> Classes:
        return decode(scores, self.decoding)

    def _units(self, classes: Classes) -> Units:
        return Units.from_frames(self._unit_of_class[classes], vocabulary=self.vocabulary)


def _ready(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> AvHubert:
    return load_avhubert(checkpoint).to(device).freeze(dtype)


def _batch_of_one(speech: Floats | None, lips: Pictures | None) -> tuple[list[Floats] | None, list[Pictures] | None]:
    return None if speech is None else [speech], None if lips is None else [lips]


def _interleave(heads: Sequence[Tensor]) -> Scores:
    """Interleave [time, classes] of each head -> float32 [time * heads, classes]; -inf where a head has fewer classes."""
    num_classes = max(head.shape[1] for head in heads)
    padded = [torch.nn.functional.pad(head.float(), (0, num_classes - head.shape[1]), value=-torch.inf) for head in heads]
    scores: Scores = torch.stack(padded, dim=1).flatten(0, 1).cpu().numpy()
    return scores


_CONTRACT: type[Extractor] = UnitExtractor
"""Checked by mypy: the class keeps the protocol."""

__all__ = ["Extraction", "UnitExtractor"]
