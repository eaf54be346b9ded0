"""`netflips info [FILE]`: describe a video, a sound file, a checkpoint, an engine's folder or a bundle of models."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, read_bundle
from avcore.checkpoints.stages import Stage, named_model, stages
from avcore.errors import CheckpointError, pip_line
from avcore.files import Input, require_file
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.loading import loading
from avcore.notes import json_text, print_text, several, shown
from netflips.bundles.describe import bundle_lines
from netflips.model_paths import require_bundle
from netflips.recognizers.folders import MODEL_FILE

RECOGNIZER, TEXT_TRANSLATOR = "--recognizer", "--text-translator"
_FOREIGN = {
    "--wav2lip-path": ("unit2av.lipsync.patches", "load_wav2lip", "lip sync generator (Wav2Lip)"),
    "--syncnet": ("unit2av.face.syncnet", "load_syncnet", "SyncNet"),
}
"""Models that are no checkpoint of a stage, by the flag that takes them: the module and function that load one, and its kind."""
_SHOWN = {
    "languages": ("from", "to"),
    "models": ("part", "name", "fingerprint", "licence", "commercial"),
    "may_be_sold": (),
    "consent": ("who", "agreed_to", "until"),
    "operator": (),
    "notice": (),
}
"""What is shown of our own assertion in a manifest: its fields, and those of their entries."""
_MOST_LISTED, _MOST_LETTERS = 20, 300
"""Most entries shown of each field, and most letters of each word: a stranger may have written them."""
_STATE_DICTS = {
    "face_encoder.0.conv_block.0.weight": "sync expert of Wav2Lip's training",
    "binary_pred.0.weight": "discriminator of Wav2Lip's training",
    "audio_encoder.0.conv_block.0.weight": _FOREIGN["--wav2lip-path"][2],
    "netcnnlip.0.weight": _FOREIGN["--syncnet"][2],
}
"""Kinds of state dicts, by a tensor that each of them has."""
_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class InfoOptions(QuietOptions):
    """Describe a video, a checkpoint or a bundle of models."""

    path: Path | None = positional("PATH", default=None, type=Path)
    """a video, a sound file, a model file or its name in `netflips models`, or a bundle's folder (default: the bundle that comes
    with NetfLips)"""
    trust: Path | None = flag(default=None, file=Input("the certificates"), metavar="PEM")
    """certificates that are believed: whether a video was signed with one that rests on them"""
    json: bool = flag(default=False)
    """print JSON"""


def _work(options: InfoOptions) -> None:
    facts, lines = describe(options.path, options.trust)
    print_text(json_text(facts, indent=1) if options.json else "\n".join(map(shown, lines)))


def describe(path: Path | None, trust: Path | None) -> tuple[Mapping[str, Any], Iterator[str]]:
    """Return the description of a file: facts for machines, and lines for people."""
    if path is not None and path.parts == (path.name,) and not path.exists():
        path = named_model(path.name, "") or path
    if path is not None and _is_engine(path):
        facts = model_facts(path, flag_of(path))
        return facts, _checkpoint_lines(facts)
    if path is None or path.is_dir() or path.name == ABOUT:
        bundle = require_bundle() if path is None else read_bundle(path if path.is_dir() else path.parent)
        return {**bundle.about, "folder": str(bundle.folder)}, bundle_lines(bundle)
    require_file(path, "the file")
    facts = _checkpoint_facts(path) if path.suffix.lower() in _CHECKPOINT_SUFFIXES else _media_facts(path, trust)
    return facts, (_checkpoint_lines(facts) if "kind" in facts else _media_lines(facts))


def _is_engine(path: Path) -> bool:
    """Return whether a path is the folder of a recognizer or of a text translator."""
    with loading():
        from netflips.recognizers.opening import WHISPER, kind_of_recognizer

    return (path / MODEL_FILE).is_file() or (path.is_dir() and kind_of_recognizer(path) is not WHISPER)


def flag_of(path: Path) -> str:
    """Return the flag that takes a model: a folder of an engine, or a checkpoint. Raises InputError or CheckpointError for
    anything else."""
    with loading():
        from avcore.checkpoints.checkpoint import read_checkpoint
        from netflips.recognizers.folders import SEQUENCE_TO_SEQUENCE, spec_of
        from netflips.recognizers.opening import WHISPER, kind_of_recognizer

    if path.is_dir():
        is_other = kind_of_recognizer(path) is not WHISPER
        return RECOGNIZER if is_other or spec_of(path) != SEQUENCE_TO_SEQUENCE else TEXT_TRANSLATOR
    return read_checkpoint(path, None).stage.flag


def model_facts(path: Path, flag: str) -> dict[str, Any]:
    """Read a model as the flag that takes it would, and return its facts.

    Raises InputError or CheckpointError for a damaged model or one of another kind.
    """
    with loading():
        from netflips.cascade.translator import require_translator_folder
        from netflips.recognizers.folders import require_numbers
        from netflips.recognizers.opening import kind_of_recognizer
        from netflips.recognizers.outside import recognizer_fingerprint

    if flag in (RECOGNIZER, TEXT_TRANSLATOR):
        if flag == RECOGNIZER:
            recognizer = kind_of_recognizer(path)
            facts: dict[str, Any] = {"kind": f"speech recognizer ({recognizer.name})"}
            recognizer.require(path)
        else:
            tokens = require_translator_folder(path)[0]
            facts = {"kind": "text translator", "languages": list(tokens) if len(tokens) == 2 else sorted(tokens)}
        if (path / MODEL_FILE).is_file():
            require_numbers(path)
        facts["fingerprint"] = recognizer_fingerprint(path)
        return {name: value for name, value in facts.items() if value}
    if flag in _FOREIGN:
        module, load, kind = _FOREIGN[flag]
        getattr(import_module(module), load)(path)
        return {"kind": kind}
    return _checkpoint_facts(path, next((stage for stage in stages() if stage.flag == flag), None))


def _media_facts(path: Path, trust: Path | None) -> dict[str, Any]:
    with loading():
        from avcore.media import probe
        from netflips.provenance.manifest import read_provenance

    info = probe(path)
    facts: dict[str, Any] = {"comment": info.comment}
    if info.has_video:
        facts["video"] = {
            "width": info.width,
            "height": info.height,
            "frame_rate": float(info.frame_rate),
            "is_variable_rate": info.is_variable_rate,
            "frames": info.num_frames,
            **_extent(info.video_s),
        }
        facts["video_tracks"] = [asdict(track) for track in info.video_tracks]
    if info.has_audio:
        facts["sound"] = {"rate_hz": info.audio_rate, "channels": info.audio_channels, **_extent(info.sound_s)}
        facts["sound_tracks"] = [asdict(track) for track in info.tracks]

    facts["duration_s"] = float(info.duration_s)
    facts["provenance"] = asdict(read_provenance(path, trust))
    return facts


def _extent(span: tuple[Fraction, Fraction]) -> dict[str, float]:
    """Return when frames or sound begin on the file's clock, and how long they last (s)."""
    return {"start_s": float(span[0]), "duration_s": float(span[1] - span[0])}


