"""Manifests and unit stores: what is written is read back, what is wrong is named, and other forms there and back."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import InputError, UnitError
from avcore.media import write_lip_video, write_speech
from avcore.units import Units, write_unit_file
from avdata.manifest import Entry, packed_entries, read_manifest, write_manifest
from avdata.manifest_command import main
from avdata.published.conversions import read_tsv
from avdata.unit_store import UnitRow, iter_units, read_units, write_units
from tests.avcore.made_speech import babble

FRAMES = {"a": [5, 5, 7, 7, 7, 7, 1, 1, 0, 0, 3, 3], "가/b": [9] * 12, "c": [2, 4] * 6}
"""Units of 0.24 s."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three clips with sound and lips, and their units; one has a voice."""
    folder = tmp_path / "corpus"
    rng = np.random.default_rng(0)
    entries = []
    for name in FRAMES:
        write_speech(folder / "audio" / f"{name}.wav", babble(0.24))
        write_lip_video(folder / "lips" / f"{name}.mp4", rng.integers(0, 255, (6, 96, 96), np.uint8))
        split = {"split": "valid" if name == "c" else "train"}
        entries.append(
            Entry(name, f"audio/{name}.wav", lips=f"lips/{name}.mp4", duration_s=0.24, frames=6, samples=3840, extra=split)
        )
    write_manifest(folder / "manifest.jsonl", entries)
    voice = {"speaker_embedding": [0.6, 0.8]}
    rows = [UnitRow(name, Units.from_frames(ids, "ko", "sha256:ab"), voice if name == "a" else {}) for name, ids in FRAMES.items()]
    write_units(folder / "ko.jsonl", rows)
    write_units(folder / "en.jsonl", [UnitRow(name, Units.from_frames([1, 1, 2], "en"), {}) for name in ("a", "c", "only en")])
    return folder


def _frames(path: Path) -> dict[str, list[int]]:
    return {name: units.frames().tolist() for name, units in read_units(path).items()}


@pytest.mark.parametrize("labels", [["km"], ["km0", "km1"]])
def test_avhubert_tables_are_read(corpus: Path, tmp_path: Path, labels: list[str]) -> None:
    """Of two label files the first has the units at even places and the second those at odd ones."""
    folder, back = tmp_path / "tsv", tmp_path / "back"
    folder.mkdir()
    rows = (f"{name}\tlips/{name}.mp4\t{corpus}/audio/{name}.wav\t6\t3840\n" for name in FRAMES)
    (folder / "train.tsv").write_text(f"{corpus}\n" + "".join(rows), encoding="utf-8")
    paths = [str(folder / f"train.{label}") for label in labels]
    for place, path in enumerate(paths):
        Path(path).write_text("".join(" ".join(map(str, ids[place :: len(labels)])) + "\n" for ids in FRAMES.values()))
    units = ["--labels", *paths, "--units-out", str(back / "units.jsonl"), "--language", "ko", "--units-vocabulary", "sha256:ab"]
    assert main(["from-tsv", str(folder / "train.tsv"), "-o", str(back / "manifest.jsonl"), *units]) == 0
    manifest = read_manifest(back / "manifest.jsonl")
    assert [(entry.id, entry.frames, entry.samples, entry.language) for entry in manifest.entries] == [
        (name, 6, 3840, "ko") for name in FRAMES
    ]
    assert all((manifest.path(entry, what) or Path("/none")).is_file() for entry in manifest.entries for what in ("audio", "lips"))
    assert _frames(back / "units.jsonl") == FRAMES
    assert read_units(back / "units.jsonl")["a"].vocabulary == "sha256:ab"


def test_pair_folders_are_read(tmp_path: Path) -> None:
    folder, back = tmp_path / "pairs", tmp_path / "back"
    for language in ("en", "ko"):
        for name in ("a", "c"):
            write_unit_file(folder / "units" / language / f"{name}.txt", FRAMES[name])
    assert main(["from-pairs", str(folder), "--out-dir", str(tmp_path / "units only")]) == 0
    assert sorted(path.name for path in (tmp_path / "units only").iterdir()) == ["en.units.jsonl", "ko.units.jsonl"]
    for language in ("en", "ko"):
        write_speech(folder / "audio" / language / "a.wav", babble(0.24))
    assert main(["from-pairs", str(folder), "--out-dir", str(back), "--units-vocabulary", "sha256:ab"]) == 0
    english, korean = (read_manifest(back / f"{language}.jsonl") for language in ("en", "ko"))
    assert [entry.id for entry in english.entries] == [entry.id for entry in korean.entries] == ["a"]
    assert english.entries[0].samples == 3840
    assert (english.path(english.entries[0], "audio") or Path("/none")).is_file()
    assert _frames(back / "ko.units.jsonl") == {name: FRAMES[name] for name in ("a", "c")}
    assert read_units(back / "ko.units.jsonl")["a"].language == "ko"


