"""Train a text-to-unit model, and export it as a checkpoint.

    python -m text2unit.train data.train=train.jsonl data.units=units.jsonl run_dir=runs/say           # small, CTC
    python -m text2unit.train --config-name text2unit/aligned data.train=... data.units=...            # for units by the hundred
    python -m text2unit.train export --checkpoint runs/say/checkpoints/best.pt --out-path text2unit.safetensors

On several GPUs or machines: `accelerate launch -m text2unit.train ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import load_strict, read_checkpoint, write_checkpoint
from avcore.errors import CheckpointError
from avcore.train.checkpoints import read_run, require_name
from avcore.train.entry import export_parser, run_export, train_of
from avcore.units import require_same_vocabulary
from text2unit.model import network_of, read_text_to_unit_config
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import TextToUnits
from text2unit.training.config import TextToUnitTrainConfig
from text2unit.training.corpus import read_text_corpus
from text2unit.training.task import NETWORK, RUN_KIND, TextToUnitTask

_ALIGNER = "aligner."
"""Tensors that only training needs."""


def make_task(config: TextToUnitTrainConfig) -> TextToUnitTask:
    """Read and check the data of a run, and make its task. Raises a NetflipsError before anything is trained."""
    corpus = read_text_corpus(config)
    sizes = replace(config.model, num_units=corpus.num_units, alphabet=corpus.alphabet)
    torch.manual_seed(config.loop.seed)
    network = network_of(sizes, with_aligner=True)

    if config.init:
        # Checkpoints have no aligner, so it starts with fresh weights.
        checkpoint = read_checkpoint(config.init, TEXT2UNIT)
        stored = read_text_to_unit_config(checkpoint.config, checkpoint.path)
        if replace(stored, dropout=sizes.dropout) != sizes:
            raise CheckpointError(
                "the text-to-unit model to start from has other sizes", path=config.init, expected=sizes, found=stored
            )
        require_same_vocabulary(
            corpus.vocabulary, str(checkpoint.config.get("vocabulary") or ""), f"the text-to-unit model {config.init}"
        )
        own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(_ALIGNER)}
        # Copies: the checkpoint's tensors are views of its file.
        load_strict(network, {name: tensor.clone() for name, tensor in checkpoint.tensors.items()} | own, checkpoint)

    return TextToUnitTask(config, corpus, network)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train a text-to-unit model, text to units; `export` writes it as a checkpoint."
    others = {"export": _export}
    return train_of(TextToUnitTrainConfig, make_task, "text2unit/train", "text2unit.train", purpose, argv, others)


def export_text_to_unit(checkpoint: str | Path, out_path: str | Path, eight_bits: bool = False) -> Path:
    """Write the text-to-unit model of `<run>/checkpoints/{last,best,step_N}.pt`, and return its path.

    eight_bits: store weights in a quarter of the size. Raises CheckpointError for another file, UsageError for another suffix.
    """
    out_path = require_name(out_path)
    run = read_run(checkpoint, "text2unit.train", RUN_KIND)
    about = run.about
    config = {
        "model": about["model"],
        "languages": about["languages"],
        "vocabulary": about["vocabulary"],
        **({} if about["silence"] is None else {"silence": about["silence"]}),
        "trained": {"steps": run.step},
    }

    tensors = {name: tensor for name, tensor in run.modules[NETWORK].items() if not name.startswith(_ALIGNER)}
    path = write_checkpoint(out_path, TEXT2UNIT, config, tensors, eight_bits)
    TextToUnits.from_checkpoint(path)  # checks that it can be read
    return path


def _export(argv: Sequence[str]) -> int:
    parser = export_parser("export_text2unit", "Write the text-to-unit model of a training run as a checkpoint.")
    parser.add_argument("--eight-bits", action="store_true", help="store the weights in a quarter of their room")
    return run_export(parser, export_text_to_unit, argv)


if __name__ == "__main__":
    sys.exit(main())
