"""fairseq's own model, task and batches, in this process, as an independent truth."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq import checkpoint_utils, models, tasks
from fairseq.data import Dictionary
from torch import Tensor

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.units import UTUT_LANGUAGES
from unit2unit.stage import TRANSLATOR
from unit2unit.training.task import keep_published_keys
from unit2unit.training.user_dir import utut_plugins

__all__ = ["batch", "dictionary", "load_published", "load_trained", "logits_without_ours", "setup", "units_only", "utut_plugins"]


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


_WITHOUT_OURS = """
import argparse, sys
import numpy as np
import torch
from fairseq import checkpoint_utils
from fairseq.tasks import register_task
from fairseq.tasks.multilingual_denoising import MultilingualDenoisingConfig, MultilingualDenoisingTask

torch.serialization.add_safe_globals([argparse.Namespace])  # torch of 2.6 and later asks for it
out, given, *paths = sys.argv[1:]
register_task("utut_pretraining", dataclass=MultilingualDenoisingConfig)(  # as AV2AV's code does
    type("Utut", (MultilingualDenoisingTask,), {})
)
tokens = np.load(given)
source, before = (torch.from_numpy(tokens[name]) for name in ("source", "before"))
found = {}
for path in paths:
    (model,), cfg, task = checkpoint_utils.load_model_ensemble_and_task([path])
    with torch.no_grad():
        found[path] = model.eval()(source, source.ne(1).sum(1), before)[0].numpy()
    model.prepare_for_inference_(cfg)
    assert task.source_dictionary.index("[ko]") == tokens["ko"], path
    end = {"eos": int(tokens["ko"]), "tokens_to_suppress": ["<mask>"]}
    if "denoising" in str(type(task).__mro__):
        generator = task.build_generator([model], cfg.generation, extra_gen_cls_kwargs=end)
        sample = {"net_input": {"src_tokens": source[:1], "src_lengths": source[:1].ne(1).sum(1)}}
        best = task.inference_step(generator, [model], sample)[0][0]["tokens"].numpy()
        found["said"] = best
assert not [name for name in sys.modules if name.startswith(("unit2unit", "avcore", "utut_plugins"))]
np.savez(out, **found)
"""


def logits_without_ours(paths: Sequence[Path], source: Tensor, before: Tensor, ko: int, folder: Path) -> dict[str, Any]:
    """Logits of checkpoints by path, float32 [batch, time, row], in a process that knows nothing of our code.

    source, before: int64 [batch, time]; ko: row of its tag, which the task must agree on. AV2AV's task is registered as its code
    does; what its search says of the first source is `said`.
    """
    np.savez(folder / "given.npz", source=source.numpy(), before=before.numpy(), ko=ko)
    arguments = [str(folder / "found.npz"), str(folder / "given.npz"), *map(str, paths)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    line = [sys.executable, "-I", "-W", "ignore", "-c", _WITHOUT_OURS, *arguments]
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(folder / "found.npz"))


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
