"""Start and end of a run: the check of its settings, its number format, its processes, and the record of each start.

The record has the settings, how they differ from the start before, the command and the commit. Processes have random seeds of their
own; `of_all` and `of_first` let them agree on values.
"""

import logging
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avcore import journal
from avcore.bounds import require_bounds
from avcore.compute.inference import has_quick_bfloat16, resolve_device
from avcore.errors import UsageError
from avcore.files import require_file, write_text
from avcore.notes import several
from avcore.train.checkpoints import AUTO, BEGINNING, LAST, NEVER
from avcore.train.config import CONFIG_FILE, STARTS_FILE, LoopConfig, RunConfig, require_wandb
from avcore.train.settings import as_yaml

if TYPE_CHECKING:
    from accelerate import Accelerator

    from avcore.train.task import Task

_ASKED = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Variables in which launchers give the number of processes that they started."""
LOG = logging.getLogger("netflips.train")
_REPOSITORY = Path(__file__).resolve().parents[2]


def check_run(config: RunConfig, task: "Task | None" = None) -> None:
    """Raise UsageError or InputError for settings that cannot work. With a task, its figures are checked, too."""
    require_bounds(config)
    loop = config.loop
    if loop.max_steps <= 0 and loop.max_minutes <= 0:
        raise UsageError("the run has no end", expected="loop.max_steps or loop.max_minutes above 0")
    if not config.batch.batch_size and not config.batch.max_length_sum:
        raise UsageError("batches have no bound", expected="batch.batch_size or batch.max_length_sum above 0")
    if task is not None and task.valid is not None and loop.best_metric not in task.figures:
        raise UsageError("loop.best_metric is not measured", expected=", ".join(task.figures), found=loop.best_metric)

    device = resolve_device(loop.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError("there is no such device", expected=f"cuda:0 to cuda:{torch.cuda.device_count() - 1}", found=loop.device)
    if device.index and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("each of several processes takes a device of its own", expected="loop.device=auto", found=loop.device)

    if loop.resume not in (NEVER, AUTO) and not Path(config.run_dir, "checkpoints", LAST).exists():
        require_file(loop.resume, BEGINNING)
    if loop.wandb_project:
        require_wandb("loop.wandb_project")


def number_format(loop: LoopConfig) -> str:
    """Return accelerate's `mixed_precision`: no, bf16 or fp16. fp16 on a CPU becomes no, because accelerate ignores it there."""
    device = resolve_device(loop.device)
    if loop.precision == "auto":
        return "bf16" if has_quick_bfloat16(device) else "no"
    return "no" if loop.precision == "fp16" and device.type == "cpu" else loop.precision


def warn_of_slow_precision(name: str, device: torch.device) -> None:
    """Warn if the device is slow in a number format that was asked for, such as `bf16`, or does not use it."""
    if name in ("fp16", "float16") and device.type == "cpu":
        LOG.warning("half precision (%s) needs a GPU: training in float32 on the CPU", name)
    elif name in ("bf16", "bfloat16") and not has_quick_bfloat16(device):
        LOG.warning("%s has no products here: it takes several times as long as float32; auto chooses by the machine", name)


def processes_line(number: int, device: str, number_format: str = "no") -> str:
    """Return the line that a run logs at its start."""
    computed = "" if number_format == "no" else f", in {number_format}"
    return f"training with {number} process{'' if number == 1 else 'es'} on {device}{computed}"


def warn_of_minutes_ended(setting: str, done: int, expected: int, warmup: int, seconds: float) -> None:
    """Log how many updates a run made before its time was over, and warn if these are too few.

    Too few are fewer than the warm-up or than half of those expected. setting: name of the setting with the minutes.
    expected: updates that the config asks for as well, 0 = not stated. warmup: updates in which the rate rises. seconds: training
    time.
    """
    made = f"{done:,} of {expected:,} updates" if expected else several(done, "update")
    pace = seconds / max(1, done)
    line = f"{setting} ended the run after {made}, {pace:.{0 if pace >= 10 else 2}f} s each"
    if done < warmup:
        LOG.warning(
            "%s, while its rate was still rising (until update %d): it needs more minutes or a quicker machine", line, warmup
        )
    elif done < expected / 2:
        LOG.warning("%s: it needs more minutes or a quicker machine", line)
    else:
        LOG.info("%s", line)


