"""`netflips info [FILE]`: what a video, a sound, a checkpoint or a bundle of models says of itself."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from avcore.bundle import ABOUT, read_bundle
from avcore.checkpoint import read_checkpoint
from avcore.command import Parser, run
from avcore.files import require_file
from avcore.media import probe
from netflips.demo_bundle.describe import tell
from netflips.demo_bundle.paths import require_bundle

_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips info", description="Say what a video, a checkpoint or a bundle of models is.")
    parser.add_argument(
        "path", type=Path, nargs="?",
        help="a video, a sound file, a checkpoint, or a bundle's folder (default: the bundle that comes with NetfLips)",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    lines = _describe(options.path)
    sys.stdout.write("\n".join(lines) + "\n")


def _describe(path: Path | None) -> Iterator[str]:
    if path is None or path.is_dir() or path.name == ABOUT:
        return tell(require_bundle() if path is None else read_bundle(path if path.is_dir() else path.parent))
    require_file(path, "the file")
    return _describe_checkpoint(path) if path.suffix.lower() in _CHECKPOINT_SUFFIXES else _describe_media(path)


def _describe_media(path: Path) -> Iterator[str]:
    info = probe(path)
    if info.has_video:
        rate = "variable" if info.is_variable_rate else f"{float(info.frame_rate):.3f} fps"
        yield f"picture: {info.width}x{info.height}, {rate}, {info.num_frames} pictures, {float(info.duration_s):.3f} s"
    if info.has_audio:
        yield f"sound: {info.audio_rate} Hz, {info.audio_channels} channel(s)"
    yield f"comment: {info.comment or '(none)'}"


def _describe_checkpoint(path: Path) -> Iterator[str]:
    checkpoint = read_checkpoint(path, None)
    yield f"kind: {checkpoint.kind.value}"
    yield f"tensors: {len(checkpoint.tensors)}, {sum(tensor.numel() for tensor in checkpoint.tensors.values()):,} numbers"
    yield f"fingerprint: {checkpoint.fingerprint}"


if __name__ == "__main__":
    sys.exit(main())
