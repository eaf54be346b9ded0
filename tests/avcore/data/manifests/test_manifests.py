"""Manifests and unit stores: what is written is read back, what is wrong is named, other forms there and back, what is held out."""

import ast
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.data.corpus import CorpusConfig
from avcore.data.manifest import PATH_FIELDS, Entry, PackedEntries, read_manifest, write_manifest
from avcore.data.manifest_command import check_manifest, count, main
from avcore.data.published.conversions import read_tsv
from avcore.data.unit_store import UnitRow, iter_units, read_units, write_units
from avcore.errors import InputError, UnitError, UsageError
from avcore.faces.boxes import write_boxes
from avcore.media import write_lip_video, write_speech
from avcore.units import Units, write_unit_file
from netflips.cli import main as netflips
from tests.avcore.made_speech import babble
from tests.refusal import refused

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
    assert list(read_manifest(tmp_path / "m.jsonl", keep=PackedEntries).entries) == ENTRIES
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
    refused(InputError, complaint, read_manifest, tmp_path / "m.jsonl")


def test_units_survive_the_round_trip_and_a_folder_is_frames_by_id(tmp_path: Path) -> None:
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


def test_results_of_several_extractions_in_one_folder_are_one_store(tmp_path: Path) -> None:
    """Trainers take one store for the recordings that they train on and those that they hold out."""
    for part in ("train", "valid"):
        (tmp_path / part / "shards").mkdir(parents=True)
        write_units(tmp_path / part / "shards" / "00000.jsonl", [UnitRow(f"{part}_1", Units(np.array([5, 6])), {})])
    assert sorted(read_units(tmp_path)) == ["train_1", "valid_1"]


def test_wrong_tables_of_units_and_files_are_refused(tmp_path: Path) -> None:
    refused(InputError, "no units", read_units, tmp_path)
    (tmp_path / "u.jsonl").write_text('{"id": "a", "units": [1]}\n' * 2)
    refused(InputError, "twice", read_units, tmp_path / "u.jsonl")
    for line in ('{"id": "a"}', '{"id": "a", "units": ["x"]}', '{"id": "a", "units": [1], "durations": [1, 2]}'):
        (tmp_path / "u.jsonl").write_text(line + "\n")
        refused(UnitError, r"u\.jsonl:1", read_units, tmp_path / "u.jsonl")
    (tmp_path / "m.jsonl").write_text("\n\n")
    refused(InputError, "no entries", read_manifest, tmp_path / "m.jsonl")
    (tmp_path / "t.tsv").write_text("C:\\data\nx\tvideo\\x.mp4\taudio\\x.wav\t10\t6400\n")
    with pytest.raises(InputError, match=r"t\.tsv: the table has paths of Windows.*found audio\\x\.wav"):
        list(read_tsv(tmp_path / "t.tsv", tmp_path))


def _write(folder: Path, rows: list[Mapping[str, Any]], name: str = "manifest.jsonl") -> Path:
    """A manifest whose entries have sound of half a second."""
    folder.mkdir(parents=True, exist_ok=True)
    speech = babble(0.48)
    for row in rows:
        write_speech(folder / str(row["audio"]), speech)
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "audio": f"audio/{name}.wav", "duration_s": 0.48, "samples": 7680, **more}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    def row(number: int, split: str) -> dict[str, Any]:
        return _row(f"가{number}", speaker=f"s{number % 3}", language="ko", split=split, text=f"문장 {number // 2}")

    return _write(tmp_path / "corpus", [row(number, "train" if number < 6 else "valid") for number in range(9)])


def test_a_good_manifest_and_none_at_all(manifest: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert netflips(["manifest", "validate", str(manifest), "--deep"]) == 0
    assert "9 entries, 0 problems" in capsys.readouterr().err
    (tmp_path / "x.jsonl").write_text("no json\n")
    assert main(["validate", str(tmp_path / "x.jsonl")]) == 2
    assert main(["stats", str(tmp_path / "none.jsonl")]) == 2
    assert "line 1 is no JSON" in capsys.readouterr().err


def test_all_problems_are_named_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, [_row("a"), _row("b"), _row("c")])
    (tmp_path / "audio" / "b.wav").unlink()
    with path.open("a", encoding="utf-8") as file:
        other = _row("f", audio="audio/c.wav", frames=99)
        for row in (_row("a"), {"audio": "x.wav"}, {"id": "d", "audio": "/abs.wav"}, {"id": "e"}, other):
            file.write(json.dumps(row) + "\n")
    assert main(["validate", str(path)]) == 1
    said = capsys.readouterr().err
    assert "line 2: audio is not there" in said
    assert "line 4: the id 'a' stands on line 1 too" in said
    assert "line 5: it has no id" in said
    assert "line 6: audio is an absolute path" in said
    assert "line 7: it names no file" in said
    assert "line 8: its lengths differ: duration_s 0.48 s, frames 3.96 s, samples 0.48 s" in said
    assert "6 problems" in said


