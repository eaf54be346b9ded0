"""Sizes from checkpoints, and search settings."""

from pathlib import Path
from typing import Any

import pytest

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError, UsageError
from tests.unit2unit.tiny import checkpoint_content, tiny_config, tiny_model
from unit2unit.config import StackConfig, TranslatorConfig
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
    ("option", "value"), [("encoder_normalize_before", False), ("decoder_learned_pos", True), ("activation_fn", "relu")]
)
def test_another_network_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"{option} is not supported.*{value}"):
        TranslatorConfig.from_checkpoint(checkpoint(**{option: value}))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(CheckpointError, match=r"heads of the decoder.*divisor of 24.*found 5"):
        TranslatorConfig.from_checkpoint(checkpoint(decoder_attention_heads=5))


def test_languages_are_needed() -> None:
    without = checkpoint()
    without.config["task"] = {}
    with pytest.raises(CheckpointError, match=r"task\.langs"):
        TranslatorConfig.from_checkpoint(without)


def test_more_tags_than_rows() -> None:
    wrong = checkpoint()
    wrong.config["task"] = {"langs": [f"{letter}{other}" for letter in "abcdef" for other in "ghijkl"]}
    with pytest.raises(CheckpointError, match="no rows for units"):
        TranslatorConfig.from_checkpoint(wrong)


def test_search_settings_from_a_generation_section(caplog: pytest.LogCaptureFixture) -> None:
    stored = {"beam": 3, "max_len_a": 0.5, "lenpen": 2.0, "nbest": 1, "sampling": True, "replace_unk": None, "min_len": None}
    assert SearchConfig.from_generation(stored) == SearchConfig(beam=3, max_len_a=0.5, lenpen=2.0)
    assert "sampling = True is ignored" in caplog.text


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        (SearchConfig(), 200),
        (SearchConfig(max_len_a=0.05, max_len_b=3), 4),
        (SearchConfig(max_len_b=5000), 1023),
        (SearchConfig(max_target_units=17), 17),
        (SearchConfig(max_target_units=0), 4 * 37 + 50),
        (SearchConfig(max_target_units=0, max_len_b=5), 4 * 37 + 50),
    ],
)
def test_limit(settings: SearchConfig, limit: int) -> None:
    assert settings.limit(37, 1024) == limit


def test_no_limit_still_keeps_to_the_decoder_s_positions() -> None:
    assert SearchConfig(max_target_units=0).limit(900, 1024) == 1023


@pytest.mark.parametrize("values", [{"beam": 0}, {"temperature": 0.0}, {"max_target_units": -1}])
def test_impossible_settings(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SearchConfig(**values)
