"""What can be wrong with a run is said before its first step: dictionary, device and quantizers against each other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError, UsageError, VocabularyError
from avcore.files import require_file
from unit2unit.utut_common.autocast import NONE, check_autocast
from unit2unit.utut_common.config import TrainingRun
from unit2unit.utut_common.processes import has_gpu, is_launched
from unit2unit.utut_common.start import Start


def languages(run: TrainingRun) -> tuple[str, ...]:
    """The run's language tags in the order of their rows; raises UsageError when there are none."""
    tags = run.option("langs") or []
    names = tuple(tags.split(",") if isinstance(tags, str) else tags)
    if not names or len(set(names)) != len(names):
        raise UsageError("the run needs its language tags", expected="langs=[en,...], each once", found=list(names))
    return names


def dictionary_size(path: Path) -> int:
    """How many units a dict.txt holds; raises InputError unless they are 0, 1, 2, ... in order."""
    lines = require_file(path, "the units' dictionary").read_text(encoding="utf-8").splitlines()
    for expected, line in enumerate(lines):
        if line.split(" ")[0] != str(expected):
            raise InputError("the dictionary must list the units in order", path=f"{path}:{expected + 1}",
                             expected=f"{expected} 1", found=repr(line[:40]))  # fmt: skip
    return len(lines)


def check_device(run: TrainingRun) -> TrainingRun:
    """Settle what a run computes in and on: where there is no GPU, half precision is left out, with a word.

    Raises UsageError for a precision that fairseq lacks, and for several processes that need GPUs where there are none.
    """
    if run.option("bf16"):
        raise UsageError(
            "fairseq trains in bf16 on TPUs only", found="bf16=true", hint="use fp16, or fairseq.task.autocast=bfloat16"
        )
    autocast = str(run.option("autocast", NONE))
    check_autocast(autocast)
    if run.option("fp16") and autocast != NONE:
        raise UsageError("half precision is asked for twice", found=f"fp16 and autocast={autocast}",
                         hint="add fairseq.common.fp16=false, or leave autocast out")  # fmt: skip
    if has_gpu(run):
        return run
    if int(run.option("distributed_world_size", 1)) > 1 and run.option("ddp_backend") != "legacy_ddp" and not is_launched():
        raise UsageError("several processes need a GPU each", found="no CUDA device",
                         hint="add fairseq.distributed_training.distributed_world_size=1, or start it with torchrun")  # fmt: skip
    if run.option("fp16"):
        LOG.warning("half precision (fp16) needs a GPU: training in float32 on the CPU")
    return run.changed("common", {"fp16": False, "cpu": True})


def check_start(run: TrainingRun, start: Start | None, num_units: int, vocabulary: str, owner: str) -> TrainingRun:
    """Check the data against the checkpoint that a run starts from or goes on from, and settle the fingerprint of its units.

    num_units: size of the data's dictionary; vocabulary: the data's fingerprint, "" = unknown; owner: words for the
    data. Returns the run with `units_vocabulary` filled in. Raises NetflipsError for what does not fit.
    """
    stated = _settle("units_vocabulary", run.units_vocabulary, vocabulary, run.allow_other_vocabulary)
    if not stated:
        LOG.warning("%s does not say which quantizer made its units; state it with units_vocabulary=...", owner)
    if start is not None:
        found = start.config.vocabulary.num_units
        if found != num_units:
            raise InputError("dictionary and checkpoint differ", path=start.path, expected=f"{num_units} units as in {owner}",
                             found=found)  # fmt: skip
        stated = _settle(start.path.name, start.vocabulary, stated, run.allow_other_vocabulary)
    return replace(run, units_vocabulary=stated)


def _settle(owner: str, own: str, other: str, is_allowed: bool) -> str:
    """The fingerprint that data and run, or data and checkpoint agree on; raises VocabularyError when they do not."""
    if own and other and own != other:
        if not is_allowed:
            raise VocabularyError(f"{owner} and the data are of different quantizers", expected=own, found=other,
                                  hint="extract the units again, or add allow_other_vocabulary=true")  # fmt: skip
        LOG.warning("%s is of quantizer %s, the data of %s: training all the same", owner, own, other)
    return other or own


def required_files(folder: Path, names: Sequence[str], hint: str) -> None:
    """Raise InputError naming every file that a data folder lacks."""
    if not folder.is_dir():
        raise InputError("the data folder is not there", path=folder, hint=hint)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError("the data folder is not complete", path=folder, found=f"no {', '.join(missing)}", hint=hint)
