"""fairseq's own model, task and batches, in this process, as an independent truth."""

import argparse
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils, models, tasks
from fairseq.data import Dictionary
from torch import Tensor

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.units.vocabulary import UTUT_LANGUAGES
from unit2unit.stage import TRANSLATOR
from unit2unit.training.network import keep_published_keys
from unit2unit.training.user_dir import utut_plugins

__all__ = ["batch", "dictionary", "load_published", "load_trained", "setup", "units_only", "utut_plugins"]


def units_only(num_units: int) -> Dictionary:
    """Marks and units, as a dict.txt gives them."""
    symbols = Dictionary()
    for unit in range(num_units):
        symbols.add_symbol(str(unit))
    return symbols


def dictionary(num_units: int, languages: tuple[str, ...]) -> Dictionary:
    """Marks, units, tags and `<mask>`."""
    symbols = units_only(num_units)
    for symbol in [*(f"[{language}]" for language in languages), "<mask>"]:
        symbols.add_symbol(symbol)
    return symbols


def load_published(path: Path, languages: tuple[str, ...] = UTUT_LANGUAGES) -> tuple[Any, Any]:
    """fairseq's model of a checkpoint in the published layout, in evaluation mode, and a task with its dictionary."""
    checkpoint = read_checkpoint(path, TRANSLATOR)
    num_units = checkpoint.tensors["encoder.embed_tokens.weight"].shape[0] - 5 - len(languages)
    symbols = dictionary(num_units, languages)
    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols, dictionary=symbols)
    options = argparse.Namespace(**checkpoint.config["model"])
    model = models.ARCH_MODEL_REGISTRY["utut_large"].build_model(options, task)
    model.load_state_dict(dict(checkpoint.tensors), strict=True)
    return keep_published_keys(model).eval(), task


def load_trained(path: Path) -> tuple[Any, Any]:
    """fairseq's model and task of a checkpoint that fairseq has written, in evaluation mode."""
    loaded, _, task = checkpoint_utils.load_model_ensemble_and_task([str(path)])
    return loaded[0].eval(), task


def batch(source: Tensor, target_input: Tensor, target: Tensor, padding: int = 1) -> dict[str, Any]:
    """A batch as fairseq's criteria take it: int64 [batch, time] each."""
    return {
        "net_input": {"src_tokens": source, "src_lengths": source.ne(padding).sum(1), "prev_output_tokens": target_input},
        "target": target,
        "ntokens": int(target.ne(padding).sum()),
        "nsentences": len(target),
    }


def setup(config: Any) -> tuple[Any, Any, Any]:
    """Task, model and criterion of a fairseq configuration, untrained."""
    torch.manual_seed(config.common.seed)
    task = tasks.setup_task(config.task)
    return task, task.build_model(config.model), task.build_criterion(config.criterion)
