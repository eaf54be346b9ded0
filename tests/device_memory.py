"""Memory of a GPU that models of published size take, reckoned without one: `python -m tests.device_memory STAGE CHECKPOINTS`.

A model runs on a pretended device (`tests.pretended_device`), which adds up the tensors that are there at once. CUDA itself, spare
blocks of the allocator, and the workspaces of cuDNN and cuBLAS come on top: about 0.5 to 1 GiB.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from av2unit.extractor import UnitExtractor
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError
from avcore.units import Units
from benchmarks import material
from benchmarks.material import BEAM, KOX_LENGTHS
from tests.pretended_device import CUDA, pretended_device
from unit2av.renderer import LipRenderer
from unit2av.voice.speech import UnitVocoder
from unit2unit.translator import UnitTranslator

Runs = dict[str, Callable[[], object]]


def unit_encoder(folder: Path, precision: str) -> Runs:
    """Return runs on speech and lips of 10 s, one utterance and eight at once."""
    extract = UnitExtractor.from_checkpoint(folder / "mavhubert_large_noise.pt", CUDA, precision).extract_batch
    sound, lips = material.speech(10), material.lips(10)
    return {f"{count} x 10 s": partial(extract, [sound] * count, [lips] * count) for count in (1, 8)}


def translator(folder: Path, precision: str) -> Runs:
    """Return runs on the median sentence of Ko-X, one and four at once, and on a long one."""
    model = UnitTranslator.from_checkpoint(folder / "utut_ko.pt", CUDA, precision)

    def translate(count: int, source: int, target: int) -> None:
        with suppress(CheckpointError):  # made-up tokens never end
            search = SearchConfig(beam=BEAM, max_len_b=target, min_len=target)
            model.translate_batch([Units(np.arange(source))] * count, "en", "ko", search=search)

    cases = [(count, *KOX_LENGTHS[share]) for count, share in ((1, 50), (4, 50), (1, 95))]
    return {f"{count} x {source} to {target} units": partial(translate, count, source, target) for count, source, target in cases}


def vocoder(folder: Path, precision: str) -> Runs:
    """Return a run on 10 s of speech."""
    path = folder / "unit_av_renderer_withKO.pt"
    model = UnitVocoder.from_checkpoint(path, device=CUDA, precision=precision, unit_offset=0)
    return {"10 s": partial(model.synthesize, material.units(10), material.voice(model.speaker_dim))}


def renderer(folder: Path, precision: str) -> Runs:
    """Return a run on 2 s of faces, which are more than a batch of it."""
    model = LipRenderer.from_checkpoint(folder / "unit_av_renderer_withKO.pt", CUDA, precision)
    return {"2 s": lambda: list(model.render(material.units(2), material.faces(2)))}


STAGES = {"encoder": unit_encoder, "translator": translator, "vocoder": vocoder, "lips": renderer}


def reckoned(stage: str, folder: Path, precision: str) -> dict[str, tuple[int, int]]:
    """Return the bytes of the weights, and the most that each run holds beside them."""
    found = {}
    with pretended_device() as device:
        runs = STAGES[stage](folder, precision)
        weights = device.held
        for what, run in runs.items():
            device.peak = device.held
            run()
            found[what] = weights, device.peak - weights
    return found


if __name__ == "__main__":
    for number_format in ("float32", "float16"):
        for what, (weights, beside) in reckoned(sys.argv[1], Path(sys.argv[2]), number_format).items():
            print(f"{sys.argv[1]} {what}, {number_format}: {weights / 2**30:.2f} + {beside / 2**30:.2f} GiB", flush=True)
