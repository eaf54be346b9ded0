"""The checkpoint that a run starts from or goes on from: its languages and sizes are the run's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoint import Kind, read_checkpoint
from avcore.command import LOG
from avcore.errors import LanguageError, UsageError
from unit2unit.config import TranslatorConfig
from unit2unit.utut_common.config import TrainingRun
from unit2unit.utut_common.stated import Stated, is_stated

ADD_LANGUAGE = "add them: python -m unit2unit.utut_finetune.add_language"
_CONVERT = "write it as one: python -m unit2unit.utut_finetune.add_language IN OUT.pt --language (and no name)"


@dataclass(frozen=True)
class Start:
    """A checkpoint's network and the fingerprint of its units' quantizer, "" = unknown."""

    path: Path
    config: TranslatorConfig
    vocabulary: str


def read_start(run: TrainingRun) -> Start | None:
    """Read the run's last checkpoint, or the one that it starts from; None for an untrained network.

    Raises UsageError for one that fairseq cannot take or must not replace, and CheckpointError for a damaged one.
    """
    path = _start_from(run)
    if path is None:
        return None
    checkpoint = read_checkpoint(path, Kind.TRANSLATOR)
    return Start(path, TranslatorConfig.from_checkpoint(checkpoint), str(checkpoint.config.get("vocabulary") or ""))


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


def follow(run: TrainingRun, start: Start | None, stated: Stated) -> TrainingRun:
    """The run with the languages and sizes of its start, which those in a yaml give way to.

    Raises LanguageError or UsageError for others that were stated on the command line.
    """
    if start is None:
        return run
    tags = list(start.config.vocabulary.languages)
    if is_stated("langs", stated):
        _check_languages(_names(run.option("langs")), tags, start.path)
    sizes = _sizes(start.config)
    for name, size in sizes.items():
        if is_stated(name, stated) and run.option(name) != size:
            raise UsageError(f"{start.path}: the checkpoint is of another size", expected=f"{name}={size}", found=run.option(name))
    if _names(run.option("langs")) != tags or any(run.option(name) != size for name, size in sizes.items()):
        LOG.info(
            "%s: %d + %d layers of width %d, languages %s: taken from it", start.path, start.config.encoder.num_layers,
            start.config.decoder.num_layers, start.config.dim, ",".join(tags),
        )  # fmt: skip
    return run.changed("task", {"langs": tags}).changed("model", sizes)


def _check_languages(wanted: list[str], stored: list[str], path: Path) -> None:
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise LanguageError(f"{path}: the checkpoint lacks languages of the run", expected=", ".join(wanted),
                            found=f"no {', '.join(missing)}", hint=ADD_LANGUAGE)  # fmt: skip
    if wanted != stored:
        raise LanguageError(f"{path}: the run must list the checkpoint's languages in their order, or leave langs out",
                            expected=",".join(stored), found=",".join(wanted))  # fmt: skip


def _names(tags: Any) -> list[str]:
    return tags.split(",") if isinstance(tags, str) else list(tags or [])


def _sizes(config: TranslatorConfig) -> dict[str, int]:
    return {
        f"{side}_{name}": size
        for side, stack in (("encoder", config.encoder), ("decoder", config.decoder))
        for name, size in {
            "embed_dim": config.dim, "layers": stack.num_layers, "ffn_embed_dim": stack.ffn_dim, "attention_heads": stack.num_heads,
        }.items()
    }  # fmt: skip
