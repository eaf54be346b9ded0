"""Checks before the first step of a run: data, dictionary, device and quantizers must fit each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avcore.command import LOG
from avcore.data.published.utut import LANG_PAIRS, RATIO, Sample, load_units, read_samples
from avcore.errors import InputError, LanguageError, UsageError, VocabularyError
from avcore.texts import iter_lines
from unit2unit.training.config import NONE, Stated, TrainingRun, check_autocast, is_stated
from unit2unit.training.corpus import LIMITS, read_length_tags, read_report, read_search_limit, read_vocabulary, transcript_file
from unit2unit.training.machine import has_gpu, is_launched
from unit2unit.training.noise import UnitNoise
from unit2unit.training.start import ADD_LANGUAGE, Start, follow_start, read_translator_start, require_same_data

_PUBLISHED_LIMITS = dict(zip(LIMITS, (0, 200), strict=True))
"""Of the published checkpoints' search."""
_PAIR = ("source_lang", "target_lang")
_PREPARE_PAIRS = "make it with python -m unit2unit.utut_finetune.prepare_pairs"
_PREPARE_TABLES = "make it with python -m unit2unit.utut_pretrain.prepare"


def check_pretraining(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Check tables, unit files, languages and the checkpoint against each other; returns the run completed."""
    run = check_device(run)
    start = read_translator_start(run)
    run = follow_start(run, start, stated)
    data = Path(run.data_dir)
    splits = _splits(run)
    required_files(data, ["dict.txt", *(f"{split}/{LANG_PAIRS}" for split in splits)], _PREPARE_TABLES)
    num_units = dictionary_size(data / "dict.txt")

    for split in splits:
        samples, _ = read_samples(data, split)
        _check_samples(samples, languages(run), num_units)
        if run.option("length_tags") and all(sample.ratio is None for sample in samples):
            hint = "prepare the folder from units with durations or repeats"
            raise InputError("nothing says how long these pairs are", path=data / split, expected=f"a column {RATIO}", hint=hint)
    require_same_data(run)
    return check_start(run, start, num_units, read_vocabulary(data), f"the data in {data}")


def _check_samples(samples: Sequence[Sample], tags: Sequence[str], num_units: int) -> None:
    """Raise for a language without a tag or a unit file that is missing; the first of each pair is read."""
    seen: set[str] = set()
    for sample in samples:
        for side in (sample.source, sample.target):
            if side.language not in tags:
                raise LanguageError(f"{sample.pair}: a language has no tag in langs", expected=",".join(tags), found=side.language)
            if not Path(side.path).is_file():
                raise InputError("a unit file of a table is not there", path=side.path, expected=f"as named for {sample.pair}")
            if sample.pair not in seen:
                # One of each pair shows another format or vocabulary; training reads the others anyway.
                load_units(side.path, num_units)
        seen.add(sample.pair)


def check_finetuning(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Check data, dictionaries, languages and the checkpoint against each other; returns the run completed.

    With `check_only` and no data, only the settings and the checkpoint's size are checked. So it is known before days of extraction
    whether an update can be made, and a language can still be added.
    """
    run = check_device(run)
    UnitNoise.of(run.options())
    if not run.option("prepend_bos", False) or run.option("left_pad_source", True):
        raise UsageError(
            "sentences of a translator begin with <s>, and are padded at their end",
            expected="prepend_bos=true left_pad_source=false",
            found=f"prepend_bos={run.option('prepend_bos', False)} left_pad_source={run.option('left_pad_source', True)}",
        )
    start = read_translator_start(run)
    run = follow_start(run, start, stated)
    if run.check_only and not run.data_dir:
        return run

    run = follow_pair(run, stated)
    source, target, data = run.option("source_lang"), run.option("target_lang"), Path(run.data_dir)

    for language in (source, target):
        if language not in languages(run):
            tags = ",".join(languages(run))
            if start is not None:
                raise LanguageError(
                    f"{start.path}: the checkpoint lacks a language of the pair", expected=language, found=tags, hint=ADD_LANGUAGE
                )
            raise UsageError("the pair's language is not among langs", expected=tags, found=language)

    binaries = [
        f"{split}.{source}-{target}.{language}.{kind}"
        for split in _splits(run)
        for language in (source, target)
        for kind in ("bin", "idx")
    ]

    required_files(data, [f"dict.{source}.txt", f"dict.{target}.txt", *binaries], _PREPARE_PAIRS)
    num_units = dictionary_size(data / f"dict.{source}.txt")
    if dictionary_size(data / f"dict.{target}.txt") != num_units:
        raise InputError("the dictionaries of the pair differ", path=data, hint=_PREPARE_PAIRS)

    if run.option("length_tags"):
        for split in _splits(run):
            read_length_tags(data, split)
    if float(run.option("text_weight") or 0) > 0:
        transcripts = [str(transcript_file(data, split).relative_to(data)) for split in _splits(run)]
        required_files(data, transcripts, f"{_PREPARE_PAIRS} --texts, or train on units alone with fairseq.task.text_weight=0")
    _log_validation(run, data)
    require_same_data(run)
    run = follow_search_limit(run, read_search_limit(data))
    return check_start(run, start, num_units, read_vocabulary(data), f"the data in {data}")


def follow_pair(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Return the run with the languages of its data, where none are stated."""
    found = read_report(Path(run.data_dir)).get("languages")
    names = [run.option(name) for name in _PAIR]
    if any(is_stated(name, stated) for name in _PAIR) or not isinstance(found, list) or len(found) != 2 or found == names:
        return run
    LOG.info("%s: pairs of %s and %s: taken from it", run.data_dir, *found)
    return run.changed("task", dict(zip(_PAIR, map(str, found), strict=True)))


def follow_search_limit(run: TrainingRun, needed: Mapping[str, float]) -> TrainingRun:
    """Return the run with the limits of its search: those that it states, else those that its data need, else the published ones.

    They are stored with the model, and the translations of a validation have them too.
    """
    stated = {name: value for name, value in run.generation.items() if value is not None}
    limits = {name: stated.get(name, needed.get(name, published)) for name, published in _PUBLISHED_LIMITS.items()}
    if any(limits[name] < value for name, value in needed.items()):
        LOG.warning(
            "the search stops at %(max_len_a)g times the source's units plus %(max_len_b)g; the data have longer targets", limits
        )

    if run.option("eval_bleu"):
        translated = limits | json.loads(run.option("eval_bleu_args") or "{}")
        run = run.changed("task", {"eval_bleu_args": json.dumps(translated)})
    return replace(run, generation=stated | limits)


def _log_validation(run: TrainingRun, data: Path) -> None:
    """Say what a validation looks at."""
    counts = read_report(data).get("splits")
    split = counts.get(str(run.option("valid_subset", "valid"))) if isinstance(counts, dict) else None
    there = split.get("pairs") if isinstance(split, dict) else None
    if not isinstance(there, int) or run.option("disable_validation"):
        return

    wanted = int(run.option("valid_pairs") or 0)
    number = min(there, wanted) if wanted else there
    line = f"validation: loss on {number:,} of {there:,} pairs"

    if run.option("eval_bleu"):
        line += f", BLEU over units on {min(int(run.option('bleu_pairs') or 0) or number, number):,} of them"
        every = int(run.option("bleu_interval_updates") or 0)
        line += f" every {every:,} updates" if every else ""
    LOG.info("%s", line)


def _splits(run: TrainingRun) -> list[str]:
    """Return what a run trains on, and what it validates on unless it does not."""
    splits = [str(run.option("train_subset", "train"))]
    if not run.option("disable_validation"):
        splits += str(run.option("valid_subset", "valid")).split(",")
    return splits


def languages(run: TrainingRun) -> tuple[str, ...]:
    """The run's language tags in the order of their rows; raises UsageError when there are none."""
    tags = run.option("langs") or []
    names = tuple(tags.split(",") if isinstance(tags, str) else tags)
    if not names or len(set(names)) != len(names):
        raise UsageError("the run needs its language tags", expected="langs=[en,...], each once", found=list(names))
    return names


def dictionary_size(path: Path) -> int:
    """Return how many units a dict.txt holds; raises InputError unless they are 0, 1, 2, ... in order."""
    number = 0
    for number, line in iter_lines(path, "the units' dictionary"):
        if line.split(" ")[0].rstrip() != str(number - 1):
            raise InputError(
                "the dictionary must list the units in order",
                path=f"{path}:{number}",
                expected=f"{number - 1} 1",
                found=repr(line[:40].rstrip("\n")),
            )
    return number


def check_device(run: TrainingRun) -> TrainingRun:
    """Choose the number format and the device of a run. Without a GPU, half precision is turned off with a warning.

    Raises UsageError for a precision that fairseq lacks, and for several processes that need GPUs where there are none.
    """
    if run.option("bf16"):
        raise UsageError(
            "fairseq trains in bf16 on TPUs only", found="bf16=true", hint="use fp16, or fairseq.task.autocast=bfloat16"
        )

    autocast = str(run.option("autocast", NONE))
    check_autocast(autocast)
    if run.option("fp16") and autocast != NONE:
        raise UsageError(
            "half precision is asked for twice",
            found=f"fp16 and autocast={autocast}",
            hint="add fairseq.common.fp16=false, or leave autocast out",
        )

    if has_gpu(run):
        return run
    if int(run.option("distributed_world_size", 1)) > 1 and run.option("ddp_backend") != "legacy_ddp" and not is_launched():
        raise UsageError(
            "several processes need a GPU each",
            found="no CUDA device",
            hint="add fairseq.distributed_training.distributed_world_size=1, or start it with torchrun",
        )
    from avcore.train.started import warn_of_slow_precision  # which needs the extra `train`

    warn_of_slow_precision("fp16" if run.option("fp16") else autocast, torch.device("cpu"))
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
            raise InputError(
                "dictionary and checkpoint differ", path=start.path, expected=f"{num_units} units as in {owner}", found=found
            )
        stated = _settle(start.path.name, start.vocabulary, stated, run.allow_other_vocabulary)

    return replace(run, units_vocabulary=stated)


def _settle(owner: str, own: str, other: str, is_allowed: bool) -> str:
    """Return the fingerprint that data and run, or data and checkpoint agree on; raises VocabularyError when they do not."""
    if own and other and own != other:
        if not is_allowed:
            raise VocabularyError(
                f"{owner} and the data are of different quantizers",
                expected=own,
                found=other,
                hint="extract the units again, or add allow_other_vocabulary=true",
            )
        LOG.warning("%s is of quantizer %s, the data of %s: training all the same", owner, own, other)
    return other or own


def required_files(folder: Path, names: Sequence[str], hint: str) -> None:
    """Raise InputError naming every file that a data folder lacks."""
    if not folder.is_dir():
        raise InputError("the data folder is not there", path=folder, hint=hint)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError("the data folder is not complete", path=folder, found=f"no {', '.join(missing)}", hint=hint)
