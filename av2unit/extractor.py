"""Speech and lips to units: the trained encoder, and the decoding of its class scores to one class for each step.

How classes are decoded is a setting stored with the model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.config import NO_UNIT, unit_of_class, vocabulary_of
from av2unit.features import audio_features
from av2unit.known_sentences import KnownSentences
from av2unit.lips import lip_features
from av2unit.modality_selection import AgreementThreshold
from av2unit.model import AvHubert, load_avhubert
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Floats, Frames
from avcore.bounds import Amount, one_of
from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import Reloadable, ready_for_inference, resolve_device, resolve_precision
from avcore.contracts import Extraction, Extractor
from avcore.domain import Domain, steps_below, weakest_stretch
from avcore.errors import CheckpointError, InputError
from avcore.progress import Progress, silent
from avcore.units import Units

Scores = NDArray[np.float32]
Classes = NDArray[np.int64]

ARGMAX = "argmax"
VITERBI = "viterbi"


@dataclass(frozen=True)
class Decoding:
    """How a class is chosen for each step."""

    method: Annotated[str, one_of(ARGMAX, VITERBI)] = ARGMAX
    """argmax: the best class of each step, as published; viterbi: the best path, where each change of unit has a price."""
    duration_penalty: Amount = 0.0
    """Log-probability that each change of unit costs; used by viterbi."""

    @classmethod
    def from_config(cls, stored: Mapping[str, Any] | None, path: Path | None = None) -> "Decoding":
        """Read the setting from a checkpoint's configuration; None gives the published one. Raises CheckpointError."""
        if stored is not None and not isinstance(stored, Mapping):
            raise CheckpointError("the decoding of units cannot be read", path=path, expected="method and penalty", found=stored)
        stored = stored or {}

        method, penalty = stored.get("method", ARGMAX), stored.get("duration_penalty", 0.0)
        if method not in (ARGMAX, VITERBI):
            raise CheckpointError("unknown decoding of units", path=path, expected=f"{ARGMAX} or {VITERBI}", found=method)
        if isinstance(penalty, bool) or not isinstance(penalty, int | float) or not penalty >= 0:
            raise CheckpointError("the duration penalty cannot be used", path=path, expected="a number, 0 or more", found=penalty)
        return cls(method, float(penalty))


def decode(logits: Scores, decoding: Decoding) -> Classes:
    """Choose a class for each step.

    logits: float32 [steps, classes], -inf for a class that may not be chosen. Returns int64 [steps].
    """
    if decoding.method == ARGMAX:
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)
    return viterbi(log_probabilities(logits), decoding.duration_penalty)


def chosen_log_probabilities(logits: Scores, classes: Classes) -> Scores:
    """Return the log-probability of the chosen class at each step, float32 [steps].

    logits: float32 [steps, classes]. classes: int64 [steps].
    """
    return np.take_along_axis(log_probabilities(logits), classes[:, None], axis=1)[:, 0]


def viterbi(log_probs: Scores, duration_penalty: float) -> Classes:
    """Find the path with the largest sum of log-probabilities, less `duration_penalty` for each change of class.

    Duration-penalised dynamic programming (Kamper and van Niekerk 2021) with a constant price. A change costs the same
    from every class, so each step needs only the best class of the step before: O(steps * classes). Of equal paths, the one
    that stays longer wins. log_probs: float32 [steps, classes]. Returns int64 [steps].
    """
    num_steps, num_classes = log_probs.shape

    best_before = np.zeros(num_steps, dtype=np.int64)
    has_changed = np.zeros((num_steps, num_classes), dtype=bool)
    total = np.zeros(num_classes)
    for step in range(num_steps):
        best_before[step] = total.argmax()
        after_change = total[best_before[step]] - duration_penalty
        has_changed[step] = total < after_change
        total = np.maximum(total, after_change) + log_probs[step]

    path = np.zeros(num_steps, dtype=np.int64)
    current = int(total.argmax()) if num_steps else 0
    for step in range(num_steps - 1, -1, -1):
        path[step] = current
        if has_changed[step, current]:
            current = int(best_before[step])
    return path


def log_probabilities(logits: Scores) -> Scores:
    """Return the log-softmax of each row, float32 [steps, classes]."""
    # Without the largest logit, `exp` cannot overflow.
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: Scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


_WEAKEST_STEPS, _NEAREST_STEPS = 10, 15
"""Steps in a stretch, for the score and for that of the nearest sentence. Of all lengths, these find the most known sentences with
one unknown word at three false warnings in a hundred."""