def test_a_deep_look_decodes_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [_row("a", frames=12, lips="a.mp4", boxes="a.pkl"), _row("b", samples=8000, duration_s=0.5), _row("c")]
    path = _write(tmp_path, rows)
    write_lip_video(tmp_path / "a.mp4", rng.integers(0, 255, (11, 96, 96), np.uint8))
    write_boxes(tmp_path / "a.pkl", [None] * 12)
    write_speech(tmp_path / "audio" / "c.wav", babble(0.24), 8000)
    assert check_manifest(path).problems == []
    problems = check_manifest(path, is_deep=True).problems
    assert problems[0] == "line 1: lips has 11 frames and not 12"
    assert problems[1] == "line 2: its sound has 7680 samples and not 8000"
    assert "8000 Hz and 1 channel and not 16000 Hz and 1" in problems[2]


def test_counts_also_of_quality_and_of_other_lengths(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(manifest), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["entries"], counts["hours"]) == (9, pytest.approx(9 * 0.48 / 3600, abs=1e-3))
    assert (counts["speakers"], counts["with"]["text"], counts["with"]["lips"]) == (3, 9, 0)
    assert counts["by split"]["train"]["entries"] == 6
    assert main(["stats", str(manifest)]) == 0
    assert "by language:\n  ko: entries 9" in capsys.readouterr().out
    entries = [Entry("a", frames=50, extra={"quality": {"sync": 0.2}}), Entry("b", samples=48000, extra={"quality": {"sync": 0.6}})]
    counts = count(entries)
    assert counts["seconds"] == {"least": 2.0, "median": 2.5, "most": 3.0}
    assert counts["quality"]["sync"]["median"] == 0.4


def test_lengths_and_their_ratios_are_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, factor in (("en", 1.0), ("<ko>", 1.5)):
        rows = [{"id": f"s{number}", "audio": "a.wav", "duration_s": factor * (1 + number % 5)} for number in range(40)]
        rows += [{"id": f"alone_{name}", "audio": "a.wav", "duration_s": 60.0}, {"id": f"unknown_{name}", "audio": "a.wav"}]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = tmp_path / "lengths.html"
    english, korean = (str(tmp_path / f"{name}.jsonl") for name in ("en", "<ko>"))
    assert main(["stats", english, "--pairs-with", korean, "--report", str(page)]) == 0
    told = capsys.readouterr().err
    assert "41 values: 5% below 1.00, 50% below 3.00, 95% below 5.00; most 60.00" in told
    assert "ratio of lengths: 40 values: 5% below 1.50, 50% below 1.50, 95% below 1.50; most 1.50" in told
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert "<ko>" not in text
    ratios = [int(found) for found in re.findall(r"<title>[\d.]+ to [\d.]+: (\d+)</title>", text)][-40:]
    assert (sum(ratios), max(ratios)) == (40, 40)
    assert main(["stats", english, "--pairs-with", korean]) == 2


