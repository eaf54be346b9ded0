"""What can be wrong with a run's settings whatever it trains, and the number format that they ask for."""

from avcore.compute.device import has_quick_bfloat16, resolve_device
from avcore.errors import UsageError
from avtrain.config import LoopConfig, RunConfig
from avtrain.wandb_log import require_wandb

_AUTO = "auto"
_PRECISIONS = ("no", "bf16", "fp16", _AUTO)


def check_run(config: RunConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is built."""
    loop = config.loop
    if loop.max_steps <= 0 and loop.max_minutes <= 0:
        raise UsageError("the run has no end", expected="loop.max_steps or loop.max_minutes above 0")
    if not config.batch.batch_size and not config.batch.max_length_sum:
        raise UsageError("batches have no bound", expected="batch.batch_size or batch.max_length_sum above 0")
    for name in ("log_every", "save_every", "validate_every", "accumulate"):
        if getattr(loop, name) < 1:
            raise UsageError(f"loop.{name} must be 1 or more", found=getattr(loop, name))
    if loop.patience < 0:
        raise UsageError("loop.patience must be 0 (never) or more", found=loop.patience)
    if loop.precision not in _PRECISIONS:
        raise UsageError("unknown loop.precision", expected=", ".join(_PRECISIONS), found=loop.precision)
    if loop.wandb_project:
        require_wandb("loop.wandb_project")


def number_format(loop: LoopConfig) -> str:
    """What accelerate computes in: no, bf16 or fp16."""
    if loop.precision != _AUTO:
        return loop.precision
    return "bf16" if has_quick_bfloat16(resolve_device(loop.device)) else "no"
