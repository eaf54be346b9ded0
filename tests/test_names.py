"""Names that other programs rely on stay where they are."""

from importlib import import_module
from importlib.util import find_spec

import pytest

COMMANDS = [
    "av2unit.inference", "av2unit.train", "av2unit.kmeans",
    "unit2unit.inference",
    "unit2unit.utut_pretrain.prepare", "unit2unit.utut_pretrain.pretrain",
    "unit2unit.utut_finetune.add_language", "unit2unit.utut_finetune.prepare_pairs", "unit2unit.utut_finetune.finetune",
    "unit2unit.utut_finetune.average",
    "unit2av.inference_unit2a", "unit2av.inference_unit2av", "unit2av.train_unit2a", "unit2av.train_unit2v", "unit2av.train_sync",
    "unit2av.train_lipsync",
    "unit2text.inference", "unit2text.train", "unit2text.evaluate",
    "text2unit.inference", "text2unit.train",
    "unit2av.lip_crops", "unit2av.speaker", "inference_av2av",
]  # fmt: skip
"""Run as `python -m NAME` (a package by its `__main__`)."""
OBJECTS = [
    "av2unit.inference.UnitExtractor", "unit2unit.inference.UnitTranslator", "unit2unit.inference.Translation",
    "unit2text.inference.UnitReader", "unit2av.inference_unit2a.UnitVocoder", "unit2av.inference_unit2a.Speech",
    "text2unit.inference.TextToUnits", "unit2av.renderer.LipRenderer", "unit2av.speaker.SpeakerEncoder",
    "netflips.dubbing.dub.dub", "netflips.models.load_models", "netflips.dubbing.options.DubOptions", "avcore.units.Units",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_it_was(name: str) -> None:
    assert find_spec(name) is not None


@pytest.mark.parametrize("name", OBJECTS)
def test_a_name_is_where_it_was(name: str) -> None:
    module, _, own = name.rpartition(".")
    assert hasattr(import_module(module), own)
