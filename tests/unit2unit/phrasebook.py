"""Parallel units of made-up languages: sentences of words, a word being three units, said alike or shifted or backwards."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from unit2unit.training import entry
from unit2unit.training.prepare_pairs import main as prepare_pairs
from unit2unit.utut_pretrain.prepare import main as prepare_tables

NUM_UNITS = 40
_WORDS = 10
LANGUAGES = ("en", "es", "ko")
TEXTS = "texts.jsonl"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def sentences(count: int, seed: int = 0) -> dict[str, dict[str, list[int]]]:
    """{language: {name: units}} of sentences that differ from one another; repeats stand for time, as an encoder makes them."""
    random = np.random.default_rng(seed)
    words = random.permutation(NUM_UNITS)[: 3 * _WORDS].reshape(_WORDS, 3)
    corpora: dict[str, dict[str, list[int]]] = {language: {} for language in LANGUAGES}
    seen: set[tuple[int, ...]] = set()
    while len(seen) < count:
        said = tuple(random.integers(0, _WORDS, random.integers(2, 5)).tolist())
        if said in seen:
            continue
        name = f"{len(seen) % 7}_{len(seen):04d}"
        seen.add(said)
        meanings = {"en": said, "es": [(word + 1) % _WORDS for word in said], "ko": said[::-1]}
        for language, order in meanings.items():
            corpora[language][name] = np.repeat(words[list(order)].reshape(-1), 2).tolist()
    return corpora


def write_folders(root: Path, count: int = 120) -> dict[str, Path]:
    """Write unit files `root/<language>/<name>.txt`, and Korean texts, a letter a word; returns the folder of each language."""
    for language, units in sentences(count).items():
        (root / language).mkdir(parents=True)
        for name, ids in units.items():
            (root / language / f"{name}.txt").write_text(" ".join(map(str, ids)))
            if language == "ko":
                with (root / TEXTS).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"id": name, "text": "".join(chr(ord("가") + unit) for unit in ids[::6])}) + "\n")
    return {language: root / language for language in LANGUAGES}


def prepare_stage(root: Path, stage: str, count: int, *more: str) -> Path:
    """Prepare so many sentences for `pretrain` (all languages) or `finetune` (English to Korean); returns the folder of data."""
    folders = write_folders(root / "units", count)
    common = ["--num-units", str(NUM_UNITS), "--quiet", *more, "--out", str(root / "data")]
    if stage == "pretrain":
        assert prepare_tables(["--units", *(f"{language}={folder}" for language, folder in folders.items()), *common]) == 0
    else:
        given = ["--source", str(folders["en"]), "--target", str(folders["ko"]), "--texts", str(root / "units" / TEXTS)]
        assert prepare_pairs([*given, *common]) == 0
    return root / "data"


def write_rows(path: Path, units: Mapping[str, Sequence[int]], **labels: str) -> Path:
    """Write a unit store."""
    path.write_text("".join(json.dumps({"id": name, "units": list(ids), **labels}) + "\n" for name, ids in units.items()))
    return path


def command(module: str, *arguments: str) -> list[str]:
    """A command line of ours."""
    return [sys.executable, "-W", "ignore", "-m", module, *arguments]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return subprocess.run(command(module, *arguments), env=ENVIRONMENT, capture_output=True, text=True, check=False)


def train_here(stage: str, *settings: str) -> int:
    """Train at debug size in this process, which need not load the libraries again; returns the exit code."""
    from fairseq.logging import progress_bar  # without it, tables are prepared all the same

    root, threads = logging.getLogger(), torch.get_num_threads()
    handlers, level, root.handlers = root.handlers, root.level, []
    torch.set_num_threads(1)  # as ENVIRONMENT has it
    try:
        return int(getattr(entry, stage)(["--config-name", f"unit2unit/{stage}_debug", *settings]))
    finally:
        for mine in root.handlers:
            mine.close()
        progress_bar._close_writers()
        progress_bar._tensorboard_writers.clear()  # the next run has a folder of its own
        root.handlers = handlers
        root.setLevel(level)
        torch.set_num_threads(threads)


def losses(run_dir: Path, tag: str = "train_inner") -> dict[int, float]:
    """The losses in a run's log by number of updates."""
    return logged(run_dir, "loss", tag)


def logged(run_dir: Path, value: str, tag: str = "train_inner") -> dict[int, float]:
    """A value in a run's log by number of updates, each of which stands there once, however often the run was killed."""
    found: dict[int, float] = {}
    prefix = "" if tag == "train_inner" else f"{tag}_"
    for line in (run_dir / "train.log").read_text().splitlines():
        match = re.search(rf"\| {tag} \| (\{{.*\}})", line)
        if match:
            values = json.loads(match.group(1))
            update = int(values[f"{prefix}num_updates"])
            assert update not in found, f"update {update} stands in the log twice"
            found[update] = float(values[f"{prefix}{value}"])
    return found
