"""What models do on a GPU, without one: kernels and weights of device "cuda:0" are pretended (PyTorch's FakeTensorMode).

What stays on the CPU is computed. Values that come back from the device are made up, so nothing here is about numbers. Not seen:
kernels themselves, autograd, and what a library does behind one operator (an LSTM is taken apart into products).
"""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from av2unit.extractor import UnitExtractor
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError
from avcore.timeline import frames_to_seconds
from avcore.units import Units
from netflips.stages import SHIPPED
from text2unit.speller import TextSpeller
from unit2av.lipsync.wav2lip.mel import mel_of
from unit2av.lipsync.wav2lip.mouth import SoundMouth
from unit2av.renderer import LipRenderer
from unit2av.speaker import SpeakerEncoder
from unit2av.voice.excitation import _matrices
from unit2av.voice.speech import UnitVocoder
from unit2text.reader import LipUnits, UnitReader
from unit2text.search import ReadOptions
from unit2unit.translator import UnitTranslator

PARITY = Path(__file__).parents[1] / "parity"
CUDA = "cuda:0"
aten = torch.ops.aten
COMPOSITE = {aten.to, aten.item, aten.is_nonzero, aten.type_as, aten.lstm}
"""What inference mode leaves whole although it is made of other operators, among them those that wait."""
DATA_SIZED = {aten.nonzero, aten.masked_select, aten.unique_consecutive, aten._unique2}
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.convolution, aten.linear, aten.conv1d, aten.conv2d, aten.conv_transpose2d}
FACE = np.zeros((96, 96, 3), np.uint8)


def made_up(like: Tensor) -> Tensor:
    """Values in place of those of the device: falling numbers, rising whole ones, true."""
    if like.dtype == torch.bool:
        return torch.ones(like.shape, dtype=torch.bool)
    rising = torch.arange(like.numel(), dtype=torch.float64).reshape(like.shape)
    return (-rising / max(like.numel(), 1) if like.is_floating_point() else rising).to(like.dtype)


class PretendedDevice(TorchDispatchMode):
    """Pretends operators on `CUDA`, and counts what waits for it: copies in either direction, scalars, sizes that data decide."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__()
        self._fake = fake
        self.waits: Counter[str] = Counter()
        self.products: Counter[torch.dtype] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        pretended = [leaf for leaf in leaves if isinstance(leaf, FakeTensor)]
        is_upload = not pretended and any(isinstance(leaf, torch.device) and leaf.type == "cuda" for leaf in leaves)
        if not pretended and not is_upload:
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        assert func.namespace in ("aten", "prim"), f"{func} of a CPU on the device's path"
        if func.overloadpacket in COMPOSITE:
            with self:
                return func.decompose(*args, **kwargs)
        given = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, FakeTensor) and leaf.dim()]
        if func is aten._local_scalar_dense.default:
            self._wait("scalar")
            return True if args[0].dtype == torch.bool else 3 if not args[0].is_floating_point() else 0.5
        if func is aten._to_copy.default and pretended and torch.device(kwargs.get("device") or CUDA).type == "cpu":
            self._wait("download")
            with unset_fake_temporarily():
                return made_up(args[0]).to(kwargs.get("dtype") or args[0].dtype)
        if given:
            self._wait("upload")
        is_masked = func is aten.index.Tensor and any(one is not None and one.dtype == torch.bool for one in args[1])
        if is_masked or func.overloadpacket in DATA_SIZED:
            self._wait("size")
        with self._fake:
            args, kwargs = tree_map(_as_pretended, (args, kwargs))
        made = func(*args, **kwargs)
        if func.overloadpacket in PRODUCTS:
            self.products[made.dtype] += 1
        return made

    def _wait(self, kind: str) -> None:
        ours = [
            frame for frame in traceback.extract_stack() if ".venv" not in frame.filename and "test_device" not in frame.filename
        ]
        place = next((one for one in reversed(ours) if "site-packages" not in one.filename), None)
        self.waits[f"{kind}: {place and f'{place.filename}:{place.lineno} {place.line}'}"] += 1


def _as_pretended(leaf: Any) -> Any:
    """A tensor of the CPU as the pretended kernels take it: without content, still of the CPU."""
    if not isinstance(leaf, Tensor) or isinstance(leaf, FakeTensor):
        return leaf
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="cpu")


def _apply(module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`nn.Module._apply` without exchanging content in place, which pretended tensors do not take; what is tied stays tied."""
    changed: dict[int, tuple[Tensor, Tensor]] = {}
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, old in held.items():
                if old is not None:
                    if id(old) not in changed:
                        new = change(old)
                        changed[id(old)] = old, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
                    held[name] = changed[id(old)][1]
        if isinstance(part, nn.RNNBase):
            part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
    return module


