from pathlib import Path

import cv2
import numpy as np
import pytest

from avcore.media import VideoWriter
from avcore.progress import silent
from avcore.timeline import FRAME_RATE, samples_to_seconds, seconds_to_units
from avcore.units import Units
from workshop.evaluate.chain import read_clip
from workshop.evaluate.material import plan_clip, write_clip
from workshop.evaluate.mouth import Truth, draw_truth, face_in, measure_mouth, phones_of_units, sync_at_zero
from workshop.evaluate.settings import EvaluationSettings
from workshop.material.phones import Phones
from workshop.voices.cast import cast, say

TEXTS = ("은행이 어디에 있어요?", "물 한 잔 주세요.")


def units_of(text: str, phones: Phones) -> Units:
    speech = say(text, cast().reference("ko", edition=1))
    return phones.units(speech.phonemes, seconds_to_units(samples_to_seconds(len(speech.samples), speech.rate)), "ko")


@pytest.fixture(scope="module")
def phones() -> Phones:
    return Phones.found_in((name for text in TEXTS for name, _, _ in say(text, cast().reference("ko", edition=1)).phonemes), {})


def test_what_units_stand_for_is_heard_from_the_reference_voice(phones: Phones) -> None:
    names = phones_of_units({text: units_of(text, phones) for text in TEXTS}, silent)

    heard = {unit: name for unit, name in enumerate(phones.names) if unit in names}
    wrong = {name: names[unit] for unit, name in heard.items() if names[unit] != name}
    assert len(heard) > 10
    # Silence may be where the voice still says its last phoneme; and espeak-ng says a sentence a little differently each time.
    assert len(set(wrong) - {"_:"}) <= 1


def test_the_drawn_truth_is_like_itself_and_unlike_another_sentence(phones: Phones, tmp_path: Path) -> None:
    settings = EvaluationSettings(side=160)
    plan, clip = plan_clip("held_out", 4, settings), tmp_path / "clip.mp4"
    write_clip(clip, plan, 160)
    heard, names = read_clip(clip), dict(enumerate(phones.names))
    truth, other = (draw_truth(plan, units_of(text, phones), names, len(heard.source), 160) for text in TEXTS)
    assert len(truth.pictures) == len(truth.openings)
    dubbed, blurred = tmp_path / "dubbed.mp4", tmp_path / "blurred.mp4"
    for path, width in ((dubbed, 0), (blurred, 5)):
        with VideoWriter(path, 160, 160, FRAME_RATE) as writer:
            for picture in truth.pictures:
                writer.write_picture(cv2.GaussianBlur(picture, (width, width), 0) if width else picture)

    face = face_in(dubbed)
    same, unlike = measure_mouth(dubbed, face, heard, truth), measure_mouth(dubbed, face, heard, other)
    softer = measure_mouth(blurred, None, heard, truth)

    assert same["correlation"] > 0.85
    assert unlike["correlation"] < same["correlation"] - 0.3
    assert abs(same["shifted"]) < 0.5
    assert same["l1"] < 0.02
    assert same["ssim"] > 0.9
    assert same["l1"] < same["source_l1"]
    assert same["l1"] < unlike["l1"]
    assert 0.4 < same["sharpness"] < 1.4
    assert softer["sharpness"] < 0.6 * same["sharpness"]
    assert softer["correlation"] == 0
    assert np.isfinite([*same.values(), *unlike.values()]).all()


def test_a_mouth_that_does_not_move_has_no_correlation(tmp_path: Path) -> None:
    settings = EvaluationSettings(side=160)
    plan, clip = plan_clip("held_out", 4, settings), tmp_path / "clip.mp4"
    write_clip(clip, plan, 160)
    heard = read_clip(clip)
    first = next(iter(heard.source)).rgb
    with VideoWriter(tmp_path / "still.mp4", 160, 160, FRAME_RATE) as writer:
        for _ in range(20):
            writer.write_picture(first)
    truth = Truth(np.sin(np.arange(20)).astype(np.float32), [first] * 20)

    still = tmp_path / "still.mp4"
    assert abs(measure_mouth(still, face_in(still), heard, truth)["correlation"]) < 0.5


def test_lips_in_sync_agree_at_zero_and_late_ones_do_not() -> None:
    heard = np.repeat(np.random.default_rng(0).integers(1, 50, 40), 4)
    assert sync_at_zero(heard, heard, [0]) == 1
    late = sync_at_zero(heard, np.concatenate([np.zeros(6, np.int64), heard]), [0])
    assert late is not None
    assert late < 0.1
    silence = np.zeros(20, np.int64)
    assert sync_at_zero(np.concatenate([silence, heard]), np.concatenate([silence, heard + 1]), [0]) == 0
    assert sync_at_zero(silence, silence, [0]) is None
