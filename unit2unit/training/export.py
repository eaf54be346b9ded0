"""Write a translator in the published layout, for our code or fairseq's, and average several translators.

`python -m unit2unit.utut_finetune.finetune export --help`, `python -m unit2unit.utut_finetune.average --help`.
Networks that were fine-tuned from one checkpoint are close enough together that the mean of their weights is better than each of
them (Wortsman et al. 2022, "Model soups"); so are late checkpoints of one run.
"""

import argparse
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.errors import CheckpointError, OutputError, UsageError
from avcore.files import Input, Output, atomic_output, require_place
from avcore.notes import several
from avcore.units import require_language
from unit2unit.learnt import NAME, Learnt, carry_learnt, read_learnt, write_learnt
from unit2unit.model import NETWORK_OPTIONS, TranslatorConfig
from unit2unit.stage import SHARED_TABLES, TRANSLATOR
from unit2unit.training.checks import dictionary_size
from unit2unit.training.corpus import write_dictionary
from unit2unit.training.machine import require_fairseq
from unit2unit.training.start import sizes_of

FAIRSEQ, AV2AV = "fairseq", "av2av"
_TASKS = {FAIRSEQ: "translation_from_pretrained_bart", AV2AV: "utut_pretraining"}
"""The task with which each program loads a translator: fairseq's own, and the one that AV2AV's code registers."""
_ARCHITECTURE = "mbart_large"
_PAIR = ("source_lang", "target_lang")
_MASKING = {"add_lang_token": True, "mask": 0.3, "mask_random": 0.1, "replace_length": -1, "poisson_lambda": 10.0}
"""Options of the published translator's task, about the format of a sentence and the masking in its training."""


def write_fairseq(checkpoint: Checkpoint, path: Path) -> None:
    """Write a translator as a .pt file in the published layout, without optimizer state, for fairseq to start from."""
    config, task = checkpoint.config, dict(checkpoint.config["task"])
    if stated := config.get("vocabulary"):
        task["units_vocabulary"] = stated
    cfg = {
        "task": argparse.Namespace(**task),
        "model": argparse.Namespace(**config["model"]),
        "generation": dict(config.get("generation", {})),
    }
    _write(cfg, checkpoint.tensors, path)


