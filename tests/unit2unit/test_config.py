"""Sizes from checkpoints, the network and its dictionary, and search settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError, UsageError
from avcore.units import PAD
from tests.unit2unit.tiny import checkpoint_content, tiny_config, tiny_model
from unit2unit.model import StackConfig, TranslatorConfig, TranslatorVocabulary, UnitTransformer, load_transformer
from unit2unit.stage import TRANSLATOR


def checkpoint(**options: Any) -> Checkpoint:
    content, tensors = checkpoint_content(tiny_model())
    content["model"] = {**content["model"], **options}
    return Checkpoint(Path("x.pt"), TRANSLATOR, content, tensors, "")


def test_sizes_are_read_from_the_tensors() -> None:
    misleading = checkpoint(encoder_layers=12, decoder_layers=12, encoder_embed_dim=1024, encoder_ffn_embed_dim=4096)
    config = TranslatorConfig.from_checkpoint(misleading)
    assert config == tiny_config()
    assert (config.encoder, config.decoder) == (StackConfig(2, 3, 40), StackConfig(3, 3, 56))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"encoder_normalize_before": False}, "encoder_normalize_before is not supported.*False"),
        ({"decoder_learned_pos": True}, "decoder_learned_pos is not supported.*True"),
        ({"activation_fn": "relu"}, "activation_fn is not supported.*relu"),
        ({"decoder_attention_heads": 5}, r"heads of the decoder.*divisor of 24.*found 5"),
        ({"task": {}}, r"task\.langs"),
        ({"task": {"langs": [f"{letter}{other}" for letter in "abcdef" for other in "ghijkl"]}}, "no rows for units"),
    ],
)
def test_another_network_is_refused_by_name(options: dict[str, Any], complaint: str) -> None:
    wrong = checkpoint(**options)
    wrong.config["task"] = options.get("task", wrong.config["task"])
    with pytest.raises(CheckpointError, match=complaint):
        TranslatorConfig.from_checkpoint(wrong)


def test_search_settings_from_a_generation_section(caplog: pytest.LogCaptureFixture) -> None:
    stored = {"beam": 3, "max_len_a": 0.5, "lenpen": 2.0, "nbest": 1, "sampling": True, "replace_unk": None, "min_len": None}
    assert SearchConfig.from_generation(stored) == SearchConfig(beam=3, max_len_a=0.5, lenpen=2.0)
    assert "sampling = True is ignored" in caplog.text
    for impossible in ({"beam": 0}, {"temperature": 0.0}, {"max_target_units": -1}):
        with pytest.raises(UsageError):
            SearchConfig(**impossible)


@pytest.mark.parametrize(
    ("settings", "length", "limit"),
    [
        (SearchConfig(), 37, 200),
        (SearchConfig(max_len_a=0.05, max_len_b=3), 37, 4),
        (SearchConfig(max_len_b=5000), 37, 1023),
        (SearchConfig(max_target_units=17), 37, 17),
        (SearchConfig(max_target_units=0), 37, 4 * 37 + 50),
        (SearchConfig(max_target_units=0, max_len_b=5), 37, 4 * 37 + 50),
        (SearchConfig(max_target_units=0), 900, 1023),  # the decoder has no more positions
    ],
)
def test_limit(settings: SearchConfig, length: int, limit: int) -> None:
    assert settings.limit(length, 1024) == limit


SOURCE = torch.tensor([[0, 7, 9, 11, 30, 2, 34]])
TARGET = torch.tensor([[36, 0, 5, 6, 7]])


def as_checkpoint(model: UnitTransformer) -> Checkpoint:
    return Checkpoint(Path("x.pt"), TRANSLATOR, *checkpoint_content(model), "")


def test_padding_in_front_makes_no_nan_and_a_source_may_be_longer_than_any_trained_on() -> None:
    model = tiny_model()
    target = torch.cat([torch.full((1, 3), PAD), TARGET], dim=1)
    logits = model(SOURCE, target)
    assert bool(logits.isfinite().all())
    torch.testing.assert_close(logits[:, 3:], model(SOURCE, TARGET), atol=1e-5, rtol=1e-5)
    assert model(torch.randint(4, 30, (1, 1500)), TARGET).isfinite().all()


def test_the_table_is_one_parameter_and_learns_from_all_its_uses() -> None:
    model = tiny_model().train()
    tables = [model.encoder.embed_tokens.weight, model.decoder.embed_tokens.weight, model.decoder.output_projection.weight]
    assert all(table is tables[0] for table in tables)
    model(SOURCE, TARGET).logsumexp(-1).sum().backward()
    gradient = tables[0].grad
    assert bool((gradient.abs().sum(1) > 0).all())


def test_loading_shares_the_tensors_and_the_table() -> None:
    original = tiny_model()
    checkpoint = as_checkpoint(original)
    loaded = load_transformer(checkpoint).eval()
    assert torch.equal(loaded(SOURCE, TARGET), original(SOURCE, TARGET))
    assert loaded.decoder.output_projection.weight is loaded.encoder.embed_tokens.weight
    key = "decoder.layers.0.fc1.weight"
    assert loaded.state_dict()[key].data_ptr() == checkpoint.tensors[key].data_ptr()


@pytest.mark.parametrize("change", ["missing", "unexpected", "misshaped"])
def test_tensors_of_another_model_are_named(change: str) -> None:
    checkpoint, key = as_checkpoint(tiny_model()), "decoder.layers.1.encoder_attn.q_proj.bias"
    if change == "missing":
        del checkpoint.tensors[key]
    elif change == "unexpected":
        key = "decoder.layers.1.extra"
        checkpoint.tensors[key] = torch.zeros(1)
    else:
        checkpoint.tensors[key] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=key):
        load_transformer(checkpoint)


PUBLISHED = "en,es,fr,it,pt,el,ru,cs,da,de,fi,hr,hu,lt,nl,pl,ro,sk,sl"


def test_rows_languages_and_tokens() -> None:
    vocabulary = TranslatorVocabulary.from_rows(1025, [*PUBLISHED.split(","), "ko"])
    assert vocabulary.num_units == 1000
    assert (vocabulary.tag("en"), vocabulary.tag("ko"), vocabulary.mask) == (1004, 1023, 1024)
    assert len(vocabulary.languages) == 20
    wanted = ("en", "ko")
    assert TranslatorVocabulary.from_rows(107, "en,ko").languages == wanted
    assert TranslatorVocabulary.from_rows(107, ["eng", "[KOR]"]).languages == wanted
    assert TranslatorVocabulary.from_rows(107, "en, ko,").num_units == 100
    vocabulary = TranslatorVocabulary(10, ("en", "ko"))
    assert vocabulary.source_tokens(np.array([0, 9, 3]), "ko").tolist() == [0, 4, 13, 7, 2, 15]
    assert vocabulary.source_tokens(np.zeros(0, dtype=np.int64), "en").tolist() == [0, 2, 14]
    every_row = range(vocabulary.num_rows)
    assert vocabulary.units(every_row).tolist() == list(range(10))
    assert vocabulary.units([0, 2, 3, 14, 15, 16]).tolist() == []
    three = TranslatorVocabulary(10, ("en", "fr", "ko"))
    assert (set(three.suppressed("ko")), set(three.suppressed("en"))) == ({14, 15, 17}, {15, 16, 17})
