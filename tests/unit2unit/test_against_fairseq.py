"""Network and search beside fairseq's own, on random networks of other sizes than the stored fixtures have."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.models.bart import BARTModel, mbart_large_architecture
from fairseq.sequence_generator import SequenceGenerator

from avcore.checkpoints.stages import Checkpoint
from avcore.compute.kernels import pack_linears
from avcore.contracts import Hypothesis
from avcore.decoding.beam import SearchConfig, SearchRules
from tests.unit2unit.fairseq_side import dictionary
from unit2unit.model import load_transformer, search_beams
from unit2unit.stage import TRANSLATOR

pytestmark = pytest.mark.usefixtures("packs_all")
LANGUAGES = ("en", "fr", "ko")
DEPTHS = {"encoder_layers": 3, "decoder_layers": 2, "encoder_ffn_embed_dim": 112, "decoder_ffn_embed_dim": 72}
PUBLISHED_OPTIONS = {
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "encoder_learned_pos": False,
    "decoder_learned_pos": False,
    "layernorm_embedding": False,
    "no_scale_embedding": False,
    "share_all_embeddings": True,
    "activation_fn": "gelu",
    "pooler_activation_fn": "tanh",
    "max_source_positions": 1024,
    "max_target_positions": 1024,
}


def bart(seed: int, dim: int, num_heads: int, num_units: int) -> tuple[Any, argparse.Namespace]:
    """fairseq's network with random weights of a size at which hypotheses differ and some end early."""
    heads = {"encoder_attention_heads": num_heads, "decoder_attention_heads": num_heads}
    options = argparse.Namespace(encoder_embed_dim=dim, decoder_embed_dim=dim, **heads, **DEPTHS, **PUBLISHED_OPTIONS)
    mbart_large_architecture(options)
    symbols = dictionary(num_units, LANGUAGES)
    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols)
    torch.manual_seed(seed)
    model = BARTModel.build_model(options, task).eval()
    for name, parameter in model.named_parameters():
        is_table = "embed_tokens" in name or "output_projection" in name
        if is_table:
            parameter.data.normal_(0, 1.2 * dim**-0.5)
        elif parameter.dim() > 1:
            parameter.data.normal_(0, 3 * parameter.shape[1] ** -0.5)
        else:
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model, options


def fairseq_search(model: Any, source: torch.Tensor, settings: SearchConfig, rules: SearchRules) -> list[dict[str, Any]]:
    symbols = model.encoder.dictionary
    generator = SequenceGenerator(
        [model],
        symbols,
        beam_size=settings.beam,
        max_len_a=settings.max_len_a,
        max_len_b=settings.max_len_b,
        min_len=settings.min_len,
        normalize_scores=not settings.unnormalized,
        len_penalty=settings.lenpen,
        unk_penalty=settings.unkpen,
        temperature=settings.temperature,
        eos=rules.end,
        tokens_to_suppress=tuple(symbols[row] for row in rules.suppressed),
    )
    sample = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([source.shape[1]])}}
    found: list[dict[str, Any]] = generator.generate([model], sample)[0]
    return found


def assert_same(found: list[Hypothesis], wanted: list[dict[str, Any]]) -> None:
    assert [one.tokens.tolist() for one in found] == [one["tokens"].tolist() for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert abs(one.score - float(other["score"])) <= 1e-4 + 1e-6 * abs(one.score)
        np.testing.assert_allclose(one.positional_scores, other["positional_scores"].numpy(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("seed", "dim", "num_heads", "num_units", "length", "settings"),
    [
        (1, 48, 6, 1000, 40, SearchConfig(max_len_b=40)),
        (3, 45, 5, 60, 70, SearchConfig(max_len_b=60, temperature=1.5)),
        (25, 33, 3, 60, 40, SearchConfig(beam=7, max_len_a=0.5, max_len_b=30, lenpen=0.5, unkpen=0.3)),
        (26, 32, 4, 60, 0, SearchConfig(beam=6, max_len_b=40, unnormalized=True)),
        (27, 32, 4, 60, 1200, SearchConfig(beam=3, min_len=20, max_len_b=20)),
    ],
)
@torch.inference_mode()
def test_same_logits_same_texts(seed: int, dim: int, num_heads: int, num_units: int, length: int, settings: SearchConfig) -> None:
    theirs, options = bart(seed, dim, num_heads, num_units)
    config = {"task": {"langs": list(LANGUAGES)}, "model": vars(options)}
    model = load_transformer(Checkpoint(Path("random.pt"), TRANSLATOR, config, dict(theirs.state_dict()), "")).eval()
    vocabulary, generator = model.config.vocabulary, np.random.default_rng(seed)
    assert (vocabulary.num_units, vocabulary.languages) == (num_units, LANGUAGES)
    tokens = vocabulary.source_tokens(generator.integers(0, num_units, length), "en")
    source = torch.from_numpy(tokens)[None]
    target = torch.tensor([[vocabulary.tag("ko"), 0, *generator.integers(4, 4 + num_units, 15)]])
    wanted_logits = theirs(source, torch.tensor([len(tokens)]), target)[0]
    assert float((model(source, target) - wanted_logits).abs().max()) <= 1e-4
    rules = SearchRules(vocabulary.tag("ko"), vocabulary.suppressed("ko"), settings.limit(len(tokens), 1024))
    wanted = fairseq_search(theirs, source, settings, rules)
    assert_same(search_beams(model, [tokens], settings, [rules])[0], wanted)
    pack_linears(model, torch.float32)
    assert_same(search_beams(model, [tokens], settings, [rules])[0], wanted)
    assert_same(search_beams(model, [tokens, tokens[:3]], settings, [rules, replace(rules, limit=30)])[0], wanted)
