"""Pictures decoded and encoded by an NVIDIA GPU (NVDEC and NVENC, through FFmpeg) for the length of a block.

Where the GPU cannot, the CPU does it, and one line says so. No GPU with a codec was at hand: tests hold what FFmpeg offers without
one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
from av.codec.hwaccel import HWAccel

from avcore.media.colour import USUAL

ENCODER = "h264_nvenc"
LOG = logging.getLogger("netflips.device")
_CUDA, _DOWNLOADED = "cuda", "nv12"
_NUMBERS: list[str | None] = [None]
"""Of the GPU that codes; the last one counts, None = the CPU does it."""


@contextmanager
def coding_on(device: str) -> Iterator[None]:
    """Decode and encode pictures on a device of torch's in this block; all but "cuda" and "cuda:N" mean the CPU."""
    kind, _, number = device.partition(":")
    _NUMBERS.append((number or "0") if kind == _CUDA else None)
    try:
        yield
    finally:
        _NUMBERS.pop()


def accelerator() -> HWAccel | None:
    """Return what `av.open` needs to decode on the GPU, None = the CPU decodes. It shares torch's own CUDA context."""
    number = _NUMBERS[-1]
    return None if number is None else HWAccel(_CUDA, number, allow_software_fallback=True, options={"primary_ctx": "1"})


def encodes(width: int, height: int) -> bool:
    """Return whether the GPU encodes pictures of this size, made even. Some have no encoder at all (A100, H100)."""
    number = _NUMBERS[-1]
    return number is not None and _opens(number, width + width % 2, height + height % 2)


@lru_cache(maxsize=64)
def _opens(number: str, width: int, height: int) -> bool:
    context = av.CodecContext.create(ENCODER, "w")
    context.width, context.height, context.pix_fmt = width, height, USUAL
    context.time_base, context.options = Fraction(1, 25), {"gpu": number}
    try:
        context.open()
    except av.error.FFmpegError as error:
        say_that_the_cpu_does("encoded", error.strerror)
        return False
    return True


def encoder_options(crf: float) -> dict[str, str]:
    """Return the encoder's settings: the quantizer that x264 uses on average at this quality, the same in all pictures.

    No picture refers to a later one, so that pieces can be joined (see `VideoJoiner`).
    """
    return {"preset": "p4", "rc": "constqp", "qp": f"{round(crf)}", "bf": "0", "gpu": _NUMBERS[-1] or "0"}


def as_stored(frame: Any, like: Any) -> Any:
    """Return a frame of a GPU's decoder as the CPU's would give it: planes apart, colours tagged as in the file's first frame.

    PyAV (17) copies pixels and times alone from the GPU. A frame that the CPU decoded, because the GPU cannot, stays as it is.
    """
    if frame.format.name != _DOWNLOADED:
        return frame
    stored = frame.reformat(format=USUAL, threads=1)
    stored.colorspace, stored.color_range = like.colorspace, like.color_range
    stored.color_trc, stored.color_primaries = like.color_trc, like.color_primaries
    return stored


@lru_cache(maxsize=64)
def say_that_the_cpu_does(what: str, why: str) -> None:
    """Say, once a process, that pictures are "decoded" or "encoded" on the CPU."""
    LOG.info("the GPU's video codec cannot be used (%s): pictures are %s on the CPU", why, what)
