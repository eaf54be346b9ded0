"""Settings that all trainers share: frozen dataclasses that hydra's yaml is checked against."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any

from msgspec import Meta

from avcore.bounds import Amount, Count, Number, Positive, Share, one_of
from avcore.errors import UsageError

MOST_LEFT_OUT = 10
"""Updates in a row without a finite gradient after which a run stops: such weights do not recover."""
CONFIG_FILE, STARTS_FILE = "config.yaml", "starts.jsonl"
"""Files in a run's folder: its settings, and a line for each start."""


@dataclass(frozen=True)
class OptimConfig:
    """One optimizer (AdamW) and its schedule. betas, eps and weight_decay are AdamW's."""

    lr: Annotated[float, Meta(gt=0, le=1 << 16)] = 1e-3
    muon: tuple[str, ...] = ()
    """parts, such as `network.model.encoder.layers`, whose matrices and kernels learn by Muon instead (Jordan et al. 2024, "Muon:
    an optimizer for hidden layers in neural networks"); meant for hidden layers, not for embeddings and classes"""
    muon_rate: Amount = 1.0
    """Muon's rate as a multiple of lr"""
    betas: tuple[Share, Share] = (0.9, 0.98)
    eps: Amount = 1e-6
    weight_decay: Amount = 0.01
    schedule: Annotated[str, one_of("constant", "polynomial", "exponential")] = "polynomial"
    """`polynomial`: linear warm-up, then power decay to end_lr at the last step; `exponential`: lr * decay each epoch"""
    warmup_steps: Number = 0
    power: Amount = 1.0
    end_lr: Amount = 0.0
    decay: Positive = 0.999
    clip_norm: Amount = 0.0
    """0 = no clipping"""


@dataclass(frozen=True)
class LoopConfig:
    """The training loop."""

    max_steps: Number = 1000
    """optimizer updates, 0 = see max_minutes"""
    max_minutes: Amount = 0.0
    """training time over all resumes, 0 = no limit; the schedule then follows the share of the time used"""
    precision: Annotated[str, one_of("no", "bf16", "fp16", "auto")] = "no"
    """auto: bf16 on devices that multiply it in hardware, else no"""
    accumulate: Count = 1
    seed: Number = 1337
    num_workers: Number = 2
    log_every: Count = 50
    """updates"""
    save_every: Count = 1000
    """updates"""
    validate_every: Count = 1000
    """updates; `last` is saved at each validation, too"""
    keep: Number = 3
    """how many numbered checkpoints are kept"""
    resume: str = "auto"
    """auto: go on from `last` if there is one; never: begin anew, and move an earlier run in the folder away; or the path of the
    checkpoint that the run begins from, after which the same command goes on from the run's own `last`"""
    max_bad_share: Share = 0.2
    """the run stops if more than this share of the items cannot be read"""
    best_metric: str = "loss"
    best_is_highest: bool = False
    device: str = "auto"
    find_unused: bool = False
    """with several processes: whether a step may leave parameters without a gradient, which costs a little time"""
    patience: Number = 0
    """stop after this many validations in a row without a better best_metric, 0 = never"""
    wandb_project: str = ""
    """project of Weights & Biases to log to as well, "" = none; needs wandb"""


@dataclass(frozen=True)
class BatchConfig:
    """How items become batches. Items of similar length share a batch."""

    batch_size: Number = 16
    """items, 0 = bounded by max_length_sum alone"""
    max_length_sum: Number = 0
    """bound of the sum of padded lengths in a batch, 0 = no bound"""
    bucket: Count = 50
    """number of batches whose items are sorted by length together"""
    drop_last: bool = False


@dataclass(frozen=True)
class RunConfig:
    """A run: its folder and the settings that every trainer has."""

    run_dir: str = "runs/unnamed"
    loop: LoopConfig = field(default_factory=LoopConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    check_only: bool = False
    """check everything and stop before the first step"""


Metrics = dict[str, float]
State = dict[str, Any]


def require_wandb(setting: str) -> None:
    """Raise UsageError where `setting` asks for Weights & Biases and it is not installed."""
    if find_spec("wandb") is None:
        raise UsageError(f"{setting} asks for Weights & Biases, which is not installed", hint="pip install wandb, or leave it out")
