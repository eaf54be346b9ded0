"""Fine-tune a unit translator for one language pair.

python -m unit2unit.utut_finetune.finetune data_dir=... init=... run_dir=...
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.errors import InputError, LanguageError, UsageError
from unit2unit.utut_common.checks import check_device, check_start, dictionary_size, languages, required_files
from unit2unit.utut_common.config import TrainingRun
from unit2unit.utut_common.entry import run_training
from unit2unit.utut_common.folder import read_vocabulary
from unit2unit.utut_common.start import ADD_LANGUAGE, follow, read_start
from unit2unit.utut_common.stated import Stated
from unit2unit.utut_finetune.noise import UnitNoise

_PREPARE = "make it with python -m unit2unit.utut_finetune.prepare_pairs"


def check(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Check data, dictionaries, languages and the checkpoint against each other; returns the run completed."""
    run = check_device(run)
    UnitNoise.of(run.options())
    start = read_start(run)
    run = follow(run, start, stated)
    source, target, data = run.option("source_lang"), run.option("target_lang"), Path(run.data_dir)
    for language in (source, target):
        if language not in languages(run):
            tags = ",".join(languages(run))
            if start is not None:
                raise LanguageError(f"{start.path}: the checkpoint lacks a language of the pair", expected=language,
                                    found=tags, hint=ADD_LANGUAGE)  # fmt: skip
            raise UsageError("the pair's language is not among langs", expected=tags, found=language)
    required_files(data, [f"dict.{source}.txt", f"dict.{target}.txt", *_binaries(run, source, target)], _PREPARE)
    num_units = dictionary_size(data / f"dict.{source}.txt")
    if dictionary_size(data / f"dict.{target}.txt") != num_units:
        raise InputError("the dictionaries of the pair differ", path=data, hint=_PREPARE)
    return check_start(run, start, num_units, read_vocabulary(data), f"the data in {data}")


def _binaries(run: TrainingRun, source: str, target: str) -> list[str]:
    splits = [str(run.option("train_subset", "train"))]
    if not run.option("disable_validation"):
        splits += str(run.option("valid_subset", "valid")).split(",")
    return [
        f"{split}.{source}-{target}.{language}.{kind}"
        for split in splits
        for language in (source, target)
        for kind in ("bin", "idx")
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    prog = "unit2unit.utut_finetune.finetune"
    return run_training(check, "unit2unit/finetune", prog, "Fine-tune a unit translator for one language pair.", argv)


if __name__ == "__main__":
    sys.exit(main())
