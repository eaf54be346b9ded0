"""The published network in fairseq: its architecture, the keys of its checkpoints, and how it starts and attends."""

import argparse
from typing import Any

import torch
from fairseq.models import register_model_architecture
from fairseq.models.bart.model import mbart_large_architecture
from fairseq.modules import MultiheadAttention, SinusoidalPositionalEmbedding
from torch import Tensor, nn

from unit2unit.model import NETWORK_OPTIONS
from unit2unit.training.optim import mark_layers

ARCHITECTURE = "utut_large"
_BERT_STD = 0.02

_PUBLISHED = {
    **NETWORK_OPTIONS,
    "share_decoder_input_output_embed": True,
    "attention_dropout": 0.1,
}
"""Where the published checkpoint's stored options differ from fairseq's mbart_large (12 + 12 layers, 1024, 4096, 16 heads)."""


@register_model_architecture("bart", ARCHITECTURE)  # type: ignore[untyped-decorator]
def utut_large(args: argparse.Namespace) -> None:
    """Fill in whatever the options leave open: sizes of mbart_large, sinusoidal positions, norms before each block."""
    for name, value in _PUBLISHED.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    mbart_large_architecture(args)


def complete(model: nn.Module) -> nn.Module:
    """Give a model of fairseq's what our trainings count on: published keys, layers marked for Muon, quick attention."""
    return attend_plainly(mark_layers(keep_published_keys(model)))


def keep_published_keys(model: nn.Module) -> nn.Module:
    """Make a model's state dict hold two entries that fairseq has dropped and older releases insist on; returns the model."""
    for module in model.modules():
        if isinstance(module, SinusoidalPositionalEmbedding):
            module.register_state_dict_post_hook(_add_float_tensor)
    return model


def _add_float_tensor(_: nn.Module, state: dict[str, Tensor], prefix: str, __: object) -> None:
    state[f"{prefix}_float_tensor"] = torch.zeros(1)


def rescale(model: nn.Module, std: float) -> None:
    """Give a new model's weight matrices another deviation; 0 leaves them as they are.

    fairseq draws them with BERT's 0.02 whatever the width: in a narrow network the embeddings, times sqrt(width), are then
    faint beside the positions, and the decoder learns to look at the source late.
    """
    if std > 0:
        with torch.no_grad():
            for weight in model.parameters():  # a shared table counts once
                if weight.dim() > 1:
                    weight.mul_(std / _BERT_STD)


def attend_plainly(model: nn.Module) -> nn.Module:
    """Let a model's attention give its weights too while it trains on a CPU: torch does that by plain products. Returns the model.

    The way back of torch's fused kernel takes longer there: 31 steps of 32 sentences forward and back at width 192, in bfloat16,
    are 11 ms instead of 17. Results differ by rounding; memory holds length x length weights for each head.
    """
    for module in model.modules():
        if isinstance(module, MultiheadAttention):
            module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True)
    return model


def _ask_for_weights(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    is_slow = module.training and next(module.parameters()).device.type == "cpu"
    return args, {**kwargs, "need_weights": True} if is_slow else kwargs
