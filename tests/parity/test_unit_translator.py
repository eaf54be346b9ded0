"""The unit translator against the reference's numbers (small random checkpoints in both published layouts)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.compute.kernels import pack_linears
from avcore.contracts import Hypothesis
from avcore.decoding.beam import SearchConfig, SearchRules
from avcore.units import PAD, Units, format_units
from unit2unit.inference import UnitTranslator
from unit2unit.model import UnitTransformer, load_transformer, search_beams
from unit2unit.stage import TRANSLATOR

PARITY = Path(__file__).parent
RUNS: dict[str, dict[str, Any]] = json.loads((PARITY / "manifest.json").read_text())["runs"]
SUPPRESSED_RUNS = [name for name, run in RUNS.items() if run.get("suppressed", True)]
ACTIVATION = LOGIT = POSITIONAL_SCORE = 1e-4


def score_tolerance(score: float) -> float:
    return 1e-4 + 1e-6 * abs(score)


@cache
def expected() -> Mapping[str, Any]:
    return np.load(PARITY / "expected.npz")


def tokens(name: str) -> Tensor:
    loaded = torch.from_numpy(np.load(PARITY / "inputs.npz")[name])
    return loaded if loaded.dim() == 2 else loaded[None]


@cache
def model(name: str, is_packed: bool) -> UnitTransformer:
    loaded = load_transformer(read_checkpoint(PARITY / f"{name}.pt", TRANSLATOR)).requires_grad_(False).eval()
    if is_packed:
        pack_linears(loaded, torch.float32)
    return loaded


@cache
def translator(name: str) -> UnitTranslator:
    return UnitTranslator.from_checkpoint(PARITY / f"{name}.pt")


def assert_near(found: Tensor, name: str, tolerance: float, valid: Tensor | None = None) -> None:
    wanted = torch.from_numpy(expected()[name])
    assert found.shape == wanted.shape
    error = (found - wanted).abs()
    assert float((error if valid is None else error[valid]).max()) <= tolerance


def assert_same_hypotheses(found: tuple[Hypothesis, ...] | list[Hypothesis], key: str) -> None:
    wanted_tokens, wanted_scores = expected()[f"{key}.nbest_tokens"], expected()[f"{key}.nbest_scores"]
    assert [one.tokens.tolist() for one in found] == [row[row >= 0].tolist() for row in wanted_tokens]
    for one, wanted in zip(found, wanted_scores, strict=True):
        assert abs(one.score - float(wanted)) <= score_tolerance(float(wanted))
    best = found[0]
    assert best.tokens.tolist() == expected()[f"{key}.tokens"].tolist()
    np.testing.assert_allclose(best.positional_scores, expected()[f"{key}.positional_scores"], atol=POSITIONAL_SCORE, rtol=0)


@pytest.mark.parametrize("is_packed", [False, True])
class TestNetwork:
    @pytest.mark.parametrize("number", [0, 1])
    def test_encoder(self, number: int, is_packed: bool) -> None:
        encoded, mask = model("utut", is_packed).encoder(tokens(f"src_tokens{number}"))
        assert mask is None
        assert_near(encoded[0], f"uu.encoder_out{number}", ACTIVATION)

    def test_embedding_is_scaled_and_without_positions(self, is_packed: bool) -> None:
        embedded = model("utut", is_packed).encoder.embed(tokens("src_tokens0"))
        assert_near(embedded[0], "uu.encoder_embedding0", ACTIVATION)

    @pytest.mark.parametrize("number", [0, 1])
    def test_logits(self, number: int, is_packed: bool) -> None:
        logits = model("utut", is_packed)(tokens(f"src_tokens{number}"), tokens(f"prev_output_tokens{number}"))
        assert_near(logits[0], f"uu.logits{number}", LOGIT)

    def test_padded_batch(self, is_packed: bool) -> None:
        source, target = tokens("batch_src_tokens"), tokens("batch_prev_output_tokens")
        assert bool((source == PAD).any())
        encoded, _ = model("utut", is_packed).encoder(source)
        assert_near(encoded, "uu.batch_encoder_out", ACTIVATION, source != PAD)
        assert_near(model("utut", is_packed)(source, target), "uu.batch_logits", LOGIT, target != PAD)

    def test_korean_layout(self, is_packed: bool) -> None:
        encoded, _ = model("utut_ko", is_packed).encoder(tokens("ko.src_tokens"))
        assert_near(encoded[0], "ko.encoder_out", ACTIVATION)
        logits = model("utut_ko", is_packed)(tokens("ko.src_tokens"), tokens("ko.prev_output_tokens"))
        assert_near(logits[0], "ko.logits", LOGIT)


class TestSearch:
    @pytest.mark.parametrize("name", SUPPRESSED_RUNS)
    def test_all_hypotheses_are_the_reference_s(self, name: str) -> None:
        run, is_korean = RUNS[name], name.startswith("ko.")
        using = translator("utut_ko" if is_korean else "utut")
        units = Units(np.load(PARITY / "inputs.npz")[f"src_units{run['source']}"], language=run["source_lang"])
        settings = replace(using.default_search, **run["generation_overrides"])
        translation = using.translate(units, run["source_lang"], run["target"], settings)
        assert_same_hypotheses(translation.hypotheses, name if is_korean else f"beam.{name}")
        assert format_units(translation.units.ids) == run["units"]
        assert translation.units.durations is None
        assert translation.units.language == run["target"]

    def test_published_settings_come_from_the_checkpoint(self) -> None:
        assert translator("utut").default_search == SearchConfig()

    def test_without_suppression_tags_appear_as_in_the_reference(self) -> None:
        using, name = model("utut_ko", True), "ko.ref_pub_en_ko"
        vocabulary = using.config.vocabulary
        rules = SearchRules(vocabulary.tag("ko"), (), SearchConfig().limit(tokens("ko.src_tokens").shape[1], 1024))
        found = search_beams(using, [tokens("ko.src_tokens")[0].numpy()], SearchConfig(), [rules])[0]
        assert_same_hypotheses(found, name)
        assert any(vocabulary.tag("nl") == token for token in found[0].tokens)
        assert vocabulary.tag("nl") - 4 not in vocabulary.units(found[0].tokens)
