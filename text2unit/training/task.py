"""Training of a speller: its step, and how well it does on held-out sentences."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from avcore.units import edit_distance
from avtrain.config import Metrics
from avtrain.task import Engine, Task, Values
from text2unit.model import CTC, SpellerConfig
from text2unit.speller import Network
from text2unit.training.config import SpellerRunConfig
from text2unit.training.corpus import TextCorpus
from text2unit.training.items import Batch, Item, Sentences, collate_texts
from text2unit.training.losses import aligned_losses, ctc_loss

LOG = logging.getLogger("netflips.train")
RUN_KIND = "speller"
"""What `describe` says of a run's checkpoint."""
NETWORK = "speller"
"""The network's name in a run's checkpoint."""
_SHOWN_UNITS = 24


class _Measured(NamedTuple):
    """One held-out sentence. units: that it has. length_error: as a share of its length."""

    errors: int
    units: int
    length_error: float


class SpellerTask(Task):
    """A speller of either network."""

    kind = RUN_KIND
    trainer = "text2unit.train"

    def __init__(self, config: SpellerRunConfig, corpus: TextCorpus, network: Network) -> None:
        self._config, self._network = config, network
        sizes = network.config
        super().__init__(
            config, {NETWORK: network}, {NETWORK: config.optim}, Sentences(corpus.train),
            Sentences(corpus.valid) if corpus.valid else None, languages=[sizes.alphabet], model=sizes.to_config(),
            vocabulary=corpus.vocabulary, silence=corpus.silence,
        )  # fmt: skip

    @property
    def _sizes(self) -> SpellerConfig:
        return self._network.config

    @property
    def _is_ctc(self) -> bool:
        return self._sizes.network == CTC

    @property
    def figures(self) -> tuple[str, ...]:
        return ("loss", "unit_errors", "exact", *(() if self._is_ctc else ("length_error",)))

    def collate(self, items: list[Item]) -> Batch:
        return collate_texts(items, with_prior=not self._is_ctc)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """One update; losses are logged without their weights, `loss` is what is minimised."""
        network = engine.module(NETWORK)
        if self._is_ctc:
            loss = self._ctc(network, batch)
            engine.update(NETWORK, loss)
            return {"loss": loss}
        losses = self._aligned(network, batch)
        weights = self._config.losses
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

    def validate(self, batches: Iterator[Batch], engine: Engine) -> Metrics:
        """On held-out sentences: the loss, and of units said freely, without durations, how many are wrong.

        unit_errors: edit distance to the true units, a true unit. exact: share of sentences without an error. length_error (of
        aligned networks): by how much a sentence comes out too long or too short, as a share of its length.
        """
        rows: list[_Measured] = []
        losses: list[tuple[float, int]] = []
        shown = 0
        for batch in batches:
            loss = self._ctc(self._network, batch) if self._is_ctc else self._aligned(self._network, batch)["units"]
            losses.append((float(loss), len(batch["names"])))
            for number in range(len(batch["names"])):
                rows.append(self._measure(batch, number, shown < self._config.num_samples))
                shown += 1
        rows = [_Measured(*row) for share in engine.of_all([tuple(row) for row in rows]) for row in share]
        losses = [row for share in engine.of_all(losses) for row in share]
        if not rows:
            return {"unit_errors": float("inf")}
        metrics = {
            "loss": sum(loss * count for loss, count in losses) / sum(count for _, count in losses),
            "unit_errors": sum(row.errors for row in rows) / max(1, sum(row.units for row in rows)),
            "exact": sum(row.errors == 0 for row in rows) / len(rows),
        }
        return metrics if self._is_ctc else {**metrics, "length_error": sum(row.length_error for row in rows) / len(rows)}

    def _measure(self, batch: Batch, number: int, is_shown: bool) -> "_Measured":
        said = self._network.say(batch["letters"][number, : int(batch["num_letters"][number])])
        truth = batch["units"][number, : int(batch["num_units"][number])].cpu().numpy()
        found = said.ids.cpu().numpy()
        distance = edit_distance(found, truth)
        steps = int(batch["num_frames"][number])
        length = 0.0 if said.durations is None else abs(int(said.durations.sum()) / steps - 1)
        if is_shown:
            heads = (" ".join(map(str, ids[:_SHOWN_UNITS])) for ids in (found, truth))
            LOG.info("%s: %d of %d units wrong: %s | %s", batch["texts"][number], distance, len(truth), *heads)
        return _Measured(distance, len(truth), length)