def _write(cfg: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    # All that fairseq's trainer looks up in a checkpoint, with an optimizer that has not begun.
    content = {
        "args": None,
        "cfg": dict(cfg),
        "model": OrderedDict(tensors),
        "criterion": None,
        "optimizer_history": [{"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}],
        "task_state": {},
        "extra_state": {"train_iterator": {"version": 2, "epoch": 1, "iterations_in_epoch": 0, "shuffle": True}},
        "last_optimizer_state": None,
    }
    with atomic_output(path) as temporary:
        torch.save(content, temporary)


def write_published(
    checkpoint: Checkpoint, path: Path, program: str = FAIRSEQ, data_dir: str = "", pair: tuple[str, str] = ("", "")
) -> None:
    """Write a translator as a .pt file that fairseq or AV2AV's code loads without ours, and the units' dictionaries beside it.

    program: `fairseq`, or `av2av`, whose own task has no language pair. data_dir: folder of the dictionaries at loading, "" = the
    absolute folder of `path`. pair: languages, "" = those that the checkpoint was trained on. Sizes, languages, search settings and
    the fingerprint of the units are the checkpoint's; all else is fairseq's default, in float32. Raises UsageError for a pair that
    is not stated or a folder that fairseq cannot name, LanguageError for a language without a tag, and OutputError where another
    dictionary exists.
    """
    config = TranslatorConfig.from_checkpoint(checkpoint)
    folder = data_dir or str(require_place(path).resolve().parent)
    if ":" in folder:
        raise UsageError("fairseq takes a colon for the end of a folder", found=folder, hint="choose another folder, or --data-dir")

    stored = checkpoint.config["task"]
    names = [] if program == AV2AV else [given or str(stored.get(key) or "") for given, key in zip(pair, _PAIR, strict=True)]
    if "" in names:
        raise UsageError(f"{checkpoint.path} does not say which pair it was trained on", expected="--src-lang and --tgt-lang")

    tags = config.vocabulary.languages
    languages = [require_language(name, tags, str(checkpoint.path)) for name in names]
    cfg = _fairseq_sections(checkpoint.config.get("generation", {}))
    cfg["model"] = _model(config, _TASKS[program])
    cfg["task"] = _task(program, config, languages, folder)

    if vocabulary := checkpoint.config.get("vocabulary"):
        cfg["task"].units_vocabulary = vocabulary
    if checkpoint.config["task"].get("merged_units"):
        cfg["task"].merged_units = True

    num_units, missing = config.vocabulary.num_units, []
    # All are looked at before the first is written, so that an error leaves nothing behind.
    for dictionary in dictionaries(path, program, languages):
        if not dictionary.exists():
            missing.append(dictionary)
        elif (found := dictionary_size(dictionary)) != num_units:
            raise OutputError("another dictionary is there", path=dictionary, expected=f"{num_units} units", found=found)

    for dictionary in missing:
        with atomic_output(dictionary) as temporary:
            write_dictionary(temporary, num_units)

    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in checkpoint.tensors.items()}
    shared = dict.fromkeys(SHARED_TABLES, tensors[SHARED_TABLES[0]])
    # Entries that fairseq writes and our networks lack; without the version, fairseq removes norms.
    marks = {"version": [3.0], "embed_positions._float_tensor": [0.0]}
    entries = {f"{side}.{name}": torch.tensor(mark) for side in ("encoder", "decoder") for name, mark in marks.items()}
    _write(cfg, {**entries, **tensors, **shared}, path)


def dictionaries(path: Path, program: str, languages: Sequence[str]) -> list[Path]:
    """Return the files beside a published checkpoint that list the units."""
    return [path.parent / (f"dict.{name}.txt" if name else "dict.txt") for name in (languages if program == FAIRSEQ else [""])]


def _fairseq_sections(generation: Mapping[str, Any]) -> dict[str, Any]:
    """Return fairseq's sections with its defaults, and with the search settings of a translator."""
    from fairseq.dataclass.configs import FairseqConfig
    from omegaconf import DictConfig, OmegaConf

    whole = OmegaConf.structured(FairseqConfig)
    sections: dict[str, Any] = {
        str(name): OmegaConf.to_container(whole[name], resolve=True, enum_to_str=True)
        if not OmegaConf.is_missing(whole, name) and isinstance(whole[name], DictConfig)
        else None
        for name in whole
    }

    known = sections["generation"]
    known.update({name: value for name, value in generation.items() if name in known and value is not None})
    return sections


def _model(config: TranslatorConfig, task: str) -> argparse.Namespace:
    from fairseq.models.bart.model import mbart_large_architecture

    model = argparse.Namespace(
        _name=_ARCHITECTURE,
        arch=_ARCHITECTURE,
        task=task,
        **NETWORK_OPTIONS,
        share_decoder_input_output_embed=True,
        **sizes_of(config),
        **_positions(config),
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
    )

    mbart_large_architecture(model)
    return model


def _positions(config: TranslatorConfig) -> dict[str, int]:
    return {"max_source_positions": config.max_source_positions, "max_target_positions": config.max_target_positions}


def _task(program: str, config: TranslatorConfig, languages: Sequence[str], folder: str) -> argparse.Namespace:
    from fairseq.tasks.multilingual_denoising import MultilingualDenoisingConfig
    from fairseq.tasks.translation import TranslationConfig

    defaults = vars(TranslationConfig() if program == FAIRSEQ else MultilingualDenoisingConfig())
    plain = {
        name: value for name, value in defaults.items() if isinstance(value, bool | int | float | str) and "${" not in str(value)
    }
    own: dict[str, Any] = {"langs": ",".join(config.vocabulary.languages), "data": folder, **_positions(config)}
    own |= {"prepend_bos": True, "left_pad_source": False} | dict(zip(_PAIR, languages, strict=True)) if languages else _MASKING
    return argparse.Namespace(**{**plain, "_name": _TASKS[program], "task": _TASKS[program], **own})


def average(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the first checkpoint with the mean of all weights, in its number formats.

    Raises CheckpointError for networks that differ in languages, units or sizes.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        _require_alike(first, other)

    tensors = {}
    for name, tensor in first.tensors.items():
        if name in SHARED_TABLES[1:] or not tensor.is_floating_point():
            continue
        # In float32: sums of half-precision weights lose digits.
        tensors[name] = torch.stack([checkpoint.tensors[name].float() for checkpoint in checkpoints]).mean(0).to(tensor.dtype)

    shared = {name: tensors[SHARED_TABLES[0]] for name in SHARED_TABLES if name in first.tensors}
    return replace(first, tensors={**first.tensors, **tensors, **shared})


def _require_alike(first: Checkpoint, other: Checkpoint) -> None:
    facts = [
        {
            "languages": TranslatorConfig.from_checkpoint(checkpoint).vocabulary,
            "units": checkpoint.config.get("vocabulary", ""),
            "sizes": {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()},
        }
        for checkpoint in (first, other)
    ]
    if differing := [what for what in facts[0] if facts[0][what] != facts[1][what]]:
        raise CheckpointError(
            "these two cannot be averaged",
            path=other.path,
            expected=f"what {first.path} has",
            found=f"other {', '.join(differing)}",
            hint="average runs that started from one checkpoint",
        )


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="unit2unit.utut_finetune.average",
        description="Average translators that were fine-tuned from one checkpoint, or late checkpoints of one run.",
    )
    parser.add_argument("checkpoints", type=Input("a checkpoint"), nargs="+", metavar="FILE", help="two or more")
    parser.add_argument(
        "--out", type=Output("the average"), required=True, metavar="FILE", help="a .pt file in the published layout"
    )
    add_quiet_options(parser)
    return parser


def build_export_parser() -> Parser:
    """Return the options of `export`."""
    parser = Parser(
        prog="unit2unit.utut_finetune.finetune export",
        description="Write a translator as a file that fairseq or AV2AV's own code loads without NetfLips.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Input("the checkpoint"),
        required=True,
        metavar="FILE",
        help="checkpoint_best.pt of a run, or any translator",
    )
    parser.add_argument(
        "--out-path",
        type=Output("the output"),
        required=True,
        metavar="FILE",
        help=".pt to write; the units' dictionaries come beside it",
    )
    parser.add_argument(
        "--published",
        nargs="?",
        choices=list(_TASKS),
        const=FAIRSEQ,
        default=FAIRSEQ,
        help=f"who loads it: fairseq by its task {_TASKS[FAIRSEQ]}, or AV2AV's code by {_TASKS[AV2AV]} (default: {FAIRSEQ})",
    )
    parser.add_argument(
        "--data-dir", default="", metavar="DIR", help="where the dictionaries will be (default: the output's folder)"
    )
    parser.add_argument("--src-lang", default="", metavar="LANG", help="language of the source (default: the run's)")
    parser.add_argument("--tgt-lang", default="", metavar="LANG", help="language of the target (default: the run's)")
    add_quiet_options(parser)
    return parser


def export(options: argparse.Namespace) -> None:
    """Read a translator and write it in the published layout."""
    require_fairseq()
    _require_pt(options.out_path)
    checkpoint = read_checkpoint(options.checkpoint, TRANSLATOR)
    pair = (options.src_lang, options.tgt_lang)
    write_published(checkpoint, options.out_path, options.published, options.data_dir, pair)
    carry_learnt(options.checkpoint, options.out_path)
    LOG.info("%s: for %s, task %s", options.out_path, options.published, _TASKS[options.published])


def _require_pt(path: Path) -> None:
    if path.suffix != ".pt":
        raise UsageError("fairseq reads .pt files", expected="an output ending in .pt", found=path.name)


def _work(options: argparse.Namespace) -> None:
    if len(options.checkpoints) < 2:
        raise UsageError("an average needs two or more checkpoints", found=len(options.checkpoints))
    _require_pt(options.out)
    write_fairseq(average([read_checkpoint(path, TRANSLATOR) for path in options.checkpoints]), options.out)
    known = [learnt for path in options.checkpoints if (learnt := read_learnt(path)) is not None]
    if known:
        write_learnt(options.out.with_suffix(f".{NAME}"), reduce(Learnt.joined, known))
    LOG.info("%s: the mean of %s", options.out, several(len(options.checkpoints), "translator"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)
