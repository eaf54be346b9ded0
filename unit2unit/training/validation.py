"""Validations of a run on fairseq, how long the run will take, and how several processes stop together.

fairseq validates on the whole split and translates all of it where BLEU is asked for, in the batches of the loss; at the size of
Ko-X that takes fifty times as long as the training between. Here a validation looks at a part of the split, and some validations
translate a part of that, in batches of their own. The number of updates says which ones, so that a seed gives the same run. fairseq
has neither a limit for a validation nor a way to stop several processes together.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from avcore.notes import several
from avcore.train.started import warn_of_minutes_ended
from avcore.units import END as END_OF_UNITS
from avcore.units import Ids, Units, format_units
from unit2unit.model import TranslatorVocabulary
from unit2unit.training.fairseq_fixes import kept_metrics

LOG = logging.getLogger("netflips.train")
_FIRST_UPDATES = 100
"""After so many updates a run says how long it will take."""
_ORDER = 4
"""Of the longest n-grams that BLEU counts."""
_COLLAPSED, _LEAST_SENTENCES = 0.5, 4
"""The share of translated sentences that are one unit over and over, from which a warning is due; and of how many at least."""


_IGNORED = 0.01
"""Below this share by which the loss rises with other sources, they are not listened to."""


class Interrupted(Exception):  # noqa: N818  # no error: the run ends with a checkpoint
    """SIGTERM came while a validation ran."""


@dataclass
class Stop:
    """Whether this run was told to end. is_asked: this process was; several processes agree after each update."""

    is_asked: bool = False

    def of_any(self, trainer: Any) -> bool:
        """Return whether any process was asked; all of them must call it."""
        if trainer.data_parallel_world_size == 1:
            return self.is_asked
        flag = torch.tensor([float(self.is_asked)], device=trainer.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag.item())


def part_of(number: int, wanted: int, seed: int) -> Ids:
    """Return which of `number` items a validation looks at, int64 [wanted or fewer], sorted; the same ones in every run.

    wanted: 0 = all.
    """
    if not 0 < wanted < number:
        return np.arange(number)
    return np.sort(np.random.default_rng(seed).permutation(number)[:wanted])


@dataclass
class Translations:
    """What a validation counts of its translations. one_unit: those that are mostly one unit; cut: those that the limit of length
    cut. right, found: n-grams of 1 to 4 units; spoken, wanted: units. losses: sums over `tokens` of targets, with the right sources
    and with others'."""

    number: int = 0
    one_unit: int = 0
    cut: int = 0
    right: Ids = field(default_factory=lambda: np.zeros(_ORDER, np.int64))
    found: Ids = field(default_factory=lambda: np.zeros(_ORDER, np.int64))
    spoken: int = 0
    wanted: int = 0
    losses: tuple[float, float] = (0.0, 0.0)
    tokens: int = 0

    def add_losses(self, right: Tensor, other: Tensor, tokens: int) -> None:
        """Count sums of negative log likelihoods of targets, with their own sources and with others'."""
        self.losses = self.losses[0] + float(right), self.losses[1] + float(other)
        self.tokens += tokens

    @property
    def source_gain(self) -> float:
        """By how much, as a share of it, the loss is higher with sources of other pairs; infinite where nothing was measured."""
        return self.losses[1] / self.losses[0] - 1 if self.losses[0] else float("inf")

    def add(self, translations: Sequence[Ids], targets: Sequence[Ids], vocabulary: TranslatorVocabulary) -> None:
        """Count some translations and what was to be spoken: tokens int64 [T] that end in the target's tag, a whole one has `</s>`
        before it. BLEU is over units, a unit a word, repeats merged, as `netflips evaluate units` counts it; fairseq's own counts
        the target's tag as a word that is always right.
        """
        from sacrebleu.metrics import BLEU

        sides = [[Units(vocabulary.units(tokens)) for tokens in side] for side in (translations, targets)]
        self.number += len(translations)
        self.one_unit += sum(len(one) > 1 and bool(np.bincount(one.ids).max() > len(one) / 2) for one in sides[0])
        self.cut += sum(END_OF_UNITS not in tokens[-2:] for tokens in translations)
        texts = [[format_units(one.merged().ids) for one in side] for side in sides]
        score = BLEU(tokenize="none", force=True).corpus_score(texts[0], [texts[1]])
        self.right, self.found = self.right + score.counts, self.found + score.totals
        self.spoken, self.wanted = self.spoken + score.sys_len, self.wanted + score.ref_len

    def of_all(self, trainer: Any) -> "Translations":
        """Return what all processes counted; each of them must call it."""
        values = [self.number, self.one_unit, self.cut, *self.right, *self.found, self.spoken, self.wanted]
        sums = torch.tensor(list(map(int, values)), device=trainer.device)
        if trainer.data_parallel_world_size > 1:
            torch.distributed.all_reduce(sums)
        number, one_unit, cut, *rest, spoken, wanted = sums.tolist()

        # Apart from the counts, which must stay whole numbers.
        losses = torch.tensor([*self.losses, self.tokens], dtype=torch.float64, device=trainer.device)
        if trainer.data_parallel_world_size > 1:
            torch.distributed.all_reduce(losses)
        right, other, tokens = losses.tolist()
        grams = np.array(rest[:_ORDER]), np.array(rest[_ORDER:])
        return Translations(number, one_unit, cut, *grams, spoken, wanted, (right, other), int(tokens))

    def figures(self) -> dict[str, float]:
        """Return BLEU, 0..100, the number of translations that were cut, and what the source is worth: by how many percent the loss
        is higher with sources of other pairs."""
        from sacrebleu.metrics import BLEU

        score = BLEU.compute_bleu(
            self.right.tolist(), self.found.tolist(), sys_len=self.spoken, ref_len=self.wanted, smooth_method="exp"
        )
        gain = {"source_gain": round(100 * self.source_gain, 2)} if self.tokens else {}
        return {"bleu": round(float(score.score), 2), "cut": self.cut, **gain}


