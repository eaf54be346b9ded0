"""The unit encoder against the reference's numbers (small random checkpoint in the published layout)."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from av2unit import features
from av2unit.extractor import UnitExtractor
from av2unit.lips import LipResNet, lip_features
from av2unit.model import AvHubert, load_avhubert
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Frames
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.compute.inference import fold_norms
from avcore.media import read_gray_video

PARITY = Path(__file__).parent
CASES = ("av", "av_padded", "audio", "video")
FILTERBANK, ACTIVATION, LOGIT = 2e-4, 1e-4, 2e-4
HALO = 2


@cache
def expected() -> Mapping[str, Any]:
    return np.load(PARITY / "expected.npz")


@cache
def inputs() -> Mapping[str, Any]:
    return np.load(PARITY / "inputs.npz")


def speech_of(case: str) -> features.Floats | None:
    return None if case == "video" else inputs()["wav"].astype(np.float32) / 32768


def lips_of(case: str) -> Frames | None:
    num_frames = None if case == "av_padded" else int(inputs()["n_frames_av"])
    return None if case == "audio" else inputs()["frames96"][:num_frames]


@pytest.fixture(scope="module", params=[False, True], ids=["as trained", "folded"])
def model(request: pytest.FixtureRequest) -> AvHubert:
    model = load_avhubert(read_checkpoint(PARITY / "mavhubert.pt", UNIT_ENCODER)).requires_grad_(False)
    if request.param:
        fold_norms(model)
    return model


@pytest.fixture(scope="module")
def extractor() -> UnitExtractor:
    return UnitExtractor.from_checkpoint(PARITY / "mavhubert.pt")


def network_inputs(model: AvHubert, case: str) -> tuple[Tensor | None, Tensor | None]:
    speech, lips, config = speech_of(case), lips_of(case), model.config
    video = None if lips is None else lip_features(lips, config.image_crop_size, config.image_mean, config.image_std)
    length = None if video is None else len(video)
    audio = None if speech is None else features.audio_features(speech, config.stack_order_audio, config.normalize, length)
    return None if audio is None else torch.from_numpy(audio)[None], None if video is None else torch.from_numpy(video)[None]


def watch(model: AvHubert, seen: dict[str, Tensor]) -> Iterator[Any]:
    """Hook every named intermediate."""
    named: dict[str, nn.Module] = {
        "fused_normed": model.layer_norm,
        "encoder_in": model.post_extract_proj,
        "pos_conv": model.encoder.pos_conv,
        "encoder_out": model.encoder,
        **{f"layer{index}_out": layer for index, layer in enumerate(model.encoder.layers)},
    }
    for name, module in named.items():
        yield module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output[0]}))
    yield model.layer_norm.register_forward_pre_hook(lambda _, args: seen.update({"fused_concat": args[0][0]}))
    stretches: list[Tensor] = []
    resnet = model.feature_extractor_video.resnet
    yield resnet.register_forward_hook(lambda _, __, output: stretches.append(output))
    yield model.feature_extractor_video.proj.register_forward_pre_hook(lambda _, args: seen.update({"resnet_out": args[0]}))


def error(found: Tensor | np.ndarray, name: str) -> float:
    truth = expected()[name]
    assert tuple(found.shape) == truth.shape
    return float(np.abs(np.asarray(found) - truth).max())


def test_log_filterbank_is_the_references() -> None:
    rows = features.log_filterbank(features.to_int16_scale(speech_of("audio")))
    assert error(rows, "logfbank") <= FILTERBANK


@pytest.mark.parametrize("case", CASES)
def test_network_inputs_are_the_references(case: str) -> None:
    speech, lips = speech_of(case), lips_of(case)
    length = None if lips is None else len(lips)
    if speech is not None:
        assert error(features.audio_features(speech, 4, False, length), f"{case}.audio_stacked") <= FILTERBANK
        assert error(features.audio_features(speech, 4, True, length), f"{case}.audio_normalised") <= ACTIVATION
    if case == "av":
        assert error(lip_features(lips, 88, 0.421, 0.165), "av.video_normalised") <= ACTIVATION


@pytest.mark.parametrize("case", CASES)
def test_activations_and_logits_are_the_references(model: AvHubert, case: str) -> None:
    seen: dict[str, Tensor] = {}
    hooks = list(watch(model, seen))
    try:
        with torch.inference_mode():
            even, odd = model(*network_inputs(model, case))
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name in expected() if name.startswith(f"{case}.") and name.removeprefix(f"{case}.") in seen]
    layers = {"layer0_out", "layer1_out"}
    assert {name.removeprefix(f"{case}.") for name in names} >= {"fused_concat", "fused_normed", "encoder_in", "pos_conv"} | layers
    assert (f"{case}.resnet_out" in names) == (case == "av")
    for name in names:
        assert error(seen[name.removeprefix(f"{case}.")], name) <= ACTIVATION, name
    assert error(even[0], f"{case}.logits_even") <= LOGIT
    assert error(odd[0], f"{case}.logits_odd") <= LOGIT


@pytest.mark.parametrize("case", CASES)
def test_units_and_durations_are_the_references(extractor: UnitExtractor, case: str) -> None:
    units = extractor.extract(speech_of(case), lips_of(case))
    np.testing.assert_array_equal(units.frames(), expected()[f"{case}.units"])
    np.testing.assert_array_equal(units.ids, expected()[f"{case}.units_dedup"])
    np.testing.assert_array_equal(units.durations, expected()[f"{case}.durations"])
    strings = json.loads((PARITY / "manifest.json").read_text())["unit_strings"]
    assert " ".join(map(str, units.frames())) == strings[case]


def test_front_end_of_published_width_is_the_references() -> None:
    resnet = LipResNet(64)
    state = resnet.state_dict()
    drawn = {key: _formula(key, tuple(tensor.shape)) for key, tensor in state.items() if tensor.is_floating_point()}
    resnet.load_state_dict(state | drawn)
    resnet.eval()
    frames = torch.from_numpy(expected()["av.video_normalised"][:6])
    packed = nn.functional.pad(frames, (0, 0, 0, 0, HALO, HALO))
    for is_folded in (False, True):
        if is_folded:
            fold_norms(resnet)
        with torch.inference_mode():
            found = resnet(packed, torch.ones(len(frames), dtype=torch.bool))
        assert error(found, "fullwidth_resnet.out") <= ACTIVATION


def _formula(key: str, shape: tuple[int, ...]) -> Tensor:
    """The weights that the manifest describes."""
    random = np.random.RandomState(crc32(key.encode()) & 0x7FFFFFFF)
    if key.endswith("running_var"):
        drawn = random.uniform(0.5, 1.8, shape)
    elif key.endswith(("running_mean", "bias")):
        drawn = 0.1 * random.standard_normal(shape)
    elif len(shape) == 1 and ("relu" in key or key == "frontend3D.2.weight"):
        drawn = random.uniform(0.05, 0.5, shape)
    elif len(shape) == 1:
        drawn = random.uniform(0.6, 1.4, shape)
    else:
        drawn = random.standard_normal(shape) * np.sqrt(1.6 / np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))


def test_gray_frames_are_exact(parity_dir: Path) -> None:
    with np.load(parity_dir / "inputs.npz") as inputs:
        expected = inputs["frames96"]
    assert np.array_equal(read_gray_video(parity_dir / "clip_long.lip.mp4"), expected)
