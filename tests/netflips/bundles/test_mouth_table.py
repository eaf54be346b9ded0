"""The table of a mouth in a bundle: it travels along, is checked, and makes the mesh the mouth that is taken."""

from pathlib import Path

import numpy as np
import pytest

from avcore.checkpoints.bundle import Bundle
from avcore.errors import CheckpointError, InputError, VocabularyError
from netflips.bundles.describe import check_bundle, note, total_bytes
from netflips.bundles.pack import pack_bundle
from netflips.options import ModelPaths
from tests.netflips.bundles.conftest import ABOUT
from unit2av.lipsync.backend import LipSyncChoice, settled
from unit2av.lipsync.mesh.table import TABLE_FILE, MouthTable
from unit2av.stage import RENDERER


def table(path: Path, vocabulary: str) -> Path:
    MouthTable(np.zeros((5, 1000, 3), np.float32), np.zeros(3, np.float32), np.eye(3, dtype=np.float32)[None], vocabulary).save(
        path
    )
    return path


def test_a_table_travels_in_a_bundle_and_is_checked(packed: Bundle, paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    models = paths.av2unit, paths.utut, paths.unit2av
    assert settled(LipSyncChoice(), packed.checkpoint(RENDERER)).name == "units"
    good = table(tmp_path / "mouth.npz", str(packed.about["vocabulary"]))
    bundle = pack_bundle(*models, references, ABOUT, tmp_path / "bundle", mouth_table=good)
    assert TABLE_FILE in bundle.about["files"]
    assert total_bytes(check_bundle(bundle.folder)) > total_bytes(packed)
    assert TABLE_FILE in note(bundle.folder, metrics={}).about["files"]
    renderer = bundle.checkpoint(RENDERER)
    assert settled(LipSyncChoice(), renderer).name == "mesh"
    assert settled(LipSyncChoice(is_hard=True), renderer).name == "units"  # the published paste is one of patches
    assert settled(LipSyncChoice("units"), renderer).name == "units"
    table(bundle.folder / TABLE_FILE, "sha256:0000000000000003")
    with pytest.raises(CheckpointError, match=r"other content in mouth\.npz"):
        check_bundle(bundle.folder)
    (bundle.folder / TABLE_FILE).unlink()
    with pytest.raises(InputError, match=r"mouth\.npz"):
        check_bundle(bundle.folder)
    with pytest.raises(VocabularyError):
        other = table(tmp_path / "other.npz", "sha256:0000000000000003")
        pack_bundle(*models, references, ABOUT, tmp_path / "again", mouth_table=other)