class _Batch(NamedTuple):
    """Padded input of the encoder."""

    audio: Tensor | None
    """float32 [batch, time, 104]"""
    video: Tensor | None
    """float32 [batch, time, 88, 88], or [batch, time, dim] of `look`"""
    lengths: list[int]
    """steps of each utterance, without the padding"""


class UnitExtractor(Reloadable[AvHubert]):
    """Turns speech, lip frames or both into units, 50 a second: two for each 40 ms step of the encoder.

    vocabulary: fingerprint of the quantizer, which the units carry. fingerprint: of the whole checkpoint. decoding: how units are
    chosen from the scores. domain: the confidence to expect. known: the sentences of that domain. agreement: how far lips and sound
    agree. The last three are None where the checkpoint does not state them.
    """

    def __init__(
        self, model: AvHubert, checkpoint: Checkpoint, device: torch.device, load: Callable[[], AvHubert] | None = None
    ) -> None:
        """Wrap a loaded model; `from_checkpoint` is the usual way.

        model: in evaluation mode, on `device`. checkpoint: its source, for labels and decoding. load: makes an equal model, see
        `unload`; None = this one stays in memory.
        """
        super().__init__(model, load)
        self.config, self.device = model.config, device
        self.vocabulary, self.fingerprint = vocabulary_of(checkpoint), checkpoint.fingerprint
        self.decoding = Decoding.from_config(checkpoint.config.get("decoding"), checkpoint.path)
        self.domain = Domain.from_config(checkpoint.config, checkpoint.path)
        self.agreement = AgreementThreshold.from_config(checkpoint.config, checkpoint.path)
        self._unit_of_class: NDArray[np.int64] = unit_of_class(checkpoint)
        self.known = KnownSentences.from_config(checkpoint.config, checkpoint.path, self._unit_of_class)

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu", precision: str = "float32") -> "UnitExtractor":
        """Load a published unit encoder, or one of our own, for inference.

        Raises UsageError for a device or precision that this machine does not have, CheckpointError for a file that does not fit.
        """
        target = resolve_device(device)
        dtype = resolve_precision(precision, target)
        checkpoint = read_checkpoint(path, UNIT_ENCODER)
        # Not the checkpoint itself: as part of `load`, its tensors would stay in memory after `unload`.
        place, known = checkpoint.path, checkpoint.fingerprint

        def load() -> AvHubert:
            return _ready(read_again(place, UNIT_ENCODER, known), target, dtype)

        return cls(_ready(checkpoint, target, dtype), checkpoint, target, load)

    def extract(self, speech: Floats | None = None, lips: Frames | None = None, progress: Progress = silent) -> Units:
        """Turn one utterance into units with their durations.

        speech: float32 [samples] at 16 kHz in [-1, 1]. lips: uint8 gray [time, 96, 96] at 25 fps. Either may be None. With
        both, speech is cut or padded to the length of the lips. Raises InputError if both are None, if one has another shape, or
        if one is empty.
        """
        return self.extract_batch(*_batch_of_one(speech, lips), progress)[0]

    def extract_batch(
        self, speech: Sequence[Floats] | None = None, lips: Sequence[Frames] | None = None, progress: Progress = silent
    ) -> list[Units]:
        """Turn several utterances into units in one batch. Each gets the units that it would get alone.

        The arguments are those of `extract`, in lists of equal length. A modality that is missing is missing in all.
        """
        return [self._units(self._classes(scores)) for scores in self._scores(speech, lips, progress)]

    def look(self, lips: Frames) -> Tensor:
        """Return the features of the encoder's visual front end, float [time, dim]; `extract_scored` takes them instead of lips."""
        batch = self._batch(None, [lips])
        with torch.inference_mode():
            return cast(Tensor, self.model.feature_extractor_video(batch.video, batch.lengths)[0])

    def extract_scored(
        self, speech: Floats | None = None, lips: Frames | Tensor | None = None, progress: Progress = silent
    ) -> Extraction:
        """Turn one utterance into units as `extract` does, with their confidence. lips: frames, or the features of `look`."""
        scores = self._scores(None if speech is None else [speech], None if lips is None else [lips], progress)[0]
        classes = self._classes(scores)
        chosen = chosen_log_probabilities(scores, classes)

        # An unknown word is unlike every known sentence, and its units have a low score. The sum of both, at a threshold that warns
        # of 1 known sentence in 20, finds 0.84 of those with one unknown word; the ratios alone find 0.80 (98 sentences).
        sentence_scores = (
            None if self.known is None else self.known.log_ratios(log_probabilities(scores), self._unit_of_class) + chosen
        )

        share_known = None
        if self.domain is not None and len(chosen):
            strange = steps_below(chosen, _WEAKEST_STEPS, self.domain.weakest)
            if sentence_scores is not None:
                strange |= steps_below(sentence_scores, _NEAREST_STEPS, self.domain.nearest)
            share_known = float(1 - strange.mean())

        return Extraction(
            self._units(classes),
            float(chosen.mean()) if len(chosen) else 0.0,
            weakest_stretch(chosen, _WEAKEST_STEPS),
            None if sentence_scores is None else weakest_stretch(sentence_scores, _NEAREST_STEPS),
            share_known,
        )

    def logits(self, speech: Floats | None = None, lips: Frames | None = None) -> Scores:
        """Return the scores of all classes, special ones too: float32 [units, classes], two rows for each 40 ms step."""
        batch = self._batch(*_batch_of_one(speech, lips))
        with torch.inference_mode():
            return _interleave([head[0] for head in self.model(batch.audio, batch.video, batch.lengths)])

    def features(self, layer: int | None = None, speech: Floats | None = None, lips: Frames | None = None) -> Floats:
        """Return the hidden states of the encoder, float32 [time, encoder_embed_dim], 25 a second; for clustering, for example.

        layer: 0 = the input of the first layer, n = the raw output of layer n, None = the normalised output of the last layer.
        """
        if layer is not None and not 0 <= layer <= self.config.encoder_layers:
            raise InputError("the encoder has no such layer", expected=f"0..{self.config.encoder_layers}", found=layer)
        batch = self._batch(*_batch_of_one(speech, lips))
        with torch.inference_mode():
            hidden = self.model.encode(batch.audio, batch.video, batch.lengths, layer)
        return np.asarray(hidden[0].float().cpu().numpy(), dtype=np.float32)

    def _batch(self, speech: Sequence[Floats] | None, lips: Sequence[Frames | Tensor] | None) -> _Batch:
        if not speech and not lips:
            raise InputError("units come from speech, lips or both", found="neither")
        if speech and lips and len(speech) != len(lips):
            raise ValueError(f"as many lips as speech are needed, found {len(lips)} and {len(speech)}")
        config = self.config

        video = [
            clip if isinstance(clip, Tensor) else lip_features(clip, config.image_crop_size, config.image_mean, config.image_std)
            for clip in lips or ()
        ]

        audio = [
            audio_features(clip, config.stack_order_audio, config.normalize, len(video[row]) if video else None)
            for row, clip in enumerate(speech or ())
        ]
        return _Batch(self._pad(audio), self._pad(video), [len(clip) for clip in video or audio])

    def _pad(self, clips: Sequence[Floats | Tensor]) -> Tensor | None:
        """Return float32 [time, ...] clips as one [batch, time, ...] on the model's device, zeros at the end; None for no clips."""
        if not clips:
            return None
        # A view; `pad_sequence` would copy the clip.
        if len(clips) == 1:
            return torch.as_tensor(clips[0])[None].to(self.device)
        return torch.nn.utils.rnn.pad_sequence([torch.as_tensor(clip) for clip in clips], batch_first=True).to(self.device)

    def _scores(self, speech: Sequence[Floats] | None, lips: Sequence[Frames | Tensor] | None, progress: Progress) -> list[Scores]:
        """Return the scores of each utterance: float32 [units, classes], -inf for classes without a unit."""
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
    """Load the encoder: the ResNet and the layers' products in `dtype`, the heads, where small differences decide, in float32."""
    model = load_avhubert(checkpoint).to(device)
    return ready_for_inference(model, dtype, [model.feature_extractor_video.resnet, *model.encoder.layers])


def _batch_of_one(speech: Floats | None, lips: Frames | None) -> tuple[list[Floats] | None, list[Frames] | None]:
    return None if speech is None else [speech], None if lips is None else [lips]


def _interleave(heads: Sequence[Tensor]) -> Scores:
    """Interleave the heads' [time, classes] to float32 [time * heads, classes]; -inf where a head has fewer classes."""
    num_classes = max(head.shape[1] for head in heads)
    padded = [torch.nn.functional.pad(head.float(), (0, num_classes - head.shape[1]), value=-torch.inf) for head in heads]
    scores: Scores = torch.stack(padded, dim=1).flatten(0, 1).cpu().numpy()
    return scores


_CONTRACT: type[Extractor] = UnitExtractor
"""Checked by mypy: the class keeps the protocol."""

__all__ = ["Extraction", "UnitExtractor"]