def test_split_by_a_field_or_at_random(manifest: Path, tmp_path: Path) -> None:
    """Paths still lead to the same files."""
    out = tmp_path / "lists" / "deep"
    assert main(["split", str(manifest), "--by", "split", "--out-dir", str(out), "--quiet"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["train.jsonl", "valid.jsonl"]
    assert len(read_manifest(out / "train.jsonl")) == 6
    assert check_manifest(out / "valid.jsonl", is_deep=True).problems == []
    assert read_manifest(out / "valid.jsonl").entries[0].audio == "../../corpus/audio/가6.wav"
    out = tmp_path / "random"
    assert main(["split", str(manifest), "--valid", "0.4", "--apart", "speaker", "--out-dir", str(out), "--quiet"]) == 0
    train, valid = (read_manifest(out / f"{name}.jsonl").entries for name in ("train", "valid"))
    assert (len(train), len(valid)) == (6, 3)
    assert not {entry.speaker for entry in train} & {entry.speaker for entry in valid}
    again = tmp_path / "again"
    main(["split", str(manifest), "--valid", "0.4", "--apart", "speaker", "--out-dir", str(again), "--quiet"])
    assert (again / "valid.jsonl").read_bytes() == (out / "valid.jsonl").read_bytes()


def test_divisions_that_cannot_be(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        ("", "say how to divide"),
        ("--by split --valid 0.1", "say how to divide"),
        ("--by colour", "cannot be sorted by colour"),
        ("--valid 0.1 --apart language", "would be empty"),
    ):
        assert main(["split", str(manifest), *options.split()]) == 2
        assert words in capsys.readouterr().err


def test_merge_from_several_folders_keeps_every_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = _write(tmp_path / "one", [_row("a"), _row("b")])
    other = _write(tmp_path / "other", [_row("a")])
    out = tmp_path / "all" / "manifest.jsonl"
    assert main(["merge", str(one), str(other), "-o", str(out)]) == 2
    assert "--prefix" in capsys.readouterr().err
    assert not out.exists()
    assert main(["merge", str(one), str(other), "-o", str(out), "--prefix"]) == 0
    assert [entry.id for entry in read_manifest(out).entries] == ["one/a", "one/b", "other/a"]
    assert check_manifest(out, is_deep=True).problems == []
    named = _write(tmp_path / "named", [_row("a") | {name: f"{name}/a" for name in PATH_FIELDS}])
    assert main(["merge", str(named), "-o", str(out)]) == 0
    (entry,) = read_manifest(out).entries
    assert [getattr(entry, name) for name in PATH_FIELDS] == [f"../named/{name}/a" for name in PATH_FIELDS]


def test_a_root_of_its_own(manifest: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "list.jsonl"
    write_manifest(elsewhere, read_manifest(manifest).entries)
    assert main(["validate", str(elsewhere)]) == 1
    assert main(["validate", str(elsewhere), "--root", str(manifest.parent), "--workers", "2"]) == 0


@pytest.mark.parametrize("count", [0, 1, 64, 150])
def test_packed_entries_come_out_as_they_went_in(count: int) -> None:
    entries = [Entry(str(number), text=f"name {number}") for number in range(count)]
    packed = PackedEntries(entries)
    assert (list(packed), len(packed), bool(packed)) == (entries, count, bool(count))
    assert [packed[number] for number in (*range(count), *range(-count, 0))] == entries + entries
    assert packed[1:140:60] == entries[1:140:60]
    with pytest.raises(IndexError):
        packed[count]
    assert sum(1 for _ in packed for _ in packed) == count**2, "two may go through them at once"


def test_packed_entries_are_small() -> None:
    packed = PackedEntries(Entry(str(number), text=f"name {number}") for number in range(10_000))
    assert sum(map(sys.getsizeof, packed._blocks)) < 10_000 * 20


SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_corpus_that_grows_holds_out_nothing_that_was_trained_on(seed: int) -> None:
    config = CorpusConfig(hold_out=100)
    before, after = ([f"clip {number}" for number in range(count)] for count in (1000, 1100))
    train, _ = config.held_out(before, seed, str, "clips")
    grown, held_out = config.held_out(after[::-1], seed, str, "clips")
    assert not set(train) & set(held_out)
    assert sorted([*grown, *held_out]) == sorted(after)
    assert len(held_out) == 100
    assert held_out != config.held_out(after[::-1], seed + 1, str, "clips")[1]


def test_what_is_alike_stays_together() -> None:
    items = [(f"sentence {number % 7}", number) for number in range(40)]
    train, held_out = CorpusConfig(hold_out=3).held_out(items, 0, lambda one: one[0], "sentences")
    assert len({name for name, _ in held_out}) == 3
    assert not {name for name, _ in train} & {name for name, _ in held_out}
    with pytest.raises(UsageError, match=r"expected data\.hold_out below 7, the number of sentences; found 7"):
        CorpusConfig(hold_out=7).held_out(items, 0, lambda one: one[0], "sentences")
