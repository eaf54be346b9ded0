"""What the bundle that comes with NetfLips can do, on the clip that comes with it: a sentence, voice and head it never met."""

import json
from pathlib import Path

import numpy as np
import pytest

from netflips.bundles.describe import check_bundle
from netflips.stages import SHIPPED
from workshop.evaluate.chain import Chain, ClipContent, read_clip
from workshop.evaluate.retrieval import UnitReferences
from workshop.evaluate.worker import load_bundle

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
