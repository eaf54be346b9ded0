"""fairseq's polynomial decay for runs that must end after so many minutes."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.optim.lr_scheduler import register_lr_scheduler
from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRSchedule, PolynomialDecayLRScheduleConfig

TIMED = "timed_polynomial_decay"
_SECONDS = "seconds"


@dataclass
class TimedDecayConfig(PolynomialDecayLRScheduleConfig):  # type: ignore[misc]
    """Options of the schedule."""

    decay_minutes: float = field(default=0.0, metadata={"help": "the decay ends after this time; 0 = by updates alone"})


@register_lr_scheduler(TIMED, dataclass=TimedDecayConfig)
class TimedPolynomialDecay(PolynomialDecayLRSchedule):  # type: ignore[misc]
    """Warm-up by updates, then the decay of fairseq's `polynomial_decay`, by updates or by time, whichever is further on.

    Time counts over resumes. Several processes of a run follow the first one's clock.
    """

    def __init__(self, cfg: TimedDecayConfig, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        self._before = 0.0
        self._start = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """fairseq's state and the seconds trained so far."""
        return {**super().state_dict(), _SECONDS: self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state, of this schedule or of another."""
        super().load_state_dict(state_dict)
        self._before, self._start = float(state_dict.get(_SECONDS, 0.0)), time.monotonic()

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate that follows an update, and return it."""
        warmup, total = self.cfg.warmup_updates, self.total_num_update
        if self.cfg.decay_minutes > 0 and num_updates > warmup:
            share = self._agreed(self._seconds() / (60 * self.cfg.decay_minutes))
            num_updates = min(total, max(num_updates, warmup + round(share * (total - warmup))))
        return float(super().step_update(num_updates))

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    def _agreed(self, share: float) -> float:
        if not (torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1):
            return share
        told = torch.tensor(share, dtype=torch.float64, device=self.optimizer.params[0].device)
        torch.distributed.broadcast(told, src=0)
        return float(told)
