"""Memory of a GPU that the published sizes take, reckoned without one: `python -m benchmarks.device_memory --checkpoints DIR`.

Every model runs on a pretended device (`benchmarks.pretended_device`), which adds up the tensors that are there at once.
CUDA itself, the allocator's spare blocks, and what cuDNN works with come on top: about 0.5 to 1 GB.
"""

import argparse
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from avcore.errors import CheckpointError
from avcore.units import Units
from benchmarks import material
from benchmarks.pretended_device import CUDA, pretended_device
from benchmarks.rows import BEAM, KOX_LENGTHS
from benchmarks.tables import table
from workshop.random.random_checkpoints import RENDERER, TRANSLATOR, UNIT_ENCODER

_GIB = 2**30
Runs = dict[str, Callable[[], object]]


def unit_encoder(folder: Path, precision: str) -> Runs:
    """Return runs on speech and lips of 10 s and 30 s."""
    from av2unit.extractor import UnitExtractor

    extractor = UnitExtractor.from_checkpoint(folder / UNIT_ENCODER, CUDA, precision)

    def extract(seconds: float) -> None:
        extractor.extract(material.speech(seconds), material.lips(seconds))

    return {f"{seconds} s of speech and lips": partial(extract, seconds) for seconds in (10, 30)}


def translator(folder: Path, precision: str) -> Runs:
    """Return runs on sentences of Ko-X, one and eight at once."""
    from avcore.decoding.beam import SearchConfig
    from unit2unit.translator import UnitTranslator

    model = UnitTranslator.from_checkpoint(folder / TRANSLATOR, CUDA, precision)

    def translate(count: int, source: int, target: int) -> None:
        search = SearchConfig(beam=BEAM, max_len_b=target, min_len=target)
        with suppress(CheckpointError):  # made-up tokens never end
            model.translate_batch([Units(np.arange(source))] * count, "en", "es", search=search)

    runs: Runs = {}
    for share in (50, 95):
        source, target = KOX_LENGTHS[share]
        for count in (1, 8):
            name = f"{count} x {source} to {target} units, beam {BEAM}"
            runs[name] = partial(translate, count, source, target)
    return runs


def vocoder(folder: Path, precision: str) -> Runs:
    """Return a run on 10 s of speech."""
    from unit2av.voice.speech import UnitVocoder

    model = UnitVocoder.from_checkpoint(folder / RENDERER, device=CUDA, precision=precision, unit_offset=0)
    return {"10 s of speech": lambda: model.synthesize(material.units(10), material.voice(model.speaker_dim))}


def renderer(folder: Path, precision: str) -> Runs:
    """Return a run on 10 s of faces."""
    from unit2av.renderer import LipRenderer

    model = LipRenderer.from_checkpoint(folder / RENDERER, CUDA, precision)
    return {"10 s of faces": lambda: list(model.render(material.units(10), material.faces(10)))}


def measured(folder: Path, precisions: list[str]) -> str:
    """Return the table of all stages: weights and the most memory of each run, in GiB."""
    lines: dict[tuple[str, str], list[str]] = {}
    for precision in precisions:
        for stage in (unit_encoder, translator, vocoder, renderer):
            with pretended_device() as device:
                runs = stage(folder, precision)
                weights = device.held
                for what, run in runs.items():
                    device.peak = device.held
                    run()
                    cells = lines.setdefault((stage.__name__.replace("_", " "), what), [])
                    cells.append(f"{weights / _GIB:.2f} + {(device.peak - weights) / _GIB:.2f}")
    head = ("stage", "of", *(f"`{one}`: weights + most beside, GiB" for one in precisions))
    return table(head, [[*name, *cells] for name, cells in lines.items()])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device_memory", description=__doc__)
    parser.add_argument("--checkpoints", type=Path, required=True, help="random ones of published size")
    parser.add_argument("--precisions", nargs="+", default=["float32", "float16"])
    options = parser.parse_args()
    print(measured(options.checkpoints, options.precisions))


if __name__ == "__main__":
    main()
