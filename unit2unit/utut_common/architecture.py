"""The published network as a fairseq architecture."""

import argparse

from fairseq.models import register_model_architecture
from fairseq.models.bart.model import mbart_large_architecture

ARCHITECTURE = "utut_large"

_PUBLISHED = {
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "encoder_learned_pos": False,
    "decoder_learned_pos": False,
    "layernorm_embedding": False,
    "no_scale_embedding": False,
    "share_decoder_input_output_embed": True,
    "share_all_embeddings": True,
    "activation_fn": "gelu",
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