@contextmanager
def pretended_device() -> Iterator[PretendedDevice]:
    def load(*args: Any, real: Callable[..., Any] = torch.load, **kwargs: Any) -> Any:
        with unset_fake_temporarily():
            return real(*args, **kwargs)

    _matrices.cache_clear()  # it is kept by device
    with (
        torch.no_grad(),
        FakeTensorMode() as fake,
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.backends.cudnn.is_acceptable", return_value=False),
        mock.patch("torch._subclasses.fake_tensor.init_gpu_context"),
        mock.patch("torch.load", load),
        mock.patch.object(nn.Module, "_apply", _apply),
        PretendedDevice(fake) as device,
    ):
        try:
            yield device
        finally:
            _matrices.cache_clear()


def sound(steps: int) -> np.ndarray:
    return np.random.default_rng(steps).standard_normal(640 * steps).astype(np.float32) / 10


def lips(steps: int) -> np.ndarray:
    return np.zeros((steps, 96, 96), np.uint8)


def unit_encoder(precision: str) -> dict[str, Callable[[int], Any]]:
    extractor = UnitExtractor.from_checkpoint(PARITY / "mavhubert.pt", CUDA, precision)
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


def text_reader(name: str, precision: str) -> dict[str, Callable[[int], Any]]:
    reader = UnitReader.from_checkpoint(PARITY / "unit2text" / f"{name}.pt", CUDA, precision)
    said = lips if reader.takes == "lips" else lambda size: LipUnits(np.arange(size), np.arange(size))
    search = SearchConfig(beam=4, max_len_a=1, max_len_b=0)
    read = {
        weight: partial(reader.read, language=reader.languages[0], options=ReadOptions(search, weight)) for weight in (0.0, 1.0)
    }
    return {"decoder": lambda size: read[0.0](said(size)), "ctc": lambda size: read[1.0](said(size))}


def joint_reader(precision: str) -> dict[str, Callable[[int], Any]]:
    reader = UnitReader.from_checkpoint(SHIPPED / "text_reader.safetensors", CUDA, precision)
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
    mouth, mel = SoundMouth.from_checkpoint(PARITY / "wav2lip_tiny.pth", CUDA, precision), mel_of(sound(50))
    return {"draw": lambda size: mouth._faces(mel, [FACE] * size, [frames_to_seconds(one) for one in range(size)])}


def speaker(precision: str) -> dict[str, Callable[[int], Any]]:
    encoder = SpeakerEncoder.from_checkpoint(PARITY / "unit2av_spk_encoder.pt", CUDA)
    return {"embed": lambda size: encoder.embed(sound(size))}


def speller(precision: str) -> dict[str, Callable[[int], Any]]:
    model = TextSpeller.from_checkpoint(SHIPPED / "speller.ko.safetensors", CUDA, precision)
    return {"spell": lambda size: list(model.spell(("가" * size,)))}


@dataclass(frozen=True)
class Row:
    """A model on the device. most: waits of one utterance of so many steps."""

    make: Callable[[str], dict[str, Callable[[int], Any]]]
    most: Callable[[int], float]
    sizes: tuple[int, int] = (6, 20)
    is_float32: bool = False


def of_search(size: int) -> float:
    """What goes in and comes out, the table of positions as it doubles, and three looks in 16 steps: at two arrays, and at room."""
    return 17 + 3 * (size / 16)


ROWS: dict[str, Row] = {
    "unit encoder": Row(unit_encoder, lambda _: 7, (8, 30)),
    "translator": Row(translator, of_search, (4, 40)),
    "text reader, lips": Row(partial(text_reader, "finetuned"), of_search, (4, 20)),
    "text reader, units": Row(partial(text_reader, "unit_pretrained"), of_search, (4, 20)),
    # CTC's half of the joint search is numpy's: the decoder's scores of each step come back, and the next letters go in.
    "text reader, joint": Row(joint_reader, lambda size: 9 + 3 * (size + 1)),
    "voice": Row(partial(voice, PARITY / "unit2av_renderer.pt"), lambda _: 2),
    "harmonic voice": Row(partial(voice, SHIPPED / "renderer.safetensors"), lambda _: 8, is_float32=True),
    "lips of units": Row(unit_lips, lambda _: 4),
    "lips of sound": Row(sound_lips, lambda _: 3, (2, 8)),
    "speaker": Row(speaker, lambda _: 2, (25, 30), is_float32=True),
    "speller": Row(speller, lambda _: 4),
}


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ROWS)
def test_nothing_waits_within_a_loop(name: str, precision: str) -> None:
    row = ROWS[name]
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