def log_translations(found: Translations) -> None:
    """Log how many translations of a validation were cut, and warn of a translator that gives the same for all sources."""
    if found.cut:
        LOG.info("validation: the limit of length cut %d of %s", found.cut, several(found.number, "translation"))

    if found.number >= _LEAST_SENTENCES and found.one_unit > _COLLAPSED * found.number:
        LOG.warning(
            "the translator has collapsed: in %d of %d sentences of the validation one unit is more than half of what it says; "
            "lower the rate, or look at the pairs",
            found.one_unit,
            found.number,
        )

    if found.number >= _LEAST_SENTENCES and found.source_gain < _IGNORED:
        LOG.warning(
            "the translator ignores its source: with other sources its loss is %.1f %% higher; that is usual early in a run, later "
            "the pairs do not belong together, or the rate is too high",
            100 * found.source_gain,
        )


@dataclass
class Watch:
    """What goes on beside fairseq's updates: validations, their translations, how long the rest will take, and an early end.

    validate, train, stats, stop_early: fairseq's own functions.
    """

    stop: Stop
    validate: Callable[..., list[Any]]
    train: Callable[..., Any]
    stats: Callable[..., dict[str, Any]]
    stop_early: Callable[..., bool]
    _has_reported: bool = False
    _task: Any = None
    _updates: int = 0

    def validated(self, cfg: DictConfig, trainer: Any, task: Any, epoch_itr: Any, subsets: list[str]) -> list[Any]:
        """Validate as fairseq does unless the run is to end; returns a loss for each subset, None = it was broken off."""
        nothing = [None for _ in subsets]
        self._updates = trainer.get_num_updates()
        if self.stop.of_any(trainer):
            return nothing
        self._task, released = task, trainer.valid_step

        def step(sample: Any, *args: Any, **options: Any) -> Any:
            self._break_off(trainer)
            return released(sample, *args, **options)

        # fairseq calls it for each batch, so that a validation can be broken off between two.
        trainer.valid_step = step
        try:
            with kept_metrics():
                found = self.validate(cfg, trainer, task, epoch_itr, subsets)
            return [loss if loss is None or isfinite(loss) else None for loss in found]  # no number is never the best
        except Interrupted:
            LOG.warning("SIGTERM: this validation is broken off")
            return nothing
        finally:
            trainer.valid_step = released

    def _break_off(self, trainer: Any) -> None:
        if self.stop.of_any(trainer):
            raise Interrupted

    def is_over(self, cfg: DictConfig, loss: float | None) -> bool:
        """Return whether `patience` ends the run. It does not count in the warm-up: while the rate is near 0 and losses are
        rounded, no validation is better than the one before."""
        return self._updates >= getattr(cfg.lr_scheduler, "warmup_updates", 0) and self.stop_early(cfg, loss)

    def with_translations(self, cfg: DictConfig, trainer: Any, stats: dict[str, Any], tracking_best: bool) -> dict[str, Any]:
        """Return a split's figures as fairseq does, those of its translations too where they are due, of the first split."""
        if tracking_best and is_translated(cfg, trainer.get_num_updates(), trainer.cumulative_training_time()):
            subset = cfg.dataset.valid_subset.split(",")[0]
            found = self._task.translated(subset, trainer, lambda: self._break_off(trainer)).of_all(trainer)
            if trainer.is_data_parallel_master:
                log_translations(found)
            stats |= found.figures()
        return self.stats(cfg, trainer, stats, tracking_best)

    def trained(self, cfg: DictConfig, trainer: Any, task: Any, epoch_itr: Any) -> Any:
        """Train an epoch as fairseq does, looking after each update whether to stop; a run says once how long it is."""
        released, first, begin = trainer.train_step, trainer.get_num_updates(), time.monotonic()
        was_reported, self._has_reported = self._has_reported, True
        if not was_reported:
            an_epoch = max(1, -(-len(epoch_itr) // cfg.optimization.update_freq[0]))
            until = cfg.optimization.max_update or 0
            line = f"{several(an_epoch, 'update')} an epoch"
            LOG.info("%s", f"{line}; {until:,} updates are {until / an_epoch:.1f} epochs" if until else line)

        def step(samples: Any, *args: Any, **options: Any) -> Any:
            found = released(samples, *args, **options)
            done = trainer.get_num_updates() - first
            if not was_reported and done == _FIRST_UPDATES:
                self._log_figures(cfg, trainer, (time.monotonic() - begin) / done)
            if self.stop.of_any(trainer):
                OmegaConf.set_readonly(cfg, False)
                cfg.optimization.max_update = 1  # fairseq saves and ends where the number of updates is above it
            return found

        trainer.train_step = step
        try:
            found = self.train(cfg, trainer, task, epoch_itr)
        finally:
            trainer.train_step = released

        limit, until = 3600 * cfg.optimization.stop_time_hours, cfg.optimization.max_update or 0
        done, seconds = trainer.get_num_updates(), trainer.cumulative_training_time()
        warmup = getattr(cfg.lr_scheduler, "warmup_updates", 0)
        if 0 < limit < seconds and not 0 < until <= done and trainer.is_data_parallel_master:
            warn_of_minutes_ended("max_minutes", done, until, warmup, seconds)
        if 0 < until <= done < warmup and trainer.is_data_parallel_master:
            LOG.warning(
                "max_update ended the run after %d updates, while its rate was still rising (until update %d)", done, warmup
            )
        return found

    def _log_figures(self, cfg: DictConfig, trainer: Any, update_s: float) -> None:
        """Say how fast the run is, and when it ends."""
        done, until = trainer.get_num_updates(), cfg.optimization.max_update or 0
        line = f"{3600 / update_s:,.0f} updates an hour"
        LOG.info("%s", f"{line}; {until:,} updates end in {(until - done) * update_s / 3600:.1f} hours" if until > done else line)


def is_translated(cfg: DictConfig, updates: int, seconds: float) -> bool:
    """Return whether the validation after so many updates translates.

    Those that save for the first time, every `bleu_interval_updates` and at the end do; all of them where BLEU chooses the best
    checkpoint. seconds: of training so far, which may end the run.
    """
    if not getattr(cfg.task, "eval_bleu", False):
        return False
    every, hours = cfg.task.bleu_interval_updates, cfg.optimization.stop_time_hours
    is_last = updates >= (cfg.optimization.max_update or float("inf")) or 0 < 3600 * hours < seconds
    is_first = updates == cfg.checkpoint.save_interval_updates
    is_asked = not every or updates % every == 0 or cfg.checkpoint.best_checkpoint_metric == "bleu"
    return is_last or is_first or is_asked
