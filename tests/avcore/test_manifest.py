"""Manifests and unit stores: what is written is read back, and what is wrong is named."""

from pathlib import Path

import pytest

from avcore.errors import InputError, UnitError
from avcore.units import Units
from avdata.manifest import Entry, packed_entries, read_manifest, write_manifest
from avdata.unit_store import UnitRow, iter_units, read_units, write_units

ENTRIES = [
    Entry("a", audio="x/a.flac", duration_s=1.5, language="ko", speaker="7", text="안녕", extra={"topic": "greeting"}),
    Entry("b", video="b.mp4", frames=75, samples=48000),
]


def test_a_manifest_survives_the_round_trip(tmp_path: Path) -> None:
    assert write_manifest(tmp_path / "m.jsonl", ENTRIES) == 2
    manifest = read_manifest(tmp_path / "m.jsonl")
    assert list(manifest.entries) == ENTRIES
    assert list(read_manifest(tmp_path / "m.jsonl", keep=packed_entries).entries) == ENTRIES
    assert manifest.path(ENTRIES[0], "audio") == tmp_path / "x/a.flac"
    assert manifest.path(ENTRIES[0], "video") is None
    assert read_manifest(tmp_path / "m.jsonl", "/data").path(ENTRIES[1], "video") == Path("/data/b.mp4")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2 is no JSON"),
        ("[1]", "line 2 is no JSON object"),
        ('{"audio": "a.wav"}', "line 2 .*no id"),
        ('{"id": "z", "duration_s": "long"}', "line 2 .*duration_s"),
        ('{"id": "z", "frames": 1.5}', "line 2 .*frames"),
        ('{"id": "z", "duration_s": -1}', "line 2 .*duration_s"),
        ('{"id": "z", "audio": "/a.wav"}', "line 2 .*absolute"),
        ('{"id": "a"}', "lines 1 and 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "m.jsonl").write_text('{"id": "a"}\n' + line + "\n")
    with pytest.raises(InputError, match=complaint):
        read_manifest(tmp_path / "m.jsonl")


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no entries"):
        read_manifest(tmp_path / "m.jsonl")


def test_units_survive_the_round_trip(tmp_path: Path) -> None:
    rows = [
        UnitRow("a", Units.from_frames([1, 1, 2], "ko", "sha256:1"), {"speaker_embedding": [0.5, 0.5]}),
        UnitRow("b", Units([4, 4]), {}),  # type: ignore[arg-type]
    ]
    assert write_units(tmp_path / "u.jsonl", rows) == 2
    found = list(iter_units(tmp_path / "u.jsonl"))
    assert [row.id for row in found] == ["a", "b"]
    assert [row.units for row in found] == [row.units for row in rows]
    assert found[0].extra == {"speaker_embedding": [0.5, 0.5]}


def test_a_folder_of_unit_files_is_frames_by_id(tmp_path: Path) -> None:
    (tmp_path / "ko").mkdir()
    (tmp_path / "ko" / "x.unit").write_text("5 5 6")
    (tmp_path / "y.txt").write_text("7\n")
    (tmp_path / "notes.md").write_text("not units")
    assert read_units(tmp_path) == {"ko/x": Units.from_frames([5, 5, 6]), "y": Units.from_frames([7])}


@pytest.mark.parametrize("line", ['{"id": "a"}', '{"id": "a", "units": ["x"]}', '{"id": "a", "units": [1], "durations": [1, 2]}'])
def test_a_wrong_row_of_units_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "u.jsonl").write_text(line + "\n")
    with pytest.raises(UnitError, match=r"u\.jsonl:1"):
        read_units(tmp_path / "u.jsonl")


def test_no_units_and_doubled_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no units"):
        read_units(tmp_path)
    (tmp_path / "u.jsonl").write_text('{"id": "a", "units": [1]}\n' * 2)
    with pytest.raises(InputError, match="twice"):
        read_units(tmp_path / "u.jsonl")
