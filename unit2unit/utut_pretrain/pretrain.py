"""Pre-train a unit translator on many language pairs.

python -m unit2unit.utut_pretrain.pretrain data_dir=... run_dir=...
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.errors import InputError, LanguageError
from avdata.published.utut import LANG_PAIRS, Sample, load_units, read_samples
from unit2unit.utut_common.checks import check_device, check_start, dictionary_size, languages, required_files
from unit2unit.utut_common.config import TrainingRun
from unit2unit.utut_common.entry import run_training
from unit2unit.utut_common.folder import read_vocabulary
from unit2unit.utut_common.start import follow, read_start
from unit2unit.utut_common.stated import Stated

_PREPARE = "make it with python -m unit2unit.utut_pretrain.prepare"


def check(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Check tables, unit files, languages and the checkpoint against each other; returns the run completed."""
    run = check_device(run)
    start = read_start(run)
    run = follow(run, start, stated)
    data = Path(run.data_dir)
    splits = [str(run.option("train_subset", "train"))]
    if not run.option("disable_validation"):
        splits += str(run.option("valid_subset", "valid")).split(",")
    required_files(data, ["dict.txt", *(f"{split}/{LANG_PAIRS}" for split in splits)], _PREPARE)
    num_units = dictionary_size(data / "dict.txt")
    for split in splits:
        samples, _ = read_samples(data, split)
        _check_samples(samples, languages(run), num_units)
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
                load_units(side.path, num_units)
        seen.add(sample.pair)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    prog = "unit2unit.utut_pretrain.pretrain"
    return run_training(check, "unit2unit/pretrain", prog, "Pre-train a unit translator on many language pairs.", argv)


if __name__ == "__main__":
    sys.exit(main())
