"""What models do on a GPU, without one: no operator mixes devices, and the host waits a fixed number of times an utterance."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from av2unit.extractor import UnitExtractor
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError
from avcore.timeline import frames_to_seconds
from avcore.units import Units
from netflips.stages import SHIPPED
from tests.pretended_device import CUDA, HeldMemory, pretended_device
from text2unit.text_to_units import TextToUnits
from unit2av.lipsync.patches import SoundLipSync
from unit2av.lipsync.wav2lip.model import mel_of
from unit2av.renderer import LipRenderer
from unit2av.speaker import SpeakerEncoder
from unit2av.voice import source
from unit2av.voice.speech import UnitVocoder
from unit2text.search import ReadOptions
from unit2text.unit_reader import LipUnits, UnitReader
from unit2unit.translator import UnitTranslator

PARITY = Path(__file__).parents[1] / "parity"
FACE = np.zeros((96, 96, 3), np.uint8)


def sound(steps: int) -> np.ndarray:
    return np.random.default_rng(steps).standard_normal(640 * steps).astype(np.float32) / 10


def lips(steps: int) -> np.ndarray:
    return np.zeros((steps, 96, 96), np.uint8)


def unit_encoder(precision: str, device: str = CUDA) -> dict[str, Callable[[int], Any]]:
    extractor = UnitExtractor.from_checkpoint(PARITY / "mavhubert.pt", device, precision)
    return {
        "sound": lambda size: extractor.extract_scored(sound(size)),
        "lips": lambda size: extractor.extract(None, lips(size)),
        "both": lambda size: extractor.extract(sound(size), lips(size)),
        "batch": lambda size: extractor.extract_batch([sound(size), sound(3)], [lips(size), lips(3)]),
        "features": lambda size: extractor.features(1, sound(size)),
    }


def translator(precision: str) -> dict[str, Callable[[int], Any]]:
    model = UnitTranslator.from_checkpoint(PARITY / "utut_ko.pt", CUDA, precision)
    search = SearchConfig(beam=4, max_len_a=1, max_len_b=0)

    def translate(*sizes: int) -> None:
        with suppress(CheckpointError):  # made-up tokens never end
            model.translate_batch([Units(np.arange(size)) for size in sizes], search=search)

    return {"one": translate, "two": lambda size: translate(size, 5)}


def unit_to_text(name: str, precision: str) -> dict[str, Callable[[int], Any]]:
    reader = UnitReader.from_checkpoint(PARITY / "unit2text" / f"{name}.pt", CUDA, precision)
    said = lips if reader.takes == "lips" else lambda size: LipUnits(np.arange(size), np.arange(size))
    search = SearchConfig(beam=4, max_len_a=1, max_len_b=0)
    read = partial(reader.read, language=reader.languages[0])
    decoder, ctc = (ReadOptions(search, weight) for weight in (0.0, 1.0))
    return {"decoder": lambda size: read(said(size), options=decoder), "ctc": lambda size: read(said(size), options=ctc)}


def joint_reader(precision: str) -> dict[str, Callable[[int], Any]]:
    reader = UnitReader.from_checkpoint(SHIPPED / "unit_to_text.safetensors", CUDA, precision)
    options = ReadOptions(SearchConfig(beam=4, max_len_a=1, max_len_b=0), 0.3)
    return {"joint": lambda size: reader.read(Units(np.arange(size), np.ones(size, np.int64)), reader.languages[0], options)}


def voice(path: Path, precision: str) -> dict[str, Callable[[int], Any]]:
    vocoder = UnitVocoder.from_checkpoint(path, device=CUDA, precision=precision, unit_offset=0)
    speaker = np.full(vocoder.speaker_dim, 0.1, np.float32)
    return {"say": lambda size: vocoder.synthesize(Units(np.arange(size), np.full(size, 2)), speaker)}


def unit_lips(precision: str) -> dict[str, Callable[[int], Any]]:
    renderer = LipRenderer.from_checkpoint(PARITY / "unit2av_renderer.pt", CUDA, precision)
    return {"draw": lambda size: list(renderer.render(Units(np.arange(size), np.full(size, 2)), [FACE, None] * (size // 2)))}


def sound_lips(precision: str) -> dict[str, Callable[[int], Any]]:
    mouth, mel = SoundLipSync.from_checkpoint(PARITY / "wav2lip_tiny.pth", CUDA, precision), mel_of(sound(50))
    return {"draw": lambda size: mouth._faces(mel, [FACE] * size, [frames_to_seconds(one) for one in range(size)])}


def speaker(precision: str) -> dict[str, Callable[[int], Any]]:
    encoder = SpeakerEncoder.from_checkpoint(PARITY / "unit2av_spk_encoder.pt", CUDA)
    return {"embed": lambda size: encoder.embed(sound(size))}


def text_to_unit(precision: str) -> dict[str, Callable[[int], Any]]:
    model = TextToUnits.from_checkpoint(SHIPPED / "text_to_unit.ko.safetensors", CUDA, precision)
    return {"spell": lambda size: list(model.predict(("가" * size,)))}


@dataclass(frozen=True)
class Row:
    """A model on the device. most: waits of one utterance of so many steps."""

    make: Callable[[str], dict[str, Callable[[int], Any]]]
    most: Callable[[int], float]
    sizes: tuple[int, int] = (6, 20)
    is_float32: bool = False


def of_search(size: int) -> float:
    """What goes in and comes out, the rules of the search, and three looks in 16 steps: at two arrays, and at room."""
    return 20 + 3 * (size / 16)


ROWS: dict[str, Row] = {
    "unit encoder": Row(unit_encoder, lambda _: 7, (8, 30)),
    "translator": Row(translator, of_search, (4, 40)),
    "unit-to-text model, lips": Row(partial(unit_to_text, "finetuned"), of_search, (4, 20)),
    "unit-to-text model, units": Row(partial(unit_to_text, "unit_pretrained"), of_search, (4, 20)),
    # CTC's half of the joint search is numpy's: the decoder's scores of each step come back, and the next letters go in.
    "unit-to-text model, joint": Row(joint_reader, lambda size: 9 + 3 * (size + 1)),
    "voice": Row(partial(voice, PARITY / "unit2av_renderer.pt"), lambda _: 2),
    "harmonic voice": Row(partial(voice, SHIPPED / "renderer.safetensors"), lambda _: 10, is_float32=True),  # nine parts go in
    "lips of units": Row(unit_lips, lambda _: 5),  # one for each batch asks whether numbers were drawn
    "lips of sound": Row(sound_lips, lambda _: 3, (2, 8)),
    "speaker": Row(speaker, lambda _: 2, (25, 30), is_float32=True),
    "text-to-unit": Row(text_to_unit, lambda _: 4),
}


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ROWS)
def test_nothing_waits_within_a_loop(name: str, precision: str) -> None:
    row = ROWS[name]
    source._window.cache_clear()  # what an earlier device made
    with pretended_device() as device:
        runs = row.make(precision)
        assert not [place for place in device.waits if not place.startswith("upload")]
        for what, run in runs.items():
            for size in row.sizes:
                device.waits.clear()
                device.products.clear()
                run(size)
                waits = dict(device.waits)
                assert sum(waits.values()) <= row.most(size), (what, size, waits)
                assert waits, what  # else it did not run on the device
    halves = device.products.keys() - {torch.float32}
    assert halves == ({PRECISIONS[precision]} if precision != "float32" and not row.is_float32 else set())


def test_memory_is_that_of_the_tensors_that_are_there() -> None:
    with pretended_device() as device, torch.inference_mode():
        kept = torch.zeros(1000).to(CUDA)
        assert device.held == 4000
        for _ in range(3):
            part = (kept + 1)[:10]
        assert device.held == 8000  # a part holds all of its storage
        del part
        assert (device.held, device.peak) == (4000, 12000)


def test_memory_is_reckoned_as_a_run_on_the_cpu_holds_it() -> None:
    with pretended_device() as device:
        run = unit_encoder("float32")["both"]
        before = device.peak = device.held
        run(200)
    run = unit_encoder("float32", "cpu")["both"]
    with HeldMemory("cpu") as held:
        run(200)
    assert device.peak - before == pytest.approx(held.peak, rel=0.02)


def test_what_waits_is_seen() -> None:
    with pretended_device() as device, torch.inference_mode():
        there = torch.ones(3).to(CUDA)
        for kind, wait in {
            "upload": lambda: torch.ones(2).to(CUDA),
            "download": lambda: there.cpu(),
            "scalar": lambda: bool(there.any()),
            "size": lambda: there.nonzero(),
        }.items():
            device.waits.clear()
            try:
                wait()
            except torch._subclasses.fake_tensor.DynamicOutputShapeException:
                assert kind == "size"
            assert [place.split(":")[0] for place in device.waits] == [kind]
        with pytest.raises(RuntimeError, match="device"):
            there + torch.ones(3)
        with pytest.raises(AssertionError, match="of a CPU"):
            torch.ops.mkldnn._linear_pointwise(there[None], there[None], None, "none", [], "none")
