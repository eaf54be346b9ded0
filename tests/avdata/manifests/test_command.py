import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.faces.boxes import write_boxes
from avcore.media import write_lip_video, write_speech
from avdata.manifest import PATH_FIELDS, Entry, read_manifest, write_manifest
from avdata.manifest_command import check_manifest, count, main
from netflips.cli import main as netflips
from tests.avcore.made_speech import babble


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
    assert problems[0] == "line 1: lips has 11 pictures and not 12"
    assert problems[1] == "line 2: its sound has 7680 samples and not 8000"
    assert "8000 Hz and 1 channel and not 16000 Hz and 1" in problems[2]


def test_counts_also_of_quality_and_of_other_lengths(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(manifest), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["entries"] == 9
    assert counts["hours"] == pytest.approx(9 * 0.48 / 3600, abs=1e-3)
    assert counts["speakers"] == 3
    assert counts["with"]["text"] == 9
    assert counts["with"]["lips"] == 0
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