def missing_processes(number: int, environment: Mapping[str, str]) -> str | None:
    """Return a warning if the launcher was asked for more processes than train this run together, else None."""
    asked = max((int(environment[name]) for name in _ASKED if environment.get(name, "").isdecimal()), default=1)
    advice = "start it as torchrun --nproc_per_node N -m ..."
    if asked > number:
        return f"{asked} processes were started, but each trains by itself (processes of this run: {number}); {advice}"
    # Without GPUs, accelerate starts one process whatever --num_processes says; these variables are the only sign of it.
    is_by_accelerate = "ACCELERATE_USE_CPU" in environment and "MASTER_PORT" in environment
    if is_by_accelerate and "WORLD_SIZE" not in environment and number == 1:
        return f"accelerate launch was asked for several processes, but starts them on GPUs only: this is the only one; {advice}"
    return None


def log_processes(accelerator: "Accelerator", loop: LoopConfig) -> None:
    """Log how many processes train together, and in which format; warn if more were asked for, or if the format is slow here."""
    number = int(accelerator.num_processes)
    if warning := missing_processes(number, os.environ):
        LOG.warning("%s", warning)
    if accelerator.is_main_process:
        LOG.info("%s", processes_line(number, str(accelerator.device), number_format(loop)))
        warn_of_slow_precision(loop.precision, accelerator.device)
        if number > 1:
            LOG.info("losses are means over the processes; they share the validation")


def of_all(accelerator: "Accelerator", value: Any) -> list[Any]:
    """Return the plain values of all processes, in the order of their ranks. All processes must call it."""
    if accelerator.num_processes == 1:
        return [value]
    from accelerate.utils import gather_object

    return list(gather_object([value]))


def of_first(accelerator: "Accelerator", value: Any) -> Any:
    """Return the first process's plain value. All processes must call it."""
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    box = [value]
    broadcast_object_list(box)
    return box[0]


def seed_of(seed: int, rank: int) -> int:
    """Return the seed of one process, below 2 ** 32: the run's for the first, a different one for each other."""
    return seed if rank == 0 else int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])


def note_start(config: Any, run_dir: Path, is_resumed: bool, processes: int) -> None:
    """Write the run's settings and a line about this start into its folder, which is created if missing.

    If an earlier start had other settings, its file is kept as config.1.yaml and so on; a resumed run logs the differences.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / CONFIG_FILE
    changes = changed_settings(run_dir, config)
    if changes:
        kept = next(run_dir / f"config.{n}.yaml" for n in count(1) if not (run_dir / f"config.{n}.yaml").exists())
        path.rename(kept)
        for change in changes if is_resumed else ():
            LOG.warning("going on with another setting: %s", change)
        LOG.info("the settings before are kept in %s", kept)

    write_text(path, as_yaml(config))
    journal.append(
        run_dir / STARTS_FILE,
        [
            {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": shlex.join(sys.orig_argv),
                "folder": str(Path.cwd()),
                "processes": processes,
                "pid": os.getpid(),
                "machine": platform.node(),
                **_commit(),
                "netflips": _version(),
                "torch": torch.__version__,
                "python": sys.version.split()[0],
            }
        ],
    )


def changed_settings(run_dir: Path, config: Any) -> list[str]:
    """Return the settings that differ from those in a run's folder, as `loop.max_steps: 100 -> 200`; [] if it has none."""
    path = run_dir / CONFIG_FILE
    if not path.exists():
        return []

    try:
        before = _flat(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, OSError, ValueError):
        return [f"{path} could not be read"]

    now = _flat(OmegaConf.create(OmegaConf.to_yaml(OmegaConf.structured(config))))
    return [
        f"{key}: {before.get(key)} -> {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not OmegaConf.is_dict(node):
        return {prefix: node}
    flat: dict[str, Any] = {}
    for key in node:
        flat |= _flat(node[key], f"{prefix}.{key}" if prefix else str(key))
    return flat


def _commit() -> dict[str, Any]:
    """Return the commit of the running checkout and whether files differ from it; {} if this is no checkout."""
    if not (_REPOSITORY / ".git").exists():
        return {}
    found = [_git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")]
    return {} if found[0] is None else {"commit": found[0], "is_changed": bool(found[1])}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version() -> str:
    try:
        return version("netflips")
    except PackageNotFoundError:
        return ""
