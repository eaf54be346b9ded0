"""The description of a bundle: its bundle.json, with a checksum of every other file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle, PackedModel, packed_as, read_bundle
from avcore.checkpoints.stages import SUFFIX
from avcore.errors import CheckpointError
from avcore.files import require_file, write_text
from unit2av.lipsync.backend import TABLE_FILE
from unit2av.voice.named import FILE as VOICES_FILE

MOST_BYTES = 60 * 10**6
"""Most bytes of a bundle, all files together."""
EXTRAS = (TABLE_FILE, VOICES_FILE)
"""Files that a bundle may have: the table of a mouth, and voices by name."""
_MEGA, _CONFIG = 2**20, ".json"


def bundle_files(bundle: Bundle) -> tuple[str, ...]:
    """Return all files of a bundle but bundle.json: two of each model, the references, those of EXTRAS that it has, and those that
    bundle.json names."""
    stated = bundle.about.get("files") or {}
    models = dict.fromkeys((*bundle.models, *filter(None, map(model_of, stated))))
    files = [name for model in models for name in (model.file, str(Path(model.file).with_suffix(_CONFIG)))]
    return (*files, REFERENCES, *(name for name in EXTRAS if name in stated or (bundle.folder / name).is_file()))


def model_of(name: str) -> PackedModel | None:
    """Return the model of a bundle that a file name belongs to; None for other files."""
    path = Path(name)
    return packed_as(f"{path.stem}{SUFFIX}") if path.name == name and path.suffix in (SUFFIX, _CONFIG) else None


def file_facts(bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Return checksum and size of each file of a bundle. Raises InputError when one is missing."""
    folder, found = bundle.folder, {}
    for name in bundle_files(bundle):
        content = require_file(folder / name, "a file of the bundle").read_bytes()
        found[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return found


def write_about(folder: Path, about: Mapping[str, Any]) -> Bundle:
    """Write bundle.json with the checksums of the files as they are now."""
    content = {**about, "files": file_facts(Bundle(folder, {}))}
    write_text(folder / ABOUT, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return read_bundle(folder)


def note(folder: str | Path, **sections: Any) -> Bundle:
    """Add sections to bundle.json, or replace them: `note(folder, metrics={...})`."""
    # Checked first, because new checksums would hide a file that has changed.
    bundle = check_bundle(folder)
    return write_about(bundle.folder, {**bundle.about, **sections})


def check_bundle(folder: str | Path) -> Bundle:
    """Read a bundle and compare its files with the checksums. Raises InputError or CheckpointError naming what differs."""
    bundle = read_bundle(folder)
    stated, found = dict(bundle.about.get("files") or {}), file_facts(bundle)
    differing = [name for name in found if (stated.get(name) or {}).get("sha256") != found[name]["sha256"]]

    if differing:
        raise CheckpointError(
            "the bundle is not what it says it is",
            path=bundle.folder,
            found=f"other content in {', '.join(differing)}",
            hint="get it again, or pack it again",
        )
    return bundle


def total_bytes(bundle: Bundle) -> int:
    """Return the size of a bundle in bytes, its bundle.json included."""
    return sum((bundle.folder / name).stat().st_size for name in (*bundle_files(bundle), ABOUT))


def bundle_lines(bundle: Bundle) -> Iterator[str]:
    """Yield the description of a bundle, in lines for a person."""
    about, made = bundle.about, bundle.about.get("made") or {}
    yield f"{about['name']}: {about['domain']}"
    yield f"folder: {bundle.folder}, {total_bytes(bundle) / _MEGA:.1f} MiB"
    yield f"languages: {about.get('source', '?')} -> {about.get('target', '?')}, units of {about.get('vocabulary', '?')}"

    others = [model.part for model in bundle.models if model.stage.place == "optional"]
    if others:
        yield f"and more: {', '.join(others)}"

    facts = {name: made[name] for name in ("date", "commit", "seed") if name in made}
    if facts:
        yield "made: " + ", ".join(f"{name} {value}" for name, value in facts.items())

    seconds = {name: spent for name, spent in (made.get("seconds") or {}).items() if spent is not None}
    if seconds:
        steps = ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items())
        yield f"training: {sum(seconds.values()) / 60:.0f} minutes of a core ({steps})"

    for name, found in (about.get("out_of_domain") or {}).items():
        words = name.replace("_", " ")
        if "least" in found:
            more = {"at its weakest": found.get("weakest"), "for likeness to a known sentence": found.get("nearest")}
            stretches = "".join(f", {bound:.3f} {what}" for what, bound in more.items() if bound is not None)
            yield f"usual {words}: {found['least']:.3f} or more{stretches}"
        elif {"share", "samples"} <= found.keys():
            yield f"{words}: {found['share']:.1%} of {found['samples']} utterances"
