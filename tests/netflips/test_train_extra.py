"""Dubbing does without what only training needs, and a training without it is told so in one line."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAINING_ONLY = ("hydra", "omegaconf", "accelerate", "tensorboard", "sacrebleu")
WITHOUT = f"import sys\nfor name in {TRAINING_ONLY!r}:\n    sys.modules[name] = None  # cannot be imported\n"

ALL_BUT_TRAINING = """
from importlib import import_module
from pkgutil import walk_packages
parts = ("training", "clustering", "kmeans", "train", "train_sync", "train_unit2a", "train_unit2v", "train_lipsync", "__main__")
parts += ("utut_pretrain", "utut_finetune")
for package in ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips"):
    for found in walk_packages(import_module(package).__path__, f"{package}."):
        if not set(parts) & set(found.name.split(".")):
            import_module(found.name)
from netflips.model_paths import bundle_paths
from netflips.commands.info import main
from netflips.models import load_models
from netflips.model_paths import RunOptions
paths = bundle_paths()
assert main([str(paths.utut)]) == 0
load_models(paths, "en", "ko", RunOptions(device="cpu"))
"""

_OF_UNITS = "unit2av.train_unit2a unit2av.train_unit2v unit2av.train_sync unit2text.train text2unit.train"
TRAINERS = {
    "av2unit.kmeans": ["fit", "manifest=x", "model=x"],
    **{name: ["data.train=x", "run_dir=x"] for name in ("av2unit.train", "unit2av.train_lipsync")},
    **{name: ["data.train=x", "data.units=x", "run_dir=x"] for name in _OF_UNITS.split()},
    "unit2unit.utut_pretrain.pretrain": ["run_dir=x", "data_dir=x"],
    "unit2unit.utut_finetune.finetune": ["run_dir=x", "data_dir=x"],
}


def test_all_but_training_does_without_it_and_training_names_it(tmp_path: Path) -> None:
    code = f"""{WITHOUT}{ALL_BUT_TRAINING}
from contextlib import suppress
for name, words in {TRAINERS!r}.items():
    main = import_module(name).main
    with suppress(SystemExit):
        main([*words[: words[0] == "fit"], "--help"])
    assert main(words) == 2, name
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("usage:") == len(TRAINERS)
    lines = done.stderr.splitlines()
    assert len(lines) == len(TRAINERS), done.stderr
    assert all("not installed: hydra-core, omegaconf, accelerate, tensorboard" in line for line in lines)
    assert all('pip install "accelerate' in line for line in lines)
    assert list(tmp_path.iterdir()) == []