def _media_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    if video := facts.get("video"):
        rate = "variable" if video["is_variable_rate"] else f"{video['frame_rate']:.3f} fps"
        size = f"{video['width']}x{video['height']}"
        yield f"video: {size}, {rate}, {several(video['frames'], 'frame')}, {_when(video)}"
        tracks = facts["video_tracks"]
        for track in tracks if len(tracks) > 1 else ():
            words = [track["language"], track["title"], track["codec"], f"{track['width']}x{track['height']}"]
            usual = ", default" if track["is_default"] else ""
            yield f"video track {track['number']}: {', '.join(filter(None, words))}{usual}"

    if sound := facts.get("sound"):
        tracks = facts["sound_tracks"]
        if len(tracks) == 1:
            yield f"sound: {sound['rate_hz']} Hz, {several(sound['channels'], 'channel')}, {_when(sound)}"
        for track in tracks if len(tracks) > 1 else ():
            words = [
                track["language"],
                track["title"],
                track["codec"],
                f"{track['rate']} Hz",
                several(track["channels"], "channel"),
            ]
            usual = ", default" if track["is_default"] else ""
            yield f"sound track {track['number']}: {', '.join(filter(None, words))}{usual}"

    yield f"comment: {facts['comment'] or '(none)'}"
    yield from _provenance_lines(facts["provenance"], facts["comment"])


