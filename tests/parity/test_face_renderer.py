"""The face renderer against the reference's numbers (small random checkpoint in the published layout)."""

from functools import cache
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.faces.boxes import read_boxes
from avcore.faces.crop import crop_face, paste_face_hard
from avcore.timeline import pingpong
from avcore.units import Units
from unit2av.face.model import FaceModel, network_input, pad_to_windows
from unit2av.renderer import LipRenderer, load_face_model, ready_to_draw
from unit2av.stage import open_renderer_checkpoint

PARITY = Path(__file__).parent
CASES = (0, 1, 2)


@cache
def model() -> FaceModel:
    return load_face_model(open_renderer_checkpoint(PARITY / "unit2av_renderer.pt")).eval().requires_grad_(False)


@cache
def case(number: int) -> SimpleNamespace:
    """Inputs as the reference prepares them, and what it made of them."""
    inputs, expected = np.load(PARITY / "unit2av_inputs.npz"), np.load(PARITY / "unit2av_expected.npz")
    prefix = f"case{number}_"
    truth = {key.removeprefix(prefix): expected[key] for key in expected.files if key.startswith(prefix)}
    # Case 1 comes from NetfLips, which leaves frames without a face alone; av2av fills them forward.
    boxes = read_boxes(PARITY / f"unit2av_case{number}.bbox.pkl")
    if number != 1:
        boxes = list(accumulate(boxes, lambda before, box: before if box is None else box))
    ids = np.repeat(truth["units_dedup"], truth["dur"])
    windows = pad_to_windows(ids)
    shown = [pingpong(k, len(boxes)) for k in range(10 * len(windows))]
    frames = [inputs["frames_rgb"][index] for index in shown]
    used = [boxes[index] for index in shown]
    crops = [None if box is None else crop_face(frame, box) for frame, box in zip(frames, used, strict=True)]
    squares = np.stack([np.zeros((96, 96, 3), np.uint8) if crop is None else crop for crop in crops])
    faces = network_input(torch.from_numpy(squares))
    return SimpleNamespace(truth=truth, ids=ids, windows=windows, frames=frames, boxes=used, crops=crops, faces=faces)


def largest_error(got: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(got.numpy() - expected).max())


@pytest.mark.parametrize("number", CASES)
def test_windows_of_units_are_exact(number: int) -> None:
    np.testing.assert_array_equal(case(number).windows.numpy(), case(number).truth["face_units"])


def test_boxes_after_ping_pong_are_exact() -> None:
    truth = case(0).truth["crops_used"]
    np.testing.assert_array_equal(np.stack(case(0).boxes[: len(truth)]), truth)


@pytest.mark.parametrize("number", CASES)
def test_crops_and_network_input_are_exact(number: int) -> None:
    given = (case(number).faces[:10] * 255).round().to(torch.uint8).numpy()
    np.testing.assert_array_equal(given, case(number).truth["face_in_first10"])


def test_network_input_is_the_float64_quotient_rounded_to_float32() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(36, 1).reshape(1, 96, 96, 1).expand(1, 96, 96, 3)
    whole = network_input(levels)[0, 3]
    np.testing.assert_array_equal(whole.numpy(), (levels[0, :, :, 0].numpy() / 255.0).astype(np.float32))


def test_unit_branch_matches() -> None:
    truth, windows = case(0).truth, case(0).windows
    pairs = model().unit_embed(windows).view(len(windows), 10, 2, -1).mean(2).transpose(0, 1)
    assert largest_error(pairs, truth["lip_in"]) <= 5e-5
    codes = model().encode_units(windows)
    assert largest_error(codes.view(len(windows), 10, -1).transpose(0, 1), truth["lip_out"]) <= 5e-5


def test_face_encoder_matches() -> None:
    features = model().encode_faces(case(0).faces[:2])
    assert largest_error(features[-1], case(0).truth["enc6"]) <= 5e-5
    for block, feature in enumerate(features):
        statistics = torch.stack([feature.mean(), feature.std(correction=0), feature.abs().max()])
        assert largest_error(statistics, case(0).truth[f"enc{block}_stat"]) <= 5e-5, block


@pytest.mark.parametrize("number", CASES)
@pytest.mark.parametrize("is_folded", [False, True], ids=["as trained", "folded"])
def test_faces_match(number: int, is_folded: bool) -> None:
    network = load_face_model(open_renderer_checkpoint(PARITY / "unit2av_renderer.pt")).eval()
    if is_folded:
        ready_to_draw([network.face_encoder_blocks, network.face_decoder_blocks, network.output_block], torch.float32)
    with torch.no_grad():
        drawn = network(case(number).windows, case(number).faces)
    truth = case(number).truth
    assert largest_error(drawn[: len(truth["face_out_window0"])], truth["face_out_window0"]) <= 5e-5
    if "face_out_last4" in truth:
        assert largest_error(drawn[-4:], truth["face_out_last4"]) <= 5e-5


@pytest.mark.parametrize("number", CASES)
def test_rendered_frames_match_to_one_level(number: int) -> None:
    truth = case(number).truth["face_out_u8"]
    renderer = LipRenderer.from_checkpoint(PARITY / "unit2av_renderer.pt")
    batches = list(renderer.render(Units.from_frames(case(number).ids), case(number).crops[: len(truth)]))
    difference = np.abs(np.concatenate(batches)[..., ::-1].astype(int) - truth)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("number", CASES)
def test_hard_paste_is_exact_given_the_faces(number: int) -> None:
    truth = case(number).truth
    untouched = 0
    for k, (face, expected) in enumerate(zip(truth["face_out_u8"], truth["pasted_bgr"], strict=True)):
        frame, box = case(number).frames[k][..., ::-1], case(number).boxes[k]
        np.testing.assert_array_equal(frame if box is None else paste_face_hard(frame, face, box), expected)
        untouched += box is None
    assert untouched == (5 if number == 1 else 0)
