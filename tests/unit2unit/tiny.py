"""Small random translators, in our own checkpoint format."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import write_checkpoint
from unit2unit.model import StackConfig, TranslatorConfig, TranslatorVocabulary, UnitTransformer
from unit2unit.stage import TRANSLATOR

LANGUAGES = ("en", "fr", "ko")


def tiny_config(num_units: int = 30, dim: int = 24, num_heads: int = 3, languages: tuple[str, ...] = LANGUAGES) -> TranslatorConfig:
    return TranslatorConfig(
        TranslatorVocabulary(num_units, languages), dim, StackConfig(2, num_heads, 40), StackConfig(3, num_heads, 56)
    )


def tiny_model(seed: int = 0, config: TranslatorConfig | None = None) -> UnitTransformer:
    """A network with weights large enough for its scores to differ."""
    torch.manual_seed(seed)
    model = UnitTransformer(config or tiny_config())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 2 * parameter.shape[1] ** -0.5)
            else:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def checkpoint_content(model: UnitTransformer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and tensors of a model, as a checkpoint holds them."""
    config = model.config
    options = {"encoder_attention_heads": config.encoder.num_heads, "decoder_attention_heads": config.decoder.num_heads}
    content: dict[str, Any] = {
        "task": {"langs": ",".join(config.vocabulary.languages)},
        "model": options,
        "generation": {"beam": 4, "max_len_b": 12},
    }
    return content, model.state_dict()


def write_tiny(path: Path, seed: int = 0, config: TranslatorConfig | None = None, **extra: Any) -> Path:
    content, tensors = checkpoint_content(tiny_model(seed, config))
    return write_checkpoint(path, TRANSLATOR, {**content, **extra}, tensors)
