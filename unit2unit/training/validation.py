"""Validations of a run on fairseq and what they may cost, how long the run will take, and how several processes stop together.

fairseq validates on the whole split every so many updates and translates all of it where BLEU is asked for; at the size of Ko-X
that takes fifty times as long as the training between. Here a validation looks at a part of the split, and one that would take more
than its share of the time is left out. New, since fairseq has neither a bound nor a way to stop several processes together.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from fairseq.logging import metrics
from omegaconf import DictConfig, OmegaConf

from avcore.notes import several
from avcore.units import END as END_OF_UNITS
from avcore.units import Ids
from unit2unit.model import TranslatorVocabulary

LOG = logging.getLogger("netflips.train")
_FIRST_UPDATES = 100
"""After so many updates a run says how long it will take."""
_COLLAPSED, _LEAST_SENTENCES = 0.5, 4
"""The share of translated sentences that are one unit over and over, from which a warning is due; and of how many at least."""


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


CUT = "_cut"
TRANSLATION_COUNTS = ("_translated", "_one_unit", CUT)
"""What a validation counts of its translations: all, those that are mostly one unit, those that the limit of length cut."""


def count_translations(translations: Sequence[Ids], vocabulary: TranslatorVocabulary) -> dict[str, int]:
    """Return the counts of some translations, tokens int64 [T] that end in the target's tag: a whole one has `</s>` before it."""
    units = [vocabulary.units(tokens) for tokens in translations]
    one_unit = sum(len(ids) > 1 and bool(np.bincount(ids).max() > len(ids) / 2) for ids in units)
    is_cut = [END_OF_UNITS not in tokens[-2:] for tokens in translations]
    return dict(zip(TRANSLATION_COUNTS, (len(units), one_unit, sum(is_cut)), strict=True))


def say_translations(translated: int, one_unit: int, cut: int) -> None:
    """Say how many translations of a validation were cut, and warn of a translator that says the same whatever it hears."""
    if cut:
        LOG.info("validation: the limit of length cut %d of %s", cut, several(translated, "translation"))
    if translated >= _LEAST_SENTENCES and one_unit > _COLLAPSED * translated:
        LOG.warning(
            "the translator has collapsed: in %d of %d sentences of the validation one unit is more than half of what it says; "
            "lower the rate, or look at the pairs",
            one_unit,
            translated,
        )


@dataclass
class RunTiming:
    """A run's time: what validations take of it, and how long the rest will take.

    share: of the time that validations may take, 0 = any. validate, train: fairseq's own functions.
    """

    share: float
    stop: Stop
    validate: Callable[..., list[Any]]
    train: Callable[..., Any]
    began_s: float = field(default_factory=time.monotonic)
    spent_s: float = 0.0
    _is_told: bool = False

    def validated(self, cfg: DictConfig, trainer: Any, task: Any, epoch_itr: Any, subsets: list[str]) -> list[Any]:
        """Validate as fairseq does, where there is time for it; returns a loss for each subset, None = it was left out."""
        nothing = [None for _ in subsets]
        if self.stop.of_any(trainer) or not self._is_time(cfg, trainer):
            return nothing
        begin, released = time.monotonic(), trainer.valid_step
        active, counts = metrics._active_aggregators.copy(), metrics._active_aggregators_cnt.copy()

        def step(sample: Any, *args: Any, **options: Any) -> Any:
            if self.stop.of_any(trainer):
                raise Interrupted
            return released(sample, *args, **options)

        trainer.valid_step = step
        try:
            return self.validate(cfg, trainer, task, epoch_itr, subsets)
        except Interrupted:
            LOG.warning("SIGTERM: this validation is broken off")
            for kept, before in ((metrics._active_aggregators, active), (metrics._active_aggregators_cnt, counts)):
                kept.clear()  # fairseq's own context leaves what it has changed where its block is left by an exception
                kept.update(before)
            return nothing
        finally:
            trainer.valid_step = released
            self.spent_s += time.monotonic() - begin

    def _is_time(self, cfg: DictConfig, trainer: Any) -> bool:
        """Return whether a validation is due: the first, the last, and those that stay within their share. All processes agree."""
        is_last = trainer.get_num_updates() >= (cfg.optimization.max_update or float("inf"))
        trained = time.monotonic() - self.began_s - self.spent_s
        is_due = is_last or not self.share or self.spent_s <= self.share * (trained + self.spent_s)
        if trainer.data_parallel_world_size > 1:
            box = [is_due]
            torch.distributed.broadcast_object_list(box, src=0, device=trainer.device)
            is_due = box[0]
        if not is_due:
            LOG.info("validation is left out: it has taken %.0f s of %.0f", self.spent_s, trained + self.spent_s)
        return is_due

    def trained(self, cfg: DictConfig, trainer: Any, task: Any, epoch_itr: Any) -> Any:
        """Train an epoch as fairseq does, looking after each update whether to stop, and saying once how long the run takes."""
        released, first, begin = trainer.train_step, trainer.get_num_updates(), time.monotonic()

        def step(samples: Any, *args: Any, **options: Any) -> Any:
            found = released(samples, *args, **options)
            done = trainer.get_num_updates() - first
            if not self._is_told and done >= _FIRST_UPDATES:
                self._is_told = True
                self._tell(cfg, trainer, epoch_itr, (time.monotonic() - begin) / done)
            if self.stop.of_any(trainer):
                OmegaConf.set_readonly(cfg, False)
                cfg.optimization.max_update = 1  # fairseq saves and ends where the number of updates is above it
            return found

        trainer.train_step = step
        try:
            return self.train(cfg, trainer, task, epoch_itr)
        finally:
            trainer.train_step = released

    def _tell(self, cfg: DictConfig, trainer: Any, epoch_itr: Any, update_s: float) -> None:
        """Say how fast the run is, and when it ends."""
        every = cfg.optimization.update_freq[0]
        an_epoch = max(1, -(-len(epoch_itr) // every))
        done, until = trainer.get_num_updates(), cfg.optimization.max_update or 0
        line = f"{3600 / update_s:,.0f} updates an hour; {several(an_epoch, 'update')} an epoch"
        if until > done:
            line += f"; {until:,} updates are {until / an_epoch:.1f} epochs and end in {(until - done) * update_s / 3600:.1f} hours"
        LOG.info("%s", line)
