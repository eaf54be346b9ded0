"""What every training run shares, as frozen dataclasses that hydra's yaml is checked against."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any

from avcore.bounds import Amount, Bounds, Count, Number, OneOf, Positive, Share
from avcore.errors import UsageError

MOST_LEFT_OUT = 10
"""Updates in a row without a finite gradient: weights that give none so often never will again."""
CONFIG_FILE, STARTS_FILE = "config.yaml", "starts.jsonl"
"""In a run's folder: its settings, and a line for each start."""


@dataclass(frozen=True)
class OptimConfig:
    """One optimizer (AdamW) and its schedule.

    muon: parts, such as `network.model.encoder.layers`, whose matrices and kernels learn by Muon instead (Jordan et al. 2024,
    "Muon: an optimizer for hidden layers in neural networks"): meant for what lies inside a network, not for embeddings and
    classes.
    muon_rate: its rate as a multiple of lr. schedule: `constant`, `polynomial` (linear warm-up, then power decay to end_lr at
    the last step) or `exponential` (lr * decay each epoch). betas, eps, weight_decay, clip_norm as usual; clip_norm 0 = no
    clipping.
    """

    lr: Annotated[float, Bounds(0, 1 << 16, is_open=True)] = 1e-3
    muon: tuple[str, ...] = ()
    muon_rate: Amount = 1.0
    betas: tuple[Share, Share] = (0.9, 0.98)
    eps: Amount = 1e-6
    weight_decay: Amount = 0.01
    schedule: Annotated[str, OneOf("constant", "polynomial", "exponential")] = "polynomial"
    warmup_steps: Number = 0
    power: Amount = 1.0
    end_lr: Amount = 0.0
    decay: Positive = 0.999
    clip_norm: Amount = 0.0


@dataclass(frozen=True)
class LoopConfig:
    """The loop itself.

    max_steps: optimizer updates (0 = see max_minutes). max_minutes: stop after this much training time, counted over
    resumes (0 = no limit); the schedule then follows the share of time used. precision: no, bf16, fp16, or
    auto: bf16 on devices that multiply it in hardware, else no.
    save_every, validate_every, log_every: updates; `last` is saved at each validation, too. keep: how many numbered checkpoints
    stay. resume: auto (go on from `last` when it is there), never (begin anew; an earlier run in the folder is put aside), or the
    path of the checkpoint that the run begins from (the same command then goes on from its own `last`). max_bad_share: the run
    stops when more than this share of the items cannot be read. find_unused: with several processes, whether a step may leave
    parameters without a gradient (costs a little). patience: stop after this many validations in a row without a better
    best_metric (0 = never). wandb_project: a project of Weights & Biases to log to as well, where it is installed ("" = none).
    """

    max_steps: Number = 1000
    max_minutes: Amount = 0.0
    precision: Annotated[str, OneOf("no", "bf16", "fp16", "auto")] = "no"
    accumulate: Count = 1
    seed: Number = 1337
    num_workers: Number = 2
    log_every: Count = 50
    save_every: Count = 1000
    validate_every: Count = 1000
    keep: Number = 3
    resume: str = "auto"
    max_bad_share: Share = 0.2
    best_metric: str = "loss"
    best_is_highest: bool = False
    device: str = "auto"
    find_unused: bool = False
    patience: Number = 0
    wandb_project: str = ""


@dataclass(frozen=True)
class BatchConfig:
    """How items become batches.

    batch_size: items (0 = bounded by max_length_sum alone). max_length_sum: sum of padded lengths a batch (0 = no bound).
    bucket: items of similar length share a batch; the number of batches that are sorted together.
    """

    batch_size: Number = 16
    max_length_sum: Number = 0
    bucket: Count = 50
    drop_last: bool = False


@dataclass(frozen=True)
class RunConfig:
    """A run: its folder and the parts that every trainer has. check_only: check everything and stop before the first step."""

    run_dir: str = "runs/unnamed"
    loop: LoopConfig = field(default_factory=LoopConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    check_only: bool = False


Metrics = dict[str, float]
State = dict[str, Any]


def require_wandb(setting: str) -> None:
    """Raise UsageError where `setting` asks for Weights & Biases and it is not installed."""
    if find_spec("wandb") is None:
        raise UsageError(f"{setting} asks for Weights & Biases, which is not installed", hint="pip install wandb, or leave it out")
