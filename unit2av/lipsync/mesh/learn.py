"""The work of `unit2av.train_mouth`: videos and their units to a table."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError, NetflipsError, UsageError, VocabularyError
from avcore.files import require_file
from avcore.plain_text import several
from avcore.progress import Progress, bars, track
from avcore.units import Units
from avdata.manifest import Entry, Manifest, read_manifest
from avdata.unit_store import read_units
from unit2av.lipsync.mesh.fit import Examples, learn_table
from unit2av.lipsync.mesh.sight import MeshFinder
from unit2av.lipsync.mesh.table import MouthTable, Parameters
from unit2av.lipsync.mesh.teacher import Measures, by_person, correlations, kept_measures


@dataclass(frozen=True)
class _Clip:
    """A clip that teaches: what was said, and what the mouth did."""

    units: Units
    parameters: Parameters


def learn_from_manifest(options: argparse.Namespace) -> None:
    """Learn a table as the options ask for, and say how good it is on clips that it did not learn from."""
    if options.hold_out < 0 or options.hold_out == 1:
        raise UsageError("--hold-out must be 0 (none) or 2 or more", found=options.hold_out)
    manifest, said = read_manifest(options.manifest, options.root), read_units(options.units)
    entries = [entry for entry in manifest.entries if entry.video and entry.id in said]
    if not entries:
        raise InputError("no clip has a video and units", path=options.manifest, expected="ids that are in both files")
    vocabulary, size = _vocabulary([said[entry.id] for entry in entries], options.num_units)
    with bars(options.quiet) as progress:
        clips = _watched(manifest, entries, said, options.cache, progress)
    held = clips[:: options.hold_out] if options.hold_out and len(clips) > options.hold_out else []
    examples = Examples(size)
    for clip in clips:
        if not any(clip is other for other in held):
            examples.add(clip.units.frames(), clip.parameters)
    table = learn_table(examples, vocabulary)
    table.save(options.out_path)
    LOG.info(
        "%s: %d units, from %d pictures of %s", options.out_path, size, examples.num_pictures, several(len(examples.frames), "clip")
    )
    if held:
        _tell(table, held)


def _tell(table: MouthTable, held: list[_Clip]) -> None:
    opening, width, press = correlations((table.parameters(clip.units), clip.parameters) for clip in held)
    clips = several(len(held), "clip")
    LOG.info("on %s held out, r of opening %.2f, of width %.2f, of pressed lips %.2f", clips, opening, width, press)


def _vocabulary(said: list[Units], num_units: int | None) -> tuple[str, int]:
    """Return the fingerprint that all units have, and how many there are of them."""
    vocabularies = sorted({units.vocabulary for units in said})
    if len(vocabularies) > 1:
        raise VocabularyError("the units are of several quantizers", expected="those of one", found=", ".join(vocabularies))
    largest = max((int(units.ids.max()) for units in said if len(units)), default=-1)
    size = largest + 1 if num_units is None else num_units
    if size <= largest:
        raise UsageError("--num-units is smaller than the units", expected=f"{largest + 1} or more", found=size)
    return vocabularies[0], size


def _watched(
    manifest: Manifest, entries: list[Entry], said: dict[str, Units], cache: Path | None, progress: Progress
) -> list[_Clip]:
    """Watch all clips; those that cannot be used are named and left out. Raises InputError when none is left."""
    seen = dict[str, Measures]()
    with MeshFinder() as finder:
        for entry in track(entries, "mouths", progress, len(entries)):
            video, boxes = manifest.path(entry, "video"), manifest.path(entry, "boxes")
            if video is None:
                continue
            try:
                seen[entry.id] = kept_measures(cache, require_file(video, "the video"), boxes, finder)
            except NetflipsError as error:
                LOG.warning("%s: left out: %s", entry.id, error)
    if not seen:
        raise InputError("no clip could be used", expected="videos of people who talk")
    parameters = by_person(seen, {entry.id: entry.speaker or entry.id for entry in entries if entry.id in seen})
    return [_Clip(said[name], rows) for name, rows in parameters.items()]