def test_vocoder_manifests_there_and_back(corpus: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "unit2a" / "train.txt", tmp_path / "back"
    arguments = ["--units", str(corpus / "ko.jsonl"), "-o", str(out), "--unit-offset", "4"]
    assert main(["to-unit2a", str(corpus / "manifest.jsonl"), *arguments]) == 0
    lines = [ast.literal_eval(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"audio": f"{corpus}/audio/a.wav", "unit_path": str(tmp_path / "unit2a" / "train_units" / "a.pt")}
    item = torch.load(lines[0]["unit_path"], weights_only=True)
    assert item["code"].tolist() == [unit + 4 for unit in FRAMES["a"]]
    assert item["spkr"].tolist() == pytest.approx([0.6, 0.8])
    assert lines[2]["hubert"] == " ".join(str(unit + 4) for unit in FRAMES["c"])

    units = ["--units-out", str(back / "units.jsonl"), "--unit-offset", "4", "--language", "kor"]
    assert main(["from-unit2a", str(out), "-o", str(back / "manifest.jsonl"), *units]) == 0
    manifest = read_manifest(back / "manifest.jsonl")
    assert {entry.id for entry in manifest.entries} == set(FRAMES)
    assert all(entry.language == "ko" and entry.samples == 3840 for entry in manifest.entries)
    assert _frames(back / "units.jsonl") == FRAMES
    first = json.loads((back / "units.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["speaker_embedding"] == pytest.approx([0.6, 0.8])


def test_a_published_manifest_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, trap = tmp_path / "train.txt", tmp_path / "trap"
    table.write_text(f"{{'audio': 'a.wav', 'hubert': __import__('pathlib').Path({str(trap)!r}).touch()}}\n")
    assert main(["from-unit2a", str(table), "-o", str(tmp_path / "out.jsonl")]) == 2
    assert "no Python dict literal" in capsys.readouterr().err
    assert not trap.exists()


def test_units_that_are_missing_are_named(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--units", str(corpus / "en.jsonl"), "-o", str(tmp_path / "x.txt")]
    assert main(["to-unit2a", str(corpus / "manifest.jsonl"), *arguments]) == 2
    assert "가/b" in capsys.readouterr().err


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


def test_units_survive_the_round_trip_and_a_folder_of_unit_files_is_frames_by_id(tmp_path: Path) -> None:
    rows = [
        UnitRow("a", Units.from_frames([1, 1, 2], "ko", "sha256:1"), {"speaker_embedding": [0.5, 0.5]}),
        UnitRow("b", Units([4, 4]), {}),  # type: ignore[arg-type]
    ]
    assert write_units(tmp_path / "u.jsonl", rows) == 2
    found = list(iter_units(tmp_path / "u.jsonl"))
    assert [row.id for row in found] == ["a", "b"]
    assert [row.units for row in found] == [row.units for row in rows]
    assert found[0].extra == {"speaker_embedding": [0.5, 0.5]}
    folder = tmp_path / "folder"
    (folder / "ko").mkdir(parents=True)
    (folder / "ko" / "x.unit").write_text("5 5 6")
    (folder / "y.txt").write_text("7\n")
    (folder / "notes.md").write_text("not units")
    assert read_units(folder) == {"ko/x": Units.from_frames([5, 5, 6]), "y": Units.from_frames([7])}


def test_wrong_tables_of_units_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no units"):
        read_units(tmp_path)
    (tmp_path / "u.jsonl").write_text('{"id": "a", "units": [1]}\n' * 2)
    with pytest.raises(InputError, match="twice"):
        read_units(tmp_path / "u.jsonl")
    for line in ('{"id": "a"}', '{"id": "a", "units": ["x"]}', '{"id": "a", "units": [1], "durations": [1, 2]}'):
        (tmp_path / "u.jsonl").write_text(line + "\n")
        with pytest.raises(UnitError, match=r"u\.jsonl:1"):
            read_units(tmp_path / "u.jsonl")
    (tmp_path / "m.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no entries"):
        read_manifest(tmp_path / "m.jsonl")
    (tmp_path / "t.tsv").write_text("C:\\data\nx\tvideo\\x.mp4\taudio\\x.wav\t10\t6400\n")
    with pytest.raises(InputError, match=r"t\.tsv: the table has paths of Windows.*found audio\\x\.wav"):
        list(read_tsv(tmp_path / "t.tsv", tmp_path))
