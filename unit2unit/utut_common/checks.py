"""What can be wrong with a run is said before its first step: dictionary, languages, sizes and quantizers against each other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avcore.checkpoint import Kind, read_checkpoint
from avcore.command import LOG
from avcore.errors import InputError, LanguageError, UsageError, VocabularyError
from avcore.texts import iter_lines
from unit2unit.config import TranslatorConfig
from unit2unit.utut_common.autocast import NONE, check_autocast
from unit2unit.utut_common.config import TrainingRun

_ADD = "add them: python -m unit2unit.utut_finetune.add_language"
_CONVERT = "write it as one: python -m unit2unit.utut_finetune.add_language IN OUT.pt --language (and no name)"


def languages(run: TrainingRun) -> tuple[str, ...]:
    """The run's language tags in the order of their rows; raises UsageError when there are none."""
    tags = run.option("langs") or []
    names = tuple(tags.split(",") if isinstance(tags, str) else tags)
    if not names or len(set(names)) != len(names):
        raise UsageError("the run needs its language tags", expected="langs=[en,...], each once", found=list(names))
    return names


def dictionary_size(path: Path) -> int:
    """How many units a dict.txt holds; raises InputError unless they are 0, 1, 2, ... in order."""
    number = 0
    for number, line in iter_lines(path, "the units' dictionary"):
        if line.split(" ")[0].rstrip() != str(number - 1):
            raise InputError("the dictionary must list the units in order", path=f"{path}:{number}",
                             expected=f"{number - 1} 1", found=repr(line[:40].rstrip("\n")))  # fmt: skip
    return number


def check_device(run: TrainingRun) -> None:
    """Raise UsageError for a precision that fairseq lacks, and for what needs a GPU where there is none."""
    if run.option("bf16"):
        raise UsageError(
            "fairseq trains in bf16 on TPUs only", found="bf16=true", hint="use fp16, or fairseq.task.autocast=bfloat16"
        )
    autocast = str(run.option("autocast", NONE))
    check_autocast(autocast)
    if run.option("fp16") and autocast != NONE:
        raise UsageError("half precision is asked for twice", found=f"fp16 and autocast={autocast}",
                         hint="add fairseq.common.fp16=false, or leave autocast out")  # fmt: skip
    if torch.cuda.is_available() and not run.option("cpu"):
        return
    if run.option("fp16"):
        raise UsageError("half precision needs a GPU", found="no CUDA device", hint="add fairseq.common.fp16=false")
    if int(run.option("distributed_world_size", 1)) > 1 and run.option("ddp_backend") != "legacy_ddp":
        raise UsageError("several processes need a GPU each", found="no CUDA device",
                         hint="add fairseq.distributed_training.distributed_world_size=1")  # fmt: skip


def check_start(run: TrainingRun, num_units: int, vocabulary: str, owner: str) -> TrainingRun:
    """Check the checkpoint that a run starts from or goes on from, and settle the fingerprint of its units.

    num_units: size of the data's dictionary; vocabulary: the data's fingerprint, "" = unknown; owner: words for the
    data. Returns the run with `units_vocabulary` filled in. Raises NetflipsError for what does not fit.
    """
    stated = _settle("units_vocabulary", run.units_vocabulary, vocabulary, run.allow_other_vocabulary)
    if not stated:
        LOG.warning("%s does not say which quantizer made its units; state it with units_vocabulary=...", owner)
    path = _start_from(run)
    if path is not None:
        checkpoint = read_checkpoint(path, Kind.TRANSLATOR)
        config = TranslatorConfig.from_checkpoint(checkpoint)
        _check_languages(run, config, path)
        if config.vocabulary.num_units != num_units:
            raise InputError("dictionary and checkpoint differ", path=path, expected=f"{num_units} units as in {owner}",
                             found=config.vocabulary.num_units)  # fmt: skip
        _check_sizes(run, config, path)
        stated = _settle(path.name, str(checkpoint.config.get("vocabulary") or ""), stated, run.allow_other_vocabulary)
    return replace(run, units_vocabulary=stated)


def _start_from(run: TrainingRun) -> Path | None:
    if run.last_checkpoint.exists():
        if run.resume == "never":
            raise UsageError("the run's folder holds a run already", found=run.last_checkpoint,
                             hint="choose another run_dir, or resume=auto to go on")  # fmt: skip
        LOG.info("going on from %s", run.last_checkpoint)
        return run.last_checkpoint
    if run.init is None:
        return None
    if Path(run.init).suffix != ".pt":
        raise UsageError("fairseq starts from a .pt file", found=run.init, hint=_CONVERT)
    return Path(run.init)


def _check_languages(run: TrainingRun, config: TranslatorConfig, path: Path) -> None:
    wanted, stored = languages(run), config.vocabulary.languages
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise LanguageError(f"{path}: the checkpoint lacks languages of the run", expected=", ".join(wanted),
                            found=f"no {', '.join(missing)}", hint=_ADD)  # fmt: skip
    if wanted != stored:
        raise LanguageError(f"{path}: the run must list the checkpoint's languages in their order",
                            expected=",".join(stored), found=",".join(wanted))  # fmt: skip


def _check_sizes(run: TrainingRun, config: TranslatorConfig, path: Path) -> None:
    for side, stack in (("encoder", config.encoder), ("decoder", config.decoder)):
        stored = {
            f"{side}_embed_dim": config.dim,
            f"{side}_layers": stack.num_layers,
            f"{side}_ffn_embed_dim": stack.ffn_dim,
            f"{side}_attention_heads": stack.num_heads,
        }
        for name, size in stored.items():
            wanted = run.option(name, size)
            if wanted != size:
                raise UsageError(f"{path}: the checkpoint is of another size", expected=f"{name}={size}", found=wanted)


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
