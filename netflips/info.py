"""`netflips info [FILE]`: what a video, a sound, a checkpoint or a bundle of models says of itself."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, read_bundle
from avcore.command import Parser, run
from avcore.files import require_file
from avcore.loading import loading
from avcore.plain_text import json_text, say, several, shown
from netflips.bundles.describe import bundle_lines
from netflips.bundles.paths import require_bundle

_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips info", description="Say what a video, a checkpoint or a bundle of models is.")
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        help="a video, a sound file, a checkpoint, or a bundle's folder (default: the bundle that comes with NetfLips)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    facts, lines = _describe(options.path)
    say(json_text(facts, indent=1) if options.json else "\n".join(map(shown, lines)))


def _describe(path: Path | None) -> tuple[Mapping[str, Any], Iterator[str]]:
    """What there is to say of a file, for machines and for people."""
    if path is None or path.is_dir() or path.name == ABOUT:
        bundle = require_bundle() if path is None else read_bundle(path if path.is_dir() else path.parent)
        return {**bundle.about, "folder": str(bundle.folder)}, bundle_lines(bundle)
    require_file(path, "the file")
    facts = _checkpoint_facts(path) if path.suffix.lower() in _CHECKPOINT_SUFFIXES else _media_facts(path)
    return facts, (_checkpoint_lines(facts) if "kind" in facts else _media_lines(facts))


def _media_facts(path: Path) -> dict[str, Any]:
    with loading():
        from avcore.media import probe

    info = probe(path)
    facts: dict[str, Any] = {"comment": info.comment}
    if info.has_video:
        facts["picture"] = {
            "width": info.width,
            "height": info.height,
            "frame_rate": float(info.frame_rate),
            "is_variable_rate": info.is_variable_rate,
            "pictures": info.num_frames,
            **_extent(info.picture_s),
        }
    if info.has_audio:
        facts["sound"] = {"rate_hz": info.audio_rate, "channels": info.audio_channels, **_extent(info.sound_s)}
        facts["sound_tracks"] = [asdict(track) for track in info.tracks]
    facts["duration_s"] = float(info.duration_s)
    return facts


def _extent(span: tuple[Fraction, Fraction]) -> dict[str, float]:
    """From when on the file's clock, and for how long, there are pictures or sound (s)."""
    return {"start_s": float(span[0]), "duration_s": float(span[1] - span[0])}


def _media_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    if picture := facts.get("picture"):
        rate = "variable" if picture["is_variable_rate"] else f"{picture['frame_rate']:.3f} fps"
        size = f"{picture['width']}x{picture['height']}"
        yield f"picture: {size}, {rate}, {several(picture['pictures'], 'picture')}, {_when(picture)}"
    if sound := facts.get("sound"):
        tracks = facts["sound_tracks"]
        if len(tracks) == 1:
            yield f"sound: {sound['rate_hz']} Hz, {several(sound['channels'], 'channel')}, {_when(sound)}"
        for track in tracks if len(tracks) > 1 else ():
            told = [track["language"], track["title"], track["codec"], f"{track['rate']} Hz", several(track["channels"], "channel")]
            usual = ", default" if track["is_default"] else ""
            yield f"sound track {track['number']}: {', '.join(filter(None, told))}{usual}"
    yield f"comment: {facts['comment'] or '(none)'}"


def _when(extent: Mapping[str, Any]) -> str:
    return f"{extent['duration_s']:.3f} s" + (f" from {extent['start_s']:.3f} s on" if extent["start_s"] else "")


def _checkpoint_facts(path: Path) -> dict[str, Any]:
    with loading():
        from avcore.checkpoints.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path, None)
    layout = checkpoint.stage.layout
    facts = {
        "kind": checkpoint.kind,
        "tensors": len(checkpoint.tensors),
        "numbers": sum(tensor.numel() for tensor in checkpoint.tensors.values()),
        "fingerprint": checkpoint.fingerprint,
        "units": checkpoint.config.get("vocabulary"),
        "languages": layout.languages(checkpoint),
        "updates": layout.updates(checkpoint),
    }
    return {name: value for name, value in facts.items() if value not in (None, [])}


def _checkpoint_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"kind: {facts['kind']}"
    if "languages" in facts:
        yield f"languages: {', '.join(facts['languages'])}"
    if "updates" in facts:
        updates = facts["updates"]
        yield f"updates: {', '.join(f'{name} {one}' for name, one in updates.items()) if isinstance(updates, dict) else updates}"
    yield f"tensors: {facts['tensors']}, {facts['numbers']:,} numbers"
    if "units" in facts:
        yield f"units: {facts['units']}"
    yield f"fingerprint: {facts['fingerprint']}"


if __name__ == "__main__":
    sys.exit(main())
