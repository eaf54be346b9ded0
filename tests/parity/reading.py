"""What the parity tests of the unit-to-text model share: fixtures, networks, and how arrays are compared."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from av2unit.lips import lip_features
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.contracts import Hypothesis
from avcore.units import PAD
from unit2text.config import UnitToTextConfig
from unit2text.model import EncodedUnits, UnitToTextNetwork, load_unit_to_text_network
from unit2text.stage import UNIT2TEXT
from unit2text.unit_reader import LipUnits, UnitReader

PARITY = Path(__file__).parent / "unit2text"
MANIFEST: dict[str, Any] = json.loads((PARITY / "manifest.json").read_text(encoding="utf-8"))
EXPECTED, INPUTS = MANIFEST["arrays"]["expected.npz"], MANIFEST["arrays"]["inputs.npz"]
RUNS: dict[str, dict[str, Any]] = MANIFEST["runs"]
CLIPS = {clip["name"]: clip for clip in MANIFEST["clips"]}
PAIRS = {"ft.pair": ("clip0", "clip3"), "ft.pair_short_first": ("clip3", "clip0")}
ACTIVATION = 1e-4


@cache
def arrays(name: str) -> Mapping[str, Any]:
    return np.load(PARITY / name)


def expected(name: str) -> Any:
    return arrays("expected.npz")[name]


@cache
def model(name: str) -> UnitToTextNetwork:
    checkpoint = read_checkpoint(PARITY / f"{name}.pt", UNIT2TEXT)
    return load_unit_to_text_network(checkpoint, UnitToTextConfig.from_checkpoint(checkpoint)).requires_grad_(False)


@cache
def reader(name: str) -> UnitReader:
    return UnitReader.from_checkpoint(PARITY / f"{name}.pt")


def number_of(using: UnitToTextNetwork, *clips: str) -> Tensor:
    return torch.tensor([using.config.languages.index(CLIPS[clip]["language"]) for clip in clips])


def frames(clip: str) -> Tensor:
    lips, gray = model("finetuned").config.lips, arrays("inputs.npz")[f"{clip}.gray"]
    return torch.from_numpy(lip_features(gray, lips.image_crop_size, lips.image_mean, lips.image_std))


def said_units(number: int, with_sound: bool) -> LipUnits:
    stored = arrays("inputs.npz")
    return LipUnits(stored[f"units{number}.lip"], stored[f"units{number}.speech"] if with_sound else None)


def encode_units(numbers: list[int], with_sound: bool) -> EncodedUnits:
    using = model("unit_pretrained")
    said = [said_units(number, with_sound) for number in numbers]
    lips = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(one.lips) for one in said], batch_first=True)
    sound = None
    if with_sound:
        rows = [torch.from_numpy(one.sound + 4) for one in said if one.sound is not None]
        sound = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    clips = [f"clip{number}" for number in numbers]
    return using.encode(lips, sound, number_of(using, *clips), [len(one.lips) for one in said])


def encode_clips(*clips: str) -> EncodedUnits:
    using = model("finetuned")
    return using.encode([frames(clip) for clip in clips], number_of(using, *clips))


def assert_near(found: Tensor, name: str, real: Tensor | None = None) -> None:
    wanted = torch.from_numpy(expected(name))
    assert found.shape == wanted.shape
    error = (found - wanted).abs()
    assert float((error if real is None else error[real]).max()) <= ACTIVATION


def score_tolerance(score: float) -> float:
    return 1e-4 + 1e-6 * abs(score)


def assert_same_hypotheses(found: list[Hypothesis], key: str) -> None:
    wanted_tokens, wanted_scores = expected(f"{key}.nbest_tokens"), expected(f"{key}.nbest_scores")
    by_score = RUNS[key.removesuffix(".0").removesuffix(".1")].get("smallest_gap", 1.0) < 1e-3
    tokens = [one.tokens.tolist() for one in found]
    wanted = [row[row >= 0].tolist() for row in wanted_tokens]
    assert (sorted(tokens) == sorted(wanted)) if by_score else (tokens == wanted)
    for one in found:
        rank = wanted.index(one.tokens.tolist())
        assert abs(one.score - float(wanted_scores[rank])) <= score_tolerance(float(wanted_scores[rank]))
        positional = expected(f"{key}.nbest_positional_scores")[rank][: len(one.tokens)]
        np.testing.assert_allclose(one.positional_scores, positional, atol=1e-4, rtol=1e-6)


def inner_blocks(using: UnitToTextNetwork, run: Any) -> tuple[Any, dict[str, Tensor]]:
    """What `run()` gives, and what came out of the blocks of the unit encoder meanwhile."""
    stack, seen = using.unit_encoder_module, dict[str, Tensor]()
    named = {"pos_conv": stack.pos_conv, "after_first_norm": stack.layer_norm}
    named |= {f"layer{number}_out": layer for number, layer in enumerate(stack.layers)}  # type: ignore[arg-type]
    hooks = [stack.register_forward_pre_hook(lambda _, given: seen.update({"unit_encoder_in": given[0]}))]

    def keep(name: str) -> Any:
        return lambda _, __, out: seen.update({name: out})

    hooks += [part.register_forward_hook(keep(name)) for name, part in named.items()]
    try:
        return run(), seen
    finally:
        for hook in hooks:
            hook.remove()


def cross_attention(using: UnitToTextNetwork, encoded: EncodedUnits, prefix: Tensor) -> Tensor:
    """Weights of the last decoder layer on the source, mean over heads, float [batch, target, source]."""
    attention, seen = using.decoder.layers[-1].encoder_attn, list[Tensor]()
    hook = attention.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    using.logits(encoded, prefix)
    hook.remove()
    queries = attention._split(attention.q_proj(seen[0]))
    scores = queries @ attention.keys_values(encoded.features).keys.transpose(2, 3) * queries.shape[-1] ** -0.5
    if encoded.attended is not None:
        scores = scores.masked_fill(~encoded.attended, -torch.inf)
    return scores.softmax(-1).mean(1)


def check_heads(name: str, tag: str, encoded: EncodedUnits) -> None:
    """Everything behind the unit encoder, of each array that there is."""
    using, real = model(name), encoded.is_real
    assert_near(encoded.features, f"{tag}.encoder_out", real)
    log_probs = using.ctc_log_probs(encoded.features)
    if f"{tag}.ctc_log_probs" in EXPECTED:
        assert_near(log_probs, f"{tag}.ctc_log_probs", real)
    path = torch.from_numpy(expected(f"{tag}.ctc_best_path"))
    assert torch.equal(log_probs.argmax(-1) if real is None else log_probs.argmax(-1)[real], path if real is None else path[real])
    prefix = torch.from_numpy(expected(f"{tag}.prefix"))
    is_token = torch.from_numpy(expected(f"{tag}.target")) != PAD
    if f"{tag}.decoder_logits" in EXPECTED:
        assert_near(using.logits(encoded, prefix), f"{tag}.decoder_logits", is_token)
    assert_near(cross_attention(using, encoded, prefix), f"{tag}.cross_attention_mean", is_token)
