"""fairseq's own generator on the translator, where fairseq is installed (`make fairseq`)."""

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.units import UTUT_LANGUAGES, language_tag
from recipes.demo.random.random_checkpoints import TRANSLATOR
from unit2unit.stage import TRANSLATOR as TRANSLATOR_STAGE


def prepare_generator(folder: Path, source_ids: np.ndarray, target: str, beam: int, steps: int) -> Callable[[], np.ndarray]:
    """Build fairseq's generator; what is returned searches. source_ids: int64 rows of shape [T]."""
    from fairseq.sequence_generator import SequenceGenerator

    model, symbols = _model(folder)
    tag = symbols.index(language_tag(target))
    others = [language_tag(language) for language in UTUT_LANGUAGES if language != target]
    generator = SequenceGenerator(
        [model], symbols, beam_size=beam, max_len_b=steps, min_len=steps, eos=tag, tokens_to_suppress=[*others, "<mask>"]
    )
    tokens = torch.from_numpy(source_ids)[None]
    sample = {"net_input": {"src_tokens": tokens, "src_lengths": torch.tensor([tokens.shape[1]])}}

    def run() -> np.ndarray:
        with torch.no_grad():
            return generator.generate([model], sample, bos_token=tag)[0][0]["tokens"].numpy()

    return run


@cache
def _model(folder: Path) -> tuple[torch.nn.Module, Any]:
    """fairseq's model with the weights of the checkpoint, and its dictionary."""
    from fairseq import models
    from fairseq.data import Dictionary

    import unit2unit.training.user_dir.utut_plugins  # noqa: F401  registers the architecture

    checkpoint = read_checkpoint(folder / TRANSLATOR, TRANSLATOR_STAGE)
    symbols = Dictionary()
    num_units = len(checkpoint.tensors["encoder.embed_tokens.weight"]) - 5 - len(UTUT_LANGUAGES)
    for symbol in [*map(str, range(num_units)), *map(language_tag, UTUT_LANGUAGES), "<mask>"]:
        symbols.add_symbol(symbol)
    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols, dictionary=symbols)
    options = argparse.Namespace(**checkpoint.config["model"])
    model = models.ARCH_MODEL_REGISTRY["utut_large"].build_model(options, task)
    torch.nn.Module.load_state_dict(model, dict(checkpoint.tensors), strict=False)
    return model.eval(), symbols
