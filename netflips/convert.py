"""Convert published checkpoints to our own format: safetensors and a readable JSON configuration.

Optimizer state stays behind (a published translator is three times its model), a table that is stored under several
names is written once, and a vocoder fresh from training can be put into a renderer.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from av2unit.avhubert.labels import vocabulary_of
from avcore.checkpoint import Checkpoint, Kind, read_checkpoint, read_vocoder, write_checkpoint
from avcore.checkpoint_layouts import is_same
from avcore.command import run
from avcore.eight_bits import from_eight_bits, to_eight_bits
from avcore.errors import CheckpointError, UsageError
from avcore.vocabulary import normalise_language
from unit2av.model import with_vocoder

LOG = logging.getLogger("netflips.convert")

_SUFFIX = ".safetensors"
_KINDS = {kind.name.lower().replace("_", "-"): kind for kind in Kind}
DTYPES = {
    "keep": None, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8
}  # fmt: skip


def convert_checkpoint(
    in_path: str | Path,
    out_path: str | Path,
    kind: Kind | None = None,
    dtype: torch.dtype | None = None,
    vocoders: Mapping[str, str | Path] | None = None,
) -> Checkpoint:
    """Write a published or own checkpoint as `out_path` (.safetensors) and the .json beside it, and return what was written.

    kind: what the input must be; None takes any. dtype: the number format of all weights; None keeps each as it is, int8 is for
    matrices and kernels alone (`avcore.eight_bits`).
    vocoders: by language, vocoder training checkpoints (g_XXXXXXXX) to put into a renderer, in place of one that is
    there. What was written is read back and compared bit for bit. Raises CheckpointError, InputError, OutputError, or
    UsageError when the paths do not fit.
    """
    in_path, out_path = Path(in_path), Path(out_path)
    if out_path.suffix != _SUFFIX:
        raise UsageError(f"the output's name must end in {_SUFFIX}", found=out_path.name)
    if out_path.exists() and in_path.exists() and out_path.samefile(in_path):
        raise UsageError("input and output are the same file", found=out_path, hint="give another name")
    source = read_checkpoint(in_path, Kind.RENDERER if vocoders else kind)
    tensors, config = dict(source.tensors), source.config
    for language, path in (vocoders or {}).items():
        tensors = with_vocoder(tensors, language, read_vocoder(path))
        config = _without_settings(config, normalise_language(language))
    if dtype is not None and source.kind is Kind.UNIT_ENCODER:
        # Where it is not recorded, it is computed from the heads, which are about to be rounded.
        config = {**config, "vocabulary": vocabulary_of(source)}
    eight_bits = dtype is torch.int8
    if dtype is not None and not eight_bits:
        tensors = cast_weights(tensors, dtype, source.path)
    path = write_checkpoint(out_path, source.kind, config, tensors, eight_bits)
    written = read_checkpoint(path, source.kind)
    _compare(from_eight_bits(to_eight_bits(tensors)) if eight_bits else tensors, written)
    return written


def build_parser() -> argparse.ArgumentParser:
    """The command line of `netflips convert` and scripts/convert_checkpoint.py."""
    parser = argparse.ArgumentParser(
        prog="netflips convert", description="Convert a published checkpoint to safetensors and a readable JSON configuration."
    )
    parser.add_argument("--in-path", required=True, type=Path, help="published .pt file, or our own .safetensors")
    parser.add_argument("--out-path", required=True, type=Path, help="x.safetensors; x.json is written beside it")
    parser.add_argument("--kind", default="auto", choices=["auto", *_KINDS], help="what the input must be (default: auto)")
    parser.add_argument("--dtype", default="keep", choices=list(DTYPES), help="number format of the weights (default: keep)")
    parser.add_argument(
        "--add-vocoder",
        action="append",
        default=[],
        metavar="LANGUAGE=PATH",
        help="put a vocoder training checkpoint (g_XXXXXXXX) into a renderer, such as ko=g_00500000; may be repeated",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _convert, argv)


def _convert(options: argparse.Namespace) -> None:
    vocoders = dict(_parse_vocoder(text) for text in options.add_vocoder)
    kind = None if options.kind == "auto" else _KINDS[options.kind]
    written = convert_checkpoint(options.in_path, options.out_path, kind, DTYPES[options.dtype], vocoders)
    before, after = (path.stat().st_size / 1e6 for path in (options.in_path, written.path))
    LOG.info(
        "%s: %s, %d tensors, %.1f MB (was %.1f MB), %s",
        written.path, written.kind.value, len(written.tensors), after, before, written.fingerprint,
    )  # fmt: skip


def _parse_vocoder(text: str) -> tuple[str, Path]:
    language, _, path = text.partition("=")
    if not language or not path:
        raise UsageError("--add-vocoder takes LANGUAGE=PATH", found=text)
    return language, Path(path)


def _without_settings(config: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A renderer's configuration without what was said of the vocoder that is being replaced."""
    by_language = {"vocoders", "unit_offsets"} & config.keys()
    return {**config, **{name: {key: value for key, value in config[name].items() if key != language} for name in by_language}}


def cast_weights(tensors: Mapping[str, Tensor], dtype: torch.dtype, path: Path, least_axes: int = 0) -> dict[str, Tensor]:
    """Floating-point tensors of `least_axes` axes or more in another format; the others, and counters, stay as they are.

    Raises CheckpointError naming the file when a value is too large for the format.
    """
    casts: dict[int, Tensor] = {}
    result = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.dim() < least_axes:
            result[name] = tensor
            continue
        # One tensor under several names stays one.
        cast = casts.setdefault(id(tensor), tensor.to(dtype))
        if bool((cast.isinf() & ~tensor.isinf()).any()):
            raise CheckpointError(f"{name} is too large for {dtype}", path=path, hint="use --dtype bfloat16 or keep")
        result[name] = cast
    return result


def _compare(tensors: Mapping[str, Tensor], written: Checkpoint) -> None:
    differing = [name for name in tensors.keys() | written.tensors.keys() if not _is_kept(name, tensors, written.tensors)]
    if differing:
        raise CheckpointError(
            "what was written does not read back the same", path=written.path, found=", ".join(sorted(differing)[:8])
        )


def _is_kept(name: str, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return name in before and name in after and is_same(before[name], after[name])


if __name__ == "__main__":
    sys.exit(main())