def _provenance_lines(found: Mapping[str, Any], comment: str) -> Iterator[str]:
    """Yield who signed the manifest before what it states: anybody can write one, in any name."""
    unread = {
        "none": "no signed manifest",
        "unseen": "a file of this kind is not looked into",
        "unread": f"there is a manifest; to read it: {pip_line('provenance')}",
    }
    if found["state"] in unread:
        note = "; the comment is no proof, anybody can write or remove one" if comment else ""
        yield f"provenance: {unread[found['state']]}{note}"
        return

    if found["state"] == "broken":
        yield f"provenance: NOT AS IT WAS SIGNED, nothing in its manifest is to be believed ({', '.join(found['problems'])})"
        return

    why = "by certificates that you trust" if found["is_trusted"] else "by this machine's own key" if found["is_ours"] else ""
    claims, nobody = found["made"], "by nobody here; whoever made the key can write any name"
    yield f"provenance: signed, and unchanged since; {found['signer'] or '(no name)'}, issued by {found['issuer'] or '(no name)'}"
    yield f"  vouched for: {why or nobody}"
    yield f"  made with: {found['generator']}"
    yield f"  done: {', '.join(str(one.get('action', '')).removeprefix('c2pa.') for one in found['actions'][:_MOST_LISTED])}"

    for name, keys in _SHOWN.items():
        rows = claims.get(name)
        for row in rows[:_MOST_LISTED] if isinstance(rows, list) else [rows]:
            words = [row] if isinstance(row, str) else [row.get(key) for key in keys] if isinstance(row, dict) else []
            if any(words):
                yield f"  {name.replace('_', ' ')}: {', '.join(str(word)[:_MOST_LETTERS] for word in words if word)}"


def _when(extent: Mapping[str, Any]) -> str:
    return f"{extent['duration_s']:.3f} s" + (f" from {extent['start_s']:.3f} s on" if extent["start_s"] else "")


def _checkpoint_facts(path: Path, stage: Stage | None = None) -> dict[str, Any]:
    with loading():
        from avcore.checkpoints.checkpoint import read_checkpoint

    try:
        checkpoint = read_checkpoint(path, stage)
    except CheckpointError:
        if stage is None and (facts := _of_training(path)):
            return facts
        raise

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


def _of_training(path: Path) -> dict[str, Any]:
    """Return the facts of a training run's checkpoint, or of a file of Wav2Lip's training; none for any other file."""
    from avcore.checkpoints.checkpoint import read_state_dict
    from avcore.checkpoints.layouts import run_of
    from avcore.checkpoints.pickles import Format, load_pickled, sniff

    if (found := sniff(path)) is Format.SAFETENSORS:
        return {}
    payload = load_pickled(path, found)
    if run := run_of(payload):
        tensors = [one for part in payload["modules"].values() for one in part.values()]
        facts = {"kind": f"checkpoint of a run of {run['trainer']} ({run.get('kind')})", "updates": payload["position"]["step"]}
        return {**facts, "tensors": len(tensors), "numbers": sum(one.numel() for one in tensors), "units": run.get("vocabulary")}

    for needs, kind in _STATE_DICTS.items():
        with suppress(CheckpointError):
            stored = read_state_dict(path, kind, needs)
            numbers = sum(tensor.numel() for tensor in stored.tensors.values())
            return {"kind": kind, "tensors": len(stored.tensors), "numbers": numbers, "fingerprint": stored.fingerprint}
    return {}


def _checkpoint_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"kind: {facts['kind']}"
    if "languages" in facts:
        yield f"languages: {', '.join(facts['languages'])}"
    if "updates" in facts:
        updates = facts["updates"]
        yield f"updates: {', '.join(f'{name} {one}' for name, one in updates.items()) if isinstance(updates, dict) else updates}"
    if "tensors" in facts:
        yield f"tensors: {facts['tensors']}, {facts['numbers']:,} numbers"
    if facts.get("units"):
        yield f"units: {facts['units']}"
    if "fingerprint" in facts:
        yield f"fingerprint: {facts['fingerprint']}"


_COMMAND = Command(InfoOptions, "netflips info", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
