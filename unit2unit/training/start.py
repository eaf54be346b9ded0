"""The checkpoint that a run starts from or resumes; the run takes its languages and sizes."""

import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.command import LOG
from avcore.errors import CheckpointError, InputError, LanguageError, UsageError
from avcore.files import atomic_output, require_file
from unit2unit.learnt import NAME, data_digest, learnt_from, read_learnt, write_learnt
from unit2unit.model import TranslatorConfig
from unit2unit.stage import TRANSLATOR
from unit2unit.training.config import NEVER, Stated, TrainingRun, is_stated
from unit2unit.training.machine import is_main_process

ADD_LANGUAGE = "add them: python -m unit2unit.utut_finetune.add_language"
_CONVERT = "write it as one: python -m unit2unit.utut_finetune.add_language IN OUT.pt --language (and no name)"


@dataclass(frozen=True)
class Start:
    """The network of a checkpoint to start from."""

    path: Path
    config: TranslatorConfig
    vocabulary: str
    """fingerprint of its units' quantizer; "" = unknown"""


def read_translator_start(run: TrainingRun) -> Start | None:
    """Read the run's last checkpoint, or the one that it starts from; None for an untrained network.

    Raises UsageError for one that fairseq cannot take, and CheckpointError for a damaged one.
    """
    path = _start_from(run)
    if path is None:
        return None
    checkpoint = _read_last(run) if path == run.last_checkpoint else read_checkpoint(path, TRANSLATOR)
    return Start(path, TranslatorConfig.from_checkpoint(checkpoint), str(checkpoint.config.get("vocabulary") or ""))


def _read_last(run: TrainingRun) -> Checkpoint:
    """Return the run's last checkpoint. If it is damaged, it is replaced by the newest one that is not, with a warning."""
    last = run.last_checkpoint
    try:
        return _read_whole(last)
    except InputError as error:
        damage = CheckpointError(error.what, path=last, expected=error.expected, found=error.found)

    # The newest first, so that the fewest updates are made again.
    others = sorted(run.checkpoints.glob("checkpoint_*.pt"), key=lambda file: file.stat().st_mtime, reverse=True)
    for path in others:
        with suppress(InputError):
            checkpoint = _read_whole(path)
            LOG.warning("%s; %s is whole: updates after it are made again", damage, path)
            if is_main_process() and not run.check_only:  # fairseq only resumes from the last one
                with atomic_output(last) as temporary:
                    shutil.copyfile(path, temporary)
            return checkpoint

    hint = "no other checkpoint there is whole; resume=never starts anew"
    raise CheckpointError(damage.what, path=last, expected=damage.expected, found=damage.found, hint=hint) from damage


def _read_whole(path: Path) -> Checkpoint:
    """Return a checkpoint that fairseq can resume; the state of its optimizer is checked, too."""
    checkpoint = read_checkpoint(path, TRANSLATOR)
    with zipfile.ZipFile(path) as archive:
        part = archive.testzip()
    if part is not None:
        raise CheckpointError("this checkpoint is damaged", path=path, found=f"a checksum that does not fit, of {part}")
    return checkpoint


def _start_from(run: TrainingRun) -> Path | None:
    if run.last_checkpoint.exists() and run.resume != NEVER:
        LOG.info("going on from %s", run.last_checkpoint)
        return run.last_checkpoint
    if run.init is None:
        return None
    if Path(run.init).suffix != ".pt":
        raise UsageError("fairseq starts from a .pt file", found=run.init, hint=_CONVERT)
    return require_file(run.init, "init, the checkpoint to start from,")


def require_same_data(run: TrainingRun) -> None:
    """Raise UsageError for a run that would go on over other pairs than it was trained on: its scores would be of sentences that it
    knows."""
    if not run.last_checkpoint.exists() or run.resume == NEVER:
        return
    learnt = read_learnt(run.last_checkpoint)
    if learnt is not None and learnt.data != data_digest(Path(run.data_dir)):
        raise UsageError(
            f"{run.data_dir}: these are other pairs than this run was trained on",
            found=f"a checkpoint in {run.checkpoints}",
            hint="choose another run_dir, with init=CHECKPOINT to begin from this one's; or resume=never, which puts it aside",
        )


def note_learnt(run: TrainingRun) -> None:
    """Keep what a run learns from beside its checkpoints: once, since `require_same_data` has compared it with what was kept."""
    path = run.checkpoints / NAME
    if path.exists():
        return
    pair = str(run.option("source_lang", "")), str(run.option("target_lang", ""))
    learnt = learnt_from(Path(run.data_dir), str(run.option("train_subset", "train")).split(","), pair)
    write_learnt(path, learnt.joined(read_learnt(Path(run.init)) if run.init else None))


def follow_start(run: TrainingRun, start: Start | None, stated: Stated) -> TrainingRun:
    """Return the run with the languages and sizes of its start in place of those in the yaml.

    Raises LanguageError or UsageError if the command line states other ones.
    """
    if start is None:
        return run

    tags = list(start.config.vocabulary.languages)
    if is_stated("langs", stated):
        wanted = _names(run.option("langs"))
        missing = [name for name in wanted if name not in tags]
        if missing:
            raise LanguageError(
                f"{start.path}: the checkpoint lacks languages of the run",
                expected=", ".join(wanted),
                found=f"no {', '.join(missing)}",
                hint=ADD_LANGUAGE,
            )
        if wanted != tags:
            raise LanguageError(
                f"{start.path}: the run must list the checkpoint's languages in their order, or leave langs out",
                expected=",".join(tags),
                found=",".join(wanted),
            )

    sizes = sizes_of(start.config)
    for name, size in sizes.items():
        if is_stated(name, stated) and run.option(name) != size:
            raise UsageError(f"{start.path}: the checkpoint is of another size", expected=f"{name}={size}", found=run.option(name))

    if _names(run.option("langs")) != tags or any(run.option(name) != size for name, size in sizes.items()):
        LOG.info(
            "%s: %d + %d layers of width %d, languages %s: taken from it",
            start.path,
            start.config.encoder.num_layers,
            start.config.decoder.num_layers,
            start.config.dim,
            ",".join(tags),
        )

    return run.changed("task", {"langs": tags}).changed("model", sizes)


def _names(tags: Any) -> list[str]:
    return tags.split(",") if isinstance(tags, str) else list(tags or [])


def sizes_of(config: TranslatorConfig) -> dict[str, int]:
    """Return the sizes of a network under fairseq's names."""
    return {
        f"{side}_{name}": size
        for side, stack in (("encoder", config.encoder), ("decoder", config.decoder))
        for name, size in {
            "embed_dim": config.dim,
            "layers": stack.num_layers,
            "ffn_embed_dim": stack.ffn_dim,
            "attention_heads": stack.num_heads,
        }.items()
    }
