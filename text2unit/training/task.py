"""Training of a text-to-unit model: items, losses, training step, and validation on held-out sentences."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from scipy.special import betaln, gammaln
from torch import Tensor

from avcore.arrays import Floats
from avcore.train.data import ItemsOf, pad
from avcore.train.task import Engine, Figures, Task, Values
from avcore.units import edit_distance
from text2unit.model import CTC, PADDING, Network, TextToUnitConfig, Training, aligned_duration_loss, mask_of
from text2unit.training.config import TextLossConfig, TextToUnitTrainConfig
from text2unit.training.corpus import Sentence, TextCorpus

_BLANK_LOGIT = -1.0
"""Logit of the blank, that a step has no letter, as in Badlani et al. (2021)."""
LOG = logging.getLogger("netflips.train")
RUN_KIND = "text-to-unit"
"""The kind that `describe` shows for a run's checkpoint."""
NETWORK = "text-to-unit"
"""The network's name in a run's checkpoint."""
_SHOWN_UNITS = 24


def straight_prior(steps: int, letters: int) -> Floats:
    """Return a beta-binomial prior around the straight line (Badlani et al. 2021): log-probabilities of letters, float32 [T, J]."""
    place = np.arange(letters, dtype=np.float64)
    alpha = np.arange(1, steps + 1, dtype=np.float64)[:, None]
    beta = steps + 1 - alpha
    most = letters - 1
    choose = gammaln(most + 1) - gammaln(place + 1) - gammaln(most - place + 1)
    # log of C(J - 1, j) B(j + a, J - 1 - j + b) / B(a, b), with a = t and b = T + 1 - t for step t of T.
    return np.asarray(choose + betaln(place + alpha, most - place + beta) - betaln(alpha, beta), np.float32)


def straight_priors(num_frames: list[int], num_letters: list[int]) -> Tensor:
    """Return the same for a batch, float32 [batch, T, J], 0 at padding."""
    priors = torch.zeros(len(num_frames), max(num_frames), max(num_letters))
    for row, (steps, letters) in enumerate(zip(num_frames, num_letters, strict=True)):
        priors[row, :steps, :letters] = torch.from_numpy(straight_prior(steps, letters))
    return priors


class Batch(TypedDict):
    """Padded sentences; num_*: their lengths, int64 [batch] each."""

    texts: list[str]
    letters: Tensor
    """int64 [batch, J]"""
    num_letters: Tensor
    units: Tensor
    """int64 [batch, U]"""
    num_units: Tensor
    frames: Tensor
    """int64 [batch, T]"""
    num_frames: Tensor
    prior: Tensor | None
    """float32 [batch, T, J], see `straight_prior`; None for a network without alignment"""


class Sentences(ItemsOf[Sentence, Sentence]):
    """Sentences as items, the same in every epoch; text is small, and all of it stays in memory."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__(sentences, (len(sentence.frames) for sentence in sentences))

    def item(self, index: int, rng: Generator) -> Sentence:
        return self.rows[index]


def collate_texts(items: Sequence[Sentence], with_prior: bool) -> Batch:
    """Make a batch. with_prior: needed by a network that learns its alignment."""
    num_letters, num_frames = [len(sentence.letters) for sentence in items], [len(sentence.frames) for sentence in items]
    return Batch(
        texts=[sentence.text for sentence in items],
        letters=pad([sentence.letters for sentence in items], PADDING),
        num_letters=torch.tensor(num_letters),
        units=pad([sentence.units.ids for sentence in items]),
        num_units=torch.tensor([len(sentence.units) for sentence in items]),
        frames=pad([sentence.frames for sentence in items]),
        num_frames=torch.tensor(num_frames),
        prior=straight_priors(num_frames, num_letters) if with_prior else None,
    )


def ctc_loss(log_probs: Tensor, num_places: Tensor, units: Tensor, num_units: Tensor) -> Tensor:
    """Return the CTC loss per unit.

    log_probs: float32 [batch, places, units + 1], the blank last; num_places: int64 [batch]; units: int64 [batch, U], num_units:
    int64 [batch].
    """
    blank = log_probs.shape[2] - 1
    # A sentence with more units than its places can hold has an infinite loss; it counts 0.
    return F.ctc_loss(log_probs.transpose(0, 1), units, num_places, num_units, blank, reduction="mean", zero_infinity=True)


def aligned_losses(
    made: Training, frames: Tensor, num_frames: Tensor, num_letters: Tensor, config: TextLossConfig
) -> dict[str, Tensor]:
    """Return the losses of an aligned network without their weights: units, forward_sum, binary, duration.

    frames: int64 [batch, T]; num_frames, num_letters: int64 [batch].
    """
    mask = mask_of(num_frames, frames.shape[1])
    classes = made.classes[mask].float()
    return {
        "units": F.cross_entropy(classes, frames[mask], label_smoothing=config.label_smoothing),
        "forward_sum": forward_sum(made.alignment, num_frames, num_letters),
        "binary": binary_loss(made.alignment, made.durations, mask),
        "duration": aligned_duration_loss(made.log_durations, made.durations, num_letters),
    }


def forward_sum(alignment: Tensor, num_frames: Tensor, num_letters: Tensor) -> Tensor:
    """Return minus the log-probability, per letter, of the letters in their order, summed over all alignments.

    alignment: log-probabilities, float32 [batch, T, J]. It is computed as the CTC loss of the sequence 1, 2, ... J.
    """
    batch, _, letters = alignment.shape
    with_blank = F.pad(alignment, (1, 0), value=_BLANK_LOGIT)
    log_probs = torch.log_softmax(with_blank, dim=-1).transpose(0, 1)
    order = torch.arange(1, letters + 1, device=alignment.device).expand(batch, -1)
    return F.ctc_loss(log_probs, order, num_frames, num_letters, blank=0, reduction="mean", zero_infinity=True)


def binary_loss(alignment: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of minus the log-probability of the letter that is assigned to each step.

    alignment: float32 [batch, T, J]; durations: int64 [batch, J]; mask: bool [batch, T].
    """
    steps = torch.arange(mask.shape[1], device=mask.device).expand(len(durations), -1).contiguous()
    owner = torch.searchsorted(durations.cumsum(1), steps, right=True).clamp(max=durations.shape[1] - 1)
    chosen = torch.log_softmax(alignment, dim=-1).gather(2, owner[..., None]).squeeze(-1)
    return -chosen[mask].mean()


