"""A bundle of random weights, small enough to be measured in a test."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import FORMAT, Bundle, read_bundle
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.data.unit_store import UnitRow, write_units
from avcore.speech.espeak import EspeakVoice, TimedSpeech, espeak_speech
from avcore.units import Units
from netflips.cascade import kokoro
from netflips.cascade.kokoro import NaturalVoice
from recipes.demo.voices.phrasebook import phrasebook
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.recipes.demo.heads.test_espeak import KOREAN
from tests.unit2text.tiny import write_reader
from text2unit.stage import TEXT2UNIT
from unit2av.stage import RENDERER
from unit2text.stage import UNIT2TEXT
from unit2text.training.corpus import SpokenText, UnitToTextCorpus
from unit2unit.stage import TRANSLATOR

NUM_UNITS = 1000

_STAND_IN = """
import sys
from avcore.speech.say import main
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
voice = {"slt": "en-us+f3"}.get(given["-voice"], "en-us+m2")
stretch = float(given["--setf"].partition("duration_stretch=")[2])
speed = str(round(165 / stretch))
sys.exit(main(["--text", given["-t"], "--out", given["-o"], "--voice", voice, "--speed", speed, "--quiet"]))
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, parity_dir: Path) -> Bundle:
    """A bundle that knows nothing: all its models, a translator with a narrow search, and reference units."""
    folder = tmp_path_factory.mktemp("bundle")
    sources = {UNIT_ENCODER: "mavhubert.pt", TRANSLATOR: "utut_ko.pt", RENDERER: "unit2av_renderer.pt"}
    for kind, name in sources.items():
        stored = read_checkpoint(parity_dir / name, kind)
        search = {"generation": {"beam": 1, "max_target_units": 30}} if kind is TRANSLATOR else {}
        write_checkpoint(folder / kind.file, kind, {**stored.config, **search}, stored.tensors)
    texts = (("en", "the quick brown fox jumps over"), ("ko", "그 빠른 여우가 뛰어요"))
    said = tuple(SpokenText(name, text, name, Units.from_frames([1])) for name, text in texts)
    write_reader(folder / UNIT2TEXT.file, UnitToTextCorpus(said, said, "", 1000))
    write_random_text_to_unit(folder / TEXT2UNIT.file_for("ko"))
    rng = np.random.default_rng(0)
    rows = [
        UnitRow(f"s{number:04d}", Units(rng.integers(0, NUM_UNITS, 25), rng.integers(2, 5, 25), "ko"), {"text": pair.korean})
        for number, pair in enumerate(phrasebook().all_pairs())
    ]
    write_units(folder / "references.jsonl", rows)
    phones = (KOREAN.split() * NUM_UNITS)[:NUM_UNITS]
    about = {"format": FORMAT, "name": "nothing", "domain": "nothing", "phones": phones}
    (folder / "bundle.json").write_text(json.dumps(about), encoding="utf-8")
    return read_bundle(folder)


def _spoken_by_espeak(text: str, voice: NaturalVoice) -> TimedSpeech:
    return espeak_speech(text, EspeakVoice("ko+m2" if voice.language == "ko" else "en-us+m2"))


@pytest.fixture(scope="module", autouse=True)
def natural_voices() -> Iterator[None]:
    """espeak-ng speaks for the natural voices, which are not installed everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kokoro, "natural_speech", _spoken_by_espeak)
        patch.setattr(kokoro, "require_packages", lambda: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def flite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A program `flite` that takes flite's options and speaks with espeak-ng: pip cannot install the real one."""
    folder = tmp_path_factory.mktemp("programs")
    program = folder / "flite"
    program.write_text(f"#!{sys.executable}\n{_STAND_IN}")
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield
