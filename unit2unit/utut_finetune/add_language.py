"""Add languages to a translator: `python -m unit2unit.utut_finetune.add_language utut_sts_ft.pt utut_ko.pt --language ko`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.command import LOG, Parser, run
from avcore.errors import LanguageError, UsageError
from avcore.files import Input, Output
from avcore.units import normalise_language, require_language
from unit2unit.learnt import carry_learnt
from unit2unit.model import TranslatorConfig, TranslatorVocabulary
from unit2unit.stage import SHARED_TABLES, TRANSLATOR
from unit2unit.training.export import write_fairseq

RANDOM = "random"
_RANDOM_STD = 0.02
"""BERT's initialisation, which the network's other embeddings were drawn with."""


def extend_table(table: Tensor, vocabulary: TranslatorVocabulary, row: Tensor) -> Tensor:
    """Return the table with one more tag, shape [rows, dim] -> [rows + 1, dim]: the new row, [dim], stands before `<mask>`."""
    return torch.cat([table[: vocabulary.mask], row[None], table[vocabulary.mask :]])


def add_language(checkpoint: Checkpoint, language: str, like: str = "en", seed: int = 0) -> Checkpoint:
    """Return the checkpoint with one more language, whose tag starts as a copy of `like`'s (or `random`).

    Raises LanguageError when the language is there already, or `like` is not.
    """
    vocabulary = TranslatorConfig.from_checkpoint(checkpoint).vocabulary
    new = normalise_language(language)
    if new in vocabulary.languages:
        raise LanguageError(f"{checkpoint.path}: the language is there already", expected="a new one", found=new)
    if len(new) != 2 or not new.isalpha():
        raise LanguageError("a language is named by two letters", expected="as in ko", found=language)

    table = checkpoint.tensors[SHARED_TABLES[0]]
    extended = extend_table(table, vocabulary, _start_row(checkpoint, table, vocabulary, like, seed))
    langs = ",".join([*vocabulary.languages, new])
    config = {**checkpoint.config, "task": {**checkpoint.config["task"], "langs": langs}}
    if "langs" in config["model"]:
        config["model"] = {**config["model"], "langs": langs}
    return replace(checkpoint, config=config, tensors={**checkpoint.tensors, **dict.fromkeys(SHARED_TABLES, extended)})


def _start_row(checkpoint: Checkpoint, table: Tensor, vocabulary: TranslatorVocabulary, like: str, seed: int) -> Tensor:
    if like == RANDOM:
        # The number of rows is in the seed, so that each further language starts from another row.
        generator = torch.Generator().manual_seed(seed + vocabulary.num_rows)
        return torch.randn(table.shape[1], generator=generator).to(table.dtype) * _RANDOM_STD
    return table[vocabulary.tag(require_language(like, vocabulary.languages, str(checkpoint.path)))]


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="unit2unit.utut_finetune.add_language",
        description="Add language tags to a unit translator, so that it can be trained on them. The other rows stay as they are.",
    )

    parser.add_argument("checkpoint", type=Input("the checkpoint"), help="translator to extend, as utut_sts_ft.pt")
    parser.add_argument("output", type=Output("the output"), help="file to write, .pt")
    parser.add_argument("--language", nargs="*", default=["ko"], metavar="LANG", help="languages to add, or none (default: ko)")
    parser.add_argument("--like", default="en", metavar="LANG", help="whose tag a new tag starts from, or 'random' (default: en)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --like random")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
    return parser


def _work(options: argparse.Namespace) -> None:
    output: Path = options.output
    if output.suffix != ".pt":
        raise UsageError("fairseq reads .pt files", expected="an output ending in .pt", found=output.name)
    checkpoint = read_checkpoint(options.checkpoint, TRANSLATOR)
    # A model card tells of the published file, which decides what may be done with what is trained from this one.
    task = {"begun_from": options.checkpoint.name, **checkpoint.config["task"]}
    checkpoint = replace(checkpoint, config={**checkpoint.config, "task": task})
    for language in options.language:
        checkpoint = add_language(checkpoint, language, options.like, options.seed)
    write_fairseq(checkpoint, output)
    carry_learnt(options.checkpoint, output)
    vocabulary = TranslatorConfig.from_checkpoint(checkpoint).vocabulary
    LOG.info("%s: %d rows, languages %s", output, vocabulary.num_rows, ", ".join(vocabulary.languages))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run(build_parser(), _work, argv)


if __name__ == "__main__":
    sys.exit(main())