class TextToUnitTask(Task):
    """Trains a text-to-unit model of either network."""

    kind = RUN_KIND
    trainer = "text2unit.train"

    def __init__(self, config: TextToUnitTrainConfig, corpus: TextCorpus, network: Network) -> None:
        self._config, self._network = config, network
        sizes = network.config
        super().__init__(
            config, {NETWORK: network}, {NETWORK: config.optim}, Sentences(corpus.train),
            Sentences(corpus.valid) if corpus.valid else None, languages=[sizes.alphabet], model=sizes.to_config(),
            vocabulary=corpus.vocabulary, silence=corpus.silence,
        )  # fmt: skip

    @property
    def _sizes(self) -> TextToUnitConfig:
        return self._network.config

    @property
    def _is_ctc(self) -> bool:
        return self._sizes.network == CTC

    @property
    def figures(self) -> tuple[str, ...]:
        return ("loss", "unit_errors", "exact", *(() if self._is_ctc else ("length_error",)))

    def collate(self, items: list[Sentence]) -> Batch:
        return collate_texts(items, with_prior=not self._is_ctc)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """Make one update. Losses are logged without their weights; `loss` is the weighted sum that is minimised."""
        network = engine.module(NETWORK)
        if self._is_ctc:
            loss = self._ctc(network, batch)
            engine.update(NETWORK, loss)
            return {"loss": loss}

        losses = self._aligned(network, batch)
        weights = self._config.losses
        # A hard alignment is only asked for once a soft one has formed: at the beginning it would fix mistakes (Badlani et al.
        # 2021).
        binary = weights.binary if engine.progress >= weights.binary_from else 0.0
        loss = (
            losses["units"]
            + weights.forward_sum * losses["forward_sum"]
            + binary * losses["binary"]
            + weights.duration * losses["duration"]
        )

        engine.update(NETWORK, loss)
        return {"loss": loss, **losses}

    def _ctc(self, network: Any, batch: Batch) -> Tensor:
        log_probs = network(batch["letters"], batch["num_letters"])
        return ctc_loss(log_probs, batch["num_letters"] * self._sizes.places, batch["units"], batch["num_units"])

    def _aligned(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        made = network(batch["letters"], batch["num_letters"], batch["frames"], batch["num_frames"], batch["prior"])
        return aligned_losses(made, batch["frames"], batch["num_frames"], batch["num_letters"], self._config.losses)

    def measure(self, batches: Iterator[Batch], engine: Engine) -> Iterator[Figures]:
        """Yield the loss on held-out sentences, and errors of the units that the network makes from their text.

        unit_errors: edit distance to the true units, without durations, divided by their number. exact: share of sentences without
        an error. length_error (aligned networks only): mean error of a sentence's length, as a share of it.
        """
        shown = 0
        for batch in batches:
            loss = self._ctc(self._network, batch) if self._is_ctc else self._aligned(self._network, batch)["units"]
            yield {"loss": (float(loss) * len(batch["texts"]), len(batch["texts"]))}
            for number in range(len(batch["texts"])):
                yield self._measure(batch, number, shown < self._config.num_samples)
                shown += 1

    def _measure(self, batch: Batch, number: int, is_shown: bool) -> Figures:
        spoken = self._network.say(batch["letters"][number, : int(batch["num_letters"][number])])
        truth = batch["units"][number, : int(batch["num_units"][number])].cpu().numpy()
        found = spoken.ids.cpu().numpy()
        distance = edit_distance(found, truth)
        if is_shown:
            heads = (" ".join(map(str, ids[:_SHOWN_UNITS])) for ids in (found, truth))
            LOG.info("%s: %d of %d units wrong: %s | %s", batch["texts"][number], distance, len(truth), *heads)

        figures: dict[str, float | tuple[float, float]] = {"unit_errors": (distance, len(truth)), "exact": float(distance == 0)}
        if spoken.durations is not None:
            figures["length_error"] = abs(int(spoken.durations.sum()) / int(batch["num_frames"][number]) - 1)
        return figures
