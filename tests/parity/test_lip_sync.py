"""LSE-C and LSE-D, their network and the cutting of faces against the reference's numbers (small random network)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from av2unit.features import to_int16_scale
from netflips.evaluate.lip_sync import (
    LeastFace,
    LipSync,
    cepstra,
    face_crops,
    face_tracks,
    judge_lip_sync,
    shifted_distances,
    sync_vectors,
)
from unit2av.face.syncnet import SyncNet, load_syncnet

PARITY = Path(__file__).parent
INPUTS, TRUTH = np.load(PARITY / "lipsync_inputs.npz"), np.load(PARITY / "lipsync_expected.npz")
TOLERANCE = {name: one["tolerance"] for name, one in json.loads((PARITY / "lipsync_manifest.json").read_text())["expected"].items()}


def require_close(got: object, name: str) -> None:
    values = np.asarray(got, np.float64)
    assert values.shape == TRUTH[name].shape, name
    assert np.abs(values - TRUTH[name]).max() <= TOLERANCE[name], name


@cache
def network() -> SyncNet:
    return load_syncnet(PARITY / "syncnet_v2_tiny.model")


def lip_sync(frames: list[np.ndarray], sound: np.ndarray, is_published: bool) -> LipSync:
    return judge_lip_sync(*sync_vectors(network(), frames, cepstra(to_int16_scale(sound))), len(sound), is_published)


def test_cepstra_match() -> None:
    require_close(cepstra(INPUTS["wav16"]), "mfcc")


@pytest.mark.parametrize("clip", ["lse0", "lse1"])
def test_vectors_distances_and_figures_match(clip: str) -> None:
    frames, sound = INPUTS[f"{clip}_frames_bgr"][..., ::-1], INPUTS[f"{clip}_wav16"]
    count = len(TRUTH[f"{clip}_lip"])
    steps = cepstra(sound)
    lips, heard = sync_vectors(network(), list(frames), steps)
    require_close(lips[:count], f"{clip}_lip")
    require_close(heard[:count], f"{clip}_aud")
    require_close(steps[None, :, 4 * (count - 1) : 4 * (count - 1) + 20], f"{clip}_aud_in_last")
    distances = shifted_distances(lips[:count], heard[:count])
    require_close(distances[0], f"{clip}_dists_row0")
    require_close(distances.mean(dim=0), f"{clip}_mdist")
    found = lip_sync(list(frames), sound / 32768, is_published=True)
    assert found.windows == count
    require_close([found.offset, found.confidence, found.distance], f"{clip}_offset_conf_dist")
    assert found.offset == TRUTH[f"{clip}_offset_conf_dist"][0]


def test_the_corrected_protocol_takes_every_window_and_no_zeros() -> None:
    frames, sound = list(INPUTS["lse0_frames_bgr"][..., ::-1]), INPUTS["lse0_wav16"] / 32768
    corrected, published = (lip_sync(frames, sound, is_published) for is_published in (False, True))
    assert corrected.windows == published.windows + 1
    assert corrected.confidence > 2 * published.confidence  # distances to zeros are of another size
    longer = lip_sync(frames, np.append(sound, np.zeros(16000)), is_published=False)
    assert longer.windows == corrected.windows


def test_faces_are_followed_steadied_and_cut_as_published() -> None:
    boxes = [[box.astype(np.float32)] for box in INPUTS["boxes"][:15]]
    boxes[4], boxes[5] = [], []
    (track,) = face_tracks(boxes, LeastFace(10, 40))
    np.testing.assert_array_equal(track.first + np.arange(len(track.boxes)), TRUTH["track_frames"])
    require_close(track.boxes, "track_boxes")
    require_close(track.squares, "track_xys")
    crops = list(face_crops(track, INPUTS["frames_bgr"]))
    assert len(crops) == 15
    require_close(np.stack([crops[0], crops[-1]]), "track_crop_0_last")


def test_a_track_ends_after_a_second_and_short_ones_are_left_out() -> None:
    box = np.array([0, 0, 200, 200], np.float32)
    seen = [[box]] * 12 + [[]] * 26 + [[box + 1]] * 15
    assert [(one.first, len(one.boxes)) for one in face_tracks(seen, LeastFace(10))] == [(0, 12), (38, 15)]
    assert [one.first for one in face_tracks(seen, LeastFace(12))] == [38]
    assert not face_tracks(seen, LeastFace(10, 201))


def test_unused_means_are_not_taken_for_sound(tmp_path: Path) -> None:
    assert torch.isfinite(network().embed_frames(torch.zeros(1, 3, 5, 224, 224))).all()
