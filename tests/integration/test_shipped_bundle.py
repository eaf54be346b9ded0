"""What the bundle that comes with NetfLips can do, on the clip that comes with it: a sentence, voice and head it never met."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.media import write_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.bundles.describe import check_bundle
from netflips.stages import SHIPPED
from netflips.transcribe import main as transcribe
from unit2text.scores import character_errors
from workshop.evaluate.bench import load_bundle
from workshop.evaluate.chain import Chain, ClipContent, read_clip
from workshop.evaluate.retrieval import UnitReferences
from workshop.voices.cast import Voice, cast, say

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"


@pytest.fixture(scope="module")
def korean() -> str:
    return str(json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))["korean"])


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(load_bundle(SHIPPED))


@pytest.fixture(scope="module")
def heard() -> ClipContent:
    return read_clip(CLIP)


@pytest.fixture(scope="module")
def references() -> UnitReferences:
    return UnitReferences.read(SHIPPED / "references.jsonl")


def test_its_files_are_those_that_it_names() -> None:
    bundle = check_bundle(SHIPPED)
    rows = bundle.about["metrics"]["rows"]
    assert {"seen", "video_only", "vocoder", "lips"} <= rows.keys()
    assert rows["held_out"]["low"] > 0.8
    assert rows["nearest_held_out"]["value"] < 0.1


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_it_finds_the_translation_of_a_new_sentence(
    modalities: str, chain: Chain, heard: ClipContent, references: UnitReferences, korean: str
) -> None:
    dubbed = chain.dub(heard, modalities)
    found = references.nearest(dubbed.translation.units)
    assert found.text == korean
    assert found.margin > 0


def test_what_it_says_is_heard_again(chain: Chain, heard: ClipContent, references: UnitReferences, korean: str) -> None:
    dubbed = chain.dub(heard, "audio,video")
    assert references.nearest(chain.units_of_sound(dubbed.samples)).text == korean


def test_half_of_the_units_do_not_do_as_well(chain: Chain, heard: ClipContent, references: UnitReferences) -> None:
    """Order alone proves little here: in so small a phrasebook the units of a sentence tell most of it in any order."""
    units, _ = chain.units(heard, "audio,video", heard.speech)
    right = references.nearest(chain.models.translator.translate(units, "en", "ko").units)
    half = np.ascontiguousarray(units.ids[: len(units.ids) // 2])
    cut = chain.models.translator.translate(type(units)(half, None, "en", units.vocabulary), "en", "ko")
    assert references.nearest(cut.units).text != right.text


@pytest.mark.parametrize("pause_s", [0.0, 0.28])
def test_two_sentences_without_a_pause_between_are_both_read(pause_s: float, tmp_path: Path) -> None:
    """In a voice that training never heard; the reader has learnt single sentences only."""
    voice = cast().unheard_voice("ko", np.random.default_rng([0, 1]), edition=1)
    sentences = "열한 시에 기차역 앞에서 만나요.", "월요일 저녁에 볶음밥을 먹었어요."
    first, second = (_spoken(one, voice) for one in sentences)
    write_speech(tmp_path / "two.wav", np.concatenate([first, np.zeros(seconds_to_samples(pause_s), np.float32), second]))
    out = tmp_path / "two.txt"
    assert transcribe([str(tmp_path / "two.wav"), "--lang", "ko", "--out", str(out), "--cpu", "--quiet"]) == 0
    errors = character_errors(" ".join(sentences), " ".join(out.read_text(encoding="utf-8").split()))
    assert errors.errors <= 0.15 * errors.length  # one word may be read wrong; a sentence that is lost is half of it


def _spoken(text: str, voice: Voice) -> np.ndarray:
    """A sentence without the silence around it, float32 [S] at 16 kHz."""
    said = say(text, voice)
    samples = resample(said.samples, said.rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return samples[loud[0] : loud[-1]]
