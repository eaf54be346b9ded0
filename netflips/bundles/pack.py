"""Pack three trained checkpoints and their reference sentences as one bundle."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from av2unit.avhubert.labels import vocabulary_of
from avcore.checkpoints.bundle import ABOUT, CHECKPOINTS, FORMAT, REFERENCES, Bundle
from avcore.checkpoints.checkpoint import Checkpoint, Kind, read_checkpoint, write_checkpoint
from avcore.checkpoints.config import without_places
from avcore.errors import OutputError, UsageError
from avcore.files import private_folder, require_writable
from avcore.units.vocabulary import require_same_vocabulary
from avdata.unit_store import UnitRow, iter_units, write_units
from netflips.bundles.describe import FILES, MOST_BYTES, OPTIONAL, total_bytes, write_about
from netflips.convert import cast_weights
from unit2av.model import RendererCheckpoint
from unit2av.mouths.mesh.table import TABLE_FILE, MouthTable

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
    precision: torch.dtype | Mapping[Kind, torch.dtype | None] | None = torch.float16,
    mouth_table: str | Path | None = None,
) -> Bundle:
    """Write a bundle into `out_dir`, in place of one that is there, or nothing.

    encoder, translator, renderer: checkpoints, published layout or our own. references: units of every sentence, JSON
    lines with text and translation. about: `domain` (what it knows, in words), `made` (seed, configs, commit, seconds by
    step), and what else is to be told, as `metrics`. precision: number format of matrices and kernels, for all or by kind;
    None = as they are, int8 = rounded by rows (`avcore.checkpoints.eight_bits`). Vectors (biases, normalisation) stay as they
    are: they weigh little and are felt most. mouth_table: what the units make a mouth do, for `--mouth mesh`. Settings that are
    absolute paths of the machine that trained a model are left out. Raises VocabularyError for models of different units,
    UsageError, OutputError when the bundle weighs too much.
    """
    missing = [name for name in _NEEDED if name not in about] + [
        f"made.{name}" for name in _NEEDED_OF_MAKING if name not in about.get("made", {})
    ]
    if missing:
        raise UsageError("a bundle says where it came from", expected=", ".join(missing))
    sources = {
        kind: read_checkpoint(path, kind)
        for kind, path in ((Kind.UNIT_ENCODER, encoder), (Kind.TRANSLATOR, translator), (Kind.RENDERER, renderer))
    }
    rows = list(iter_units(references))
    vocabulary = _common_vocabulary(sources, rows, Path(references))
    table = None if mouth_table is None else MouthTable.load(mouth_table)
    if table is not None:
        require_same_vocabulary(vocabulary, table.vocabulary, str(mouth_table))
    out_dir = _require_bundle_folder(Path(out_dir))
    with private_folder(".bundle-", out_dir.parent) as temporary:
        folder = temporary / "bundle"
        folder.mkdir()
        for kind, source in sources.items():
            dtype = precision.get(kind) if isinstance(precision, Mapping) else precision
            eight_bits = dtype is torch.int8
            tensors = source.tensors
            if dtype is not None and not eight_bits:
                tensors = cast_weights(tensors, dtype, source.path, least_axes=2)
            # Said in words: a fingerprint over the encoder's heads would change with the number format.
            config = {**without_places(source.config), "vocabulary": vocabulary}
            write_checkpoint(folder / CHECKPOINTS[kind], kind, config, tensors, eight_bits)
        write_units(folder / REFERENCES, rows)
        if table is not None:
            table.save(folder / TABLE_FILE)
        made = {"date": date.today().isoformat(), **about["made"]}
        told = {
            "format": FORMAT,
            "name": NAME,
            "source": _SOURCE,
            "target": _TARGET,
            "vocabulary": vocabulary,
            **about,
            "made": made,
        }
        packed = write_about(folder, told)
        if total_bytes(packed) > MOST_BYTES:
            sizes = ", ".join(f"{name} {facts['bytes'] / _MEGA:.1f}" for name, facts in packed.about["files"].items())
            raise OutputError("the bundle weighs too much", path=out_dir, expected=f"{MOST_BYTES / _MEGA:.0f} MiB", found=sizes)
        if out_dir.exists():
            out_dir.rename(temporary / "before")
        folder.rename(out_dir)
    return Bundle(out_dir, packed.about)


def _common_vocabulary(sources: Mapping[Kind, Checkpoint], rows: Sequence[UnitRow], references: Path) -> str:
    """The quantizer that all models and references share. Raises VocabularyError for another, UsageError for no Korean."""
    vocabulary = vocabulary_of(sources[Kind.UNIT_ENCODER])
    renderer = RendererCheckpoint(sources[Kind.RENDERER])
    renderer.vocoder_tensors(_TARGET), renderer.face_tensors()
    stated: dict[object, Any] = {
        sources[Kind.TRANSLATOR].path: sources[Kind.TRANSLATOR].config.get("vocabulary"),
        f"{renderer.source.path} (speech)": renderer.vocoder_settings(_TARGET).get("vocabulary"),
        f"{renderer.source.path} (face)": renderer.face_settings.get("vocabulary"),
        **{f"{references}: {row.id}": row.units.vocabulary for row in rows},
    }
    for owner, name in stated.items():
        require_same_vocabulary(vocabulary, str(name or ""), str(owner))
    unknown = [str(owner) for owner, name in stated.items() if not name]
    if unknown:
        LOG.warning(
            "these do not say which quantizer their units are of: %s; it is taken to be %s", ", ".join(unknown[:4]), vocabulary
        )
    return vocabulary


def _require_bundle_folder(out_dir: Path) -> Path:
    """The folder to write, which is absent, empty, or a bundle already. Raises OutputError."""
    if not out_dir.is_dir():
        return require_writable(out_dir, "the bundle")
    require_writable(out_dir / ABOUT, "the bundle")
    foreign = sorted({path.name for path in out_dir.iterdir()} - {*FILES, *OPTIONAL, ABOUT})
    if foreign:
        raise OutputError("this folder holds other things than a bundle", path=out_dir, found=", ".join(foreign[:5]))
    return out_dir
