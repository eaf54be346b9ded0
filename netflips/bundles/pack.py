"""Pack trained checkpoints and their reference sentences as one bundle."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from avcore.checkpoints.bundle import ABOUT, FORMAT, REFERENCES, Bundle, PackedModel, needed_stages, packed_part
from avcore.checkpoints.checkpoint import cast_weights, read_checkpoint, write_checkpoint
from avcore.checkpoints.layouts import without_places
from avcore.checkpoints.stages import Checkpoint, Stage, stages
from avcore.data.unit_store import UnitRow, iter_units, write_units
from avcore.errors import OutputError, UsageError
from avcore.files import private_folder, require_writable
from avcore.units import require_same_vocabulary
from netflips.bundles.describe import EXTRAS, MOST_BYTES, model_of, total_bytes, write_about
from unit2av.lipsync.backend import TABLE_FILE
from unit2av.lipsync.mesh.table import MouthTable
from unit2av.voice.named import FILE as VOICES_FILE
from unit2av.voice.named import read_named_voices, write_named_voices

LOG = logging.getLogger("netflips")

NAME = "the demo bundle"
_NEEDED = ("domain", "made")
_NEEDED_OF_MAKING = ("seed", "configs", "commit", "seconds")
_SOURCE, _TARGET = "en", "ko"
_MEGA = 2**20


def pack_bundle(
    encoder: str | Path,
    translator: str | Path,
    renderer: str | Path,
    references: str | Path,
    about: Mapping[str, Any],
    out_dir: str | Path,
    precision: torch.dtype | Mapping[Stage, torch.dtype | None] | None = torch.float16,
    others: Mapping[str, str | Path] | None = None,
    mouth_table: str | Path | None = None,
    voices: str | Path | None = None,
) -> Bundle:
    """Write a bundle into `out_dir`; it replaces one that is there. If it cannot be finished, nothing is written.

    encoder, translator, renderer: checkpoints, in the published layout or our own. references: units of every sentence, JSON lines
    with text and translation. about: `domain` (what it knows, in words), `made` (seed, configs, commit, seconds by step), and
    whatever else it records, as `metrics`. precision: number format of matrices and kernels, for all or by stage; None = as they
    are, int8 = rounded by rows (`to_eight_bits`). Vectors (biases, normalisation) keep their format: they take little space, and
    rounding them would cost most. Settings that are absolute paths of the machine that trained a model are left out. others:
    checkpoints of stages that not every dub needs, by their names in a bundle, as `unit-to-text` or `text-to-unit.ko`.
    mouth_table: what the units make a mouth do, for `--lips mesh`. voices: voices
    by name. Raises VocabularyError for models of different units, UsageError, OutputError when the bundle is too large.
    """
    missing = [name for name in _NEEDED if name not in about] + [
        f"made.{name}" for name in _NEEDED_OF_MAKING if name not in about.get("made", {})
    ]
    if missing:
        raise UsageError("a bundle says where it came from", expected=", ".join(missing))

    given = dict(zip(map(PackedModel, needed_stages()), (encoder, translator, renderer), strict=True)) | _named(others or {})
    sources = {place: read_checkpoint(path, place.stage) for place, path in given.items()}
    rows = list(iter_units(references))
    vocabulary = _common_vocabulary(sources, rows, Path(references))

    table = None if mouth_table is None else MouthTable.load(mouth_table)
    if table is not None:
        require_same_vocabulary(vocabulary, table.vocabulary, str(mouth_table))
    named = None if voices is None else read_named_voices(voices)

    out_dir = _require_bundle_folder(Path(out_dir))
    with private_folder(".bundle-", out_dir.parent) as temporary:
        folder = temporary / "bundle"
        folder.mkdir()
        for place, source in sources.items():
            dtype = precision.get(place.stage) if isinstance(precision, Mapping) else precision
            eight_bits = dtype is torch.int8
            tensors = source.tensors
            if dtype is not None and not eight_bits:
                tensors = cast_weights(tensors, dtype, source.path, least_axes=2)
            # Stated in the config: a fingerprint over the encoder's heads would change with the number format.
            takes_units = bool(_vocabularies(place, source))
            config = without_places(source.config) | ({"vocabulary": vocabulary} if takes_units else {})
            write_checkpoint(folder / place.file, place.stage, config, tensors, eight_bits)

        write_units(folder / REFERENCES, rows)
        if table is not None:
            table.save(folder / TABLE_FILE)
        if named is not None:
            write_named_voices(folder / VOICES_FILE, named)

        made = {"date": date.today().isoformat(), **about["made"]}
        whole = {
            "format": FORMAT,
            "name": NAME,
            "source": _SOURCE,
            "target": _TARGET,
            "vocabulary": vocabulary,
            **about,
            "made": made,
        }

        packed = write_about(folder, whole)
        if total_bytes(packed) > MOST_BYTES:
            sizes = ", ".join(f"{name} {facts['bytes'] / _MEGA:.1f}" for name, facts in packed.about["files"].items())
            raise OutputError("the bundle weighs too much", path=out_dir, expected=f"{MOST_BYTES / _MEGA:.0f} MiB", found=sizes)

        # The old bundle goes away with the temporary folder; at no time does the place hold a mixture of both.
        if out_dir.exists():
            out_dir.rename(temporary / "before")
        folder.rename(out_dir)
    return Bundle(out_dir, packed.about)


def _named(others: Mapping[str, str | Path]) -> dict[PackedModel, str | Path]:
    """Return models by their place in a bundle. Raises UsageError for a name that no stage has."""
    places = {part: packed_part(part) for part in others}
    unknown = [part for part, place in places.items() if place is None or place.stage.place != "optional"]
    if unknown:
        known = ", ".join(stage.part for stage in stages() if stage.place == "optional")
        raise UsageError("a bundle has no place for this model", expected=known or "none beside the three", found=unknown[0])
    return {place: others[part] for part, place in places.items() if place is not None}


def _vocabularies(place: PackedModel, source: Checkpoint) -> dict[str, str]:
    """Return the quantizers that a model states, by the part of the model that has them."""
    stated = source.stage.layout.vocabularies(source, place.language or _TARGET)
    return {f"{source.path} ({part})" if part else str(source.path): name for part, name in stated.items()}


def _common_vocabulary(sources: Mapping[PackedModel, Checkpoint], rows: Sequence[UnitRow], references: Path) -> str:
    """Return the quantizer that all models and references share: the encoder's.

    Raises VocabularyError where one has another, and what its layout raises for a renderer without a Korean voice or a face.
    """
    stated = {owner: name for place, source in sources.items() for owner, name in _vocabularies(place, source).items()}
    stated |= {f"{references}: {row.id}": row.units.vocabulary for row in rows}

    vocabulary = next(iter(stated.values()))
    for owner, name in stated.items():
        require_same_vocabulary(vocabulary, name, owner)

    unknown = [owner for owner, name in stated.items() if not name]
    if unknown:
        LOG.warning(
            "these do not say which quantizer their units are of: %s; it is taken to be %s", ", ".join(unknown[:4]), vocabulary
        )
    return vocabulary


def _require_bundle_folder(out_dir: Path) -> Path:
    """Return the output folder; it must be absent, empty, or a bundle. Raises OutputError for any other."""
    if not out_dir.is_dir():
        return require_writable(out_dir, "the bundle")
    require_writable(out_dir / ABOUT, "the bundle")

    names = {path.name for path in out_dir.iterdir()} - {REFERENCES, ABOUT, *EXTRAS}
    foreign = sorted(name for name in names if model_of(name) is None)
    if foreign:
        raise OutputError("this folder holds other things than a bundle", path=out_dir, found=", ".join(foreign[:5]))
    return out_dir
