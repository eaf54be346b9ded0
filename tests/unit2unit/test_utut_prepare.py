"""Preparing data: pairs for fine-tuning, tables for pre-training, and everything that can be wrong with units."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data import indexed_dataset

from avcore.data.parallel import UnitReading
from avcore.data.published.utut import read_samples
from avcore.data.splits import SplitPlan, divide_speakers
from avcore.errors import UsageError
from tests.refusal import refused
from tests.unit2unit.phrasebook import ENVIRONMENT, NUM_UNITS, sentences, write_folders, write_rows
from unit2unit.training.corpus import read_search_limit, read_vocabulary, search_limit
from unit2unit.training.prepare_pairs import main as prepare_pairs
from unit2unit.utut_pretrain.prepare import main as prepare_tables

_SHA = "sha256:0123456789abcdef"


def _pairs(out: Path, source: Path, target: Path, *more: str) -> int:
    sizes = ["--num-units", str(NUM_UNITS), "--valid", "2", "--test", "2"]
    return prepare_pairs(["--source", str(source), "--target", str(target), "--out", str(out), *sizes, *more])


def _lines(folder: Path, split: str, language: str) -> list[str]:
    return (folder / "text" / f"{split}.{language}").read_text().splitlines()


def test_pairs_from_folders_are_merged_divided_and_aligned(tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "units", 50)
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"], "--valid", "0.1", "--test", "4") == 0
    names = {split: _lines(tmp_path / "data", split, "ids") for split in ("train", "valid", "test")}
    assert {split: len(one) for split, one in names.items()} == {"train": 41, "valid": 5, "test": 4}
    corpora = sentences(50)
    for split, ids in names.items():
        for language in ("en", "ko"):
            for name, line in zip(ids, _lines(tmp_path / "data", split, language), strict=True):
                units = corpora[language][name]
                assert line.split() == [str(unit) for unit in units[::2]], "each unit stands twice in the source"
    report = json.loads((tmp_path / "data" / "data.json").read_text())
    assert (report["splits"]["valid"]["pairs"], report["left_out"]) == (5, 0)


def test_binaries_are_fairseq_preprocess_own(tmp_path: Path, parity_dir: Path) -> None:
    folders = write_folders(tmp_path / "units", 30)
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"], "--valid", "3", "--test", "3", "--num-units", "1000") == 0
    assert (tmp_path / "data" / "dict.ko.txt").read_text() == (parity_dir / "dict.txt").read_text()
    text, dictionary = tmp_path / "data" / "text", tmp_path / "data" / "dict.en.txt"
    script = Path(sys.executable).parent / "fairseq-preprocess"
    arguments = f"-s en -t ko --srcdict {dictionary} --tgtdict {dictionary} --destdir {tmp_path}/theirs --trainpref {text}/train"
    subprocess.run([script, *arguments.split(), "--validpref", text / "valid"], env=ENVIRONMENT, check=True, capture_output=True)
    for name in ("train.en-ko.en", "train.en-ko.ko", "valid.en-ko.ko"):
        for kind in ("bin", "idx"):
            assert (tmp_path / "data" / f"{name}.{kind}").read_bytes() == (tmp_path / "theirs" / f"{name}.{kind}").read_bytes()


def test_rows_tell_their_quantizer_and_quantizers_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    source = write_rows(tmp_path / "en.jsonl", corpora["en"], vocabulary=_SHA, language="eng")
    target = write_rows(tmp_path / "ko.jsonl", corpora["ko"], vocabulary=_SHA)
    assert _pairs(tmp_path / "data", source, target) == 0
    assert read_vocabulary(tmp_path / "data") == _SHA
    target = write_rows(tmp_path / "ko.jsonl", corpora["ko"], vocabulary="sha256:fedcba9876543210")
    assert _pairs(tmp_path / "other", source, target) == 2
    assert "units of two quantizers are mixed" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    assert _pairs(tmp_path / "other", source, source, "--units-vocabulary", "sha256:1111111111111111") == 2
    source.write_text(source.read_text() + '{"id": "new", "units": [1], "vocabulary": "sha256:1111111111111111"}\n')
    assert _pairs(tmp_path / "other", source, source) == 2
    assert "en.jsonl:31" in capsys.readouterr().err


def test_plain_text_is_accepted_with_one_line_of_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path / "units", 30)
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"], "--quiet") == 0
    assert capsys.readouterr().err.count("\n") == 1
    assert _pairs(tmp_path / "stated", folders["en"], folders["ko"], "--quiet", "--units-vocabulary", _SHA) == 0
    assert capsys.readouterr().err == ""
    assert read_vocabulary(tmp_path / "stated") == _SHA


def test_every_bad_pair_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path / "units", 30)
    english, korean = folders["en"], folders["ko"]
    names = sorted(path.name for path in english.iterdir())
    (english / names[0]).write_text("")
    (english / names[1]).write_text("1 2 x3")
    (korean / names[2]).write_text("1 2 40")
    (korean / names[3]).unlink()
    (english / names[4]).write_text("1 2\n3 4\n")  # of which the first line counts, with a warning
    (english / names[5]).write_bytes(b"\xff\xfe\x00")
    assert _pairs(tmp_path / "data", english, korean) == 2
    told = capsys.readouterr().err
    for folder, name in ((english, 0), (english, 1), (korean, 2), (english, 4), (english, 5)):
        assert str(folder / names[name]) in told, told
    assert "expected 0..39; found 40" in told
    assert "'x3'" in told
    assert not (tmp_path / "data").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["units"], "nothing half-written stays"
    assert _pairs(tmp_path / "data", english, korean, "--skip-bad") == 0
    left_out = (tmp_path / "data" / "left_out.txt").read_text()
    assert left_out.count("\n") == 5
    assert f"{Path(names[3]).stem} ({english / names[3]}): no counterpart in {korean}" in left_out
    kept = {name for split in ("train", "valid", "test") for name in _lines(tmp_path / "data", split, "ids")}
    assert kept == {Path(name).stem for name in (names[4], *names[6:])}


def test_bad_rows_are_named_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    target = write_rows(tmp_path / "ko.jsonl", corpora["ko"])
    first = next(iter(corpora["en"]))
    rows = [json.dumps({"id": first, "units": [1]}), "{", json.dumps({"id": "a"}), json.dumps({"id": "b", "units": [1.5]})]
    source = write_rows(tmp_path / "en.jsonl", corpora["en"])
    source.write_text(source.read_text() + "\n".join([*rows, json.dumps({"id": "c", "units": [1], "language": "fr"})]) + "\n")
    assert _pairs(tmp_path / "data", source, target) == 2
    told = capsys.readouterr().err
    for number in range(31, 36):
        assert f"en.jsonl:{number}" in told
    assert "there twice" in told


def test_lines_of_text_pair_up_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    for language in ("en", "ko"):
        (tmp_path / f"all.{language}").write_text("".join(" ".join(map(str, units)) + "\n" for units in corpora[language].values()))
    assert _pairs(tmp_path / "data", tmp_path / "all.en", tmp_path / "all.ko") == 0
    with (tmp_path / "all.ko").open("a") as file:
        file.write("\n")
    assert _pairs(tmp_path / "other", tmp_path / "all.en", tmp_path / "all.ko", "--skip-bad") == 2
    assert "differ in their number of lines; expected 30" in capsys.readouterr().err


def test_splits_made_elsewhere_are_kept_and_leaks_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    names = list(corpora["en"])
    parts = {"train": names[:20], "valid": [*names[20:], names[0]]}
    for split, ids in parts.items():
        for language in ("en", "ko"):
            lines = "".join(" ".join(map(str, corpora[language][name])) + "\n" for name in ids)
            (tmp_path / f"{split}.{language}").write_text(lines)
    arguments = ["--splits", str(tmp_path), "--num-units", str(NUM_UNITS), "--out", str(tmp_path / "data")]
    assert prepare_pairs(arguments) == 0
    assert "1 source of valid in train too" in capsys.readouterr().err
    assert (len(_lines(tmp_path / "data", "train", "en")), len(_lines(tmp_path / "data", "valid", "ko"))) == (20, 11)


def test_raw_class_indices_lose_their_offset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path / "units", 30)
    for path in (*folders["en"].iterdir(), *folders["ko"].iterdir()):
        path.write_text(" ".join(str(int(unit) + 4) for unit in path.read_text().split()))
    assert _pairs(tmp_path / "shifted", folders["en"], folders["ko"], "--unit-offset", "4") == 0
    plain = write_folders(tmp_path / "plain", 30)
    assert _pairs(tmp_path / "data", plain["en"], plain["ko"]) == 0
    assert _lines(tmp_path / "shifted", "train", "ko") == _lines(tmp_path / "data", "train", "ko")
    next(folders["en"].iterdir()).write_text("3 4 5")
    assert _pairs(tmp_path / "bad", folders["en"], folders["ko"], "--unit-offset", "4") == 2
    assert "found -1" in capsys.readouterr().err


def test_pairs_that_do_not_fit_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too long for the model, or unlike in length, or with one side only, as where a recording failed: no error."""
    corpora = sentences(30)
    corpora["ko"]["0_0000"] = list(range(40)) * 3
    corpora["ko"]["0_0007"] = [number % NUM_UNITS for number in range(1022)]
    corpora["ko"]["1_0001"] = [5, 1, 5, 2, 5, 3, 5, 4, 5, 6, 5]
    del corpora["en"]["2_0002"], corpora["ko"]["3_0003"]
    sides = [write_rows(tmp_path / f"{language}.jsonl", corpora[language]) for language in ("en", "ko")]
    assert _pairs(tmp_path / "data", *sides) == 0
    told, left_out = capsys.readouterr().err, (tmp_path / "data" / "left_out.txt").read_text()
    assert "2 utterances are on one side only" in told
    assert "one unit makes up most of 1 sentence (1_0001" in told
    assert left_out.startswith("3_0003 (")
    for words in ("\n2_0002 (", "more than 6 to 1", "1022 units on a side, more than 1021"):
        assert words in left_out
    assert sum(len(_lines(tmp_path / "data", split, "ids")) for split in ("train", "valid", "test")) == 26
    assert _pairs(tmp_path / "all", *sides, "--max-ratio", "0") == 0
    assert "more than 6 to 1" not in (tmp_path / "all" / "left_out.txt").read_text()


def test_the_corpus_s_own_division_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    names = sorted(corpora["en"])
    sides = [write_rows(tmp_path / f"{language}.jsonl", corpora[language]) for language in ("en", "ko")]
    rows = [{"id": name, "audio": "x.wav", "split": "valid" if place < 4 else "train"} for place, name in enumerate(names)]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("--manifest", str(tmp_path / "manifest.jsonl"))
    assert _pairs(tmp_path / "data", *sides, *given) == 0
    assert sorted(_lines(tmp_path / "data", "valid", "ids")) == names[:4]
    train, test = (_lines(tmp_path / "data", split, "ids") for split in ("train", "test"))
    assert sorted(train + test) == names[4:]
    assert len(test) == 2
    assert "the corpus has no split 'test'; it is taken out of what it trains on" in capsys.readouterr().err


def test_the_search_that_the_targets_need_is_stated(tmp_path: Path) -> None:
    """Of made-up lengths: targets of 1.5 times the source and 3 units at most, but for one in two thousand."""
    random = np.random.default_rng(0)
    sources = random.integers(20, 400, 2000)
    targets = (1.5 * sources).astype(int) + random.integers(0, 4, 2000)
    targets[7] = 1000
    pairs = [(np.zeros(one, np.int64), np.zeros(other, np.int64)) for one, other in zip(sources, targets, strict=True)]
    assert search_limit(pairs) == {"max_len_a": 1.5, "max_len_b": 10}
    folders = write_folders(tmp_path / "units", 30)
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"]) == 0
    found = read_search_limit(tmp_path / "data")
    lengths = [[len(line.split()) for line in _lines(tmp_path / "data", "train", side)] for side in ("en", "ko")]
    assert all(b <= found["max_len_a"] * a + found["max_len_b"] for a, b in zip(*lengths, strict=True))


def test_an_output_is_replaced_only_when_asked_and_never_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path / "units", 30)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").write_text("")
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"]) == 2
    assert (tmp_path / "data" / "mine").exists()
    assert _pairs(tmp_path / "data", folders["en"], folders["ko"], "--overwrite") == 0
    assert not (tmp_path / "data" / "mine").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "units"]
    before = sorted(folders["en"].iterdir())
    assert _pairs(folders["en"].parent, folders["en"], folders["ko"], "--overwrite") == 2
    assert "the output folder holds what is read" in capsys.readouterr().err
    assert sorted(folders["en"].iterdir()) == before


@pytest.mark.parametrize("given", [[], ["--source", "a"], ["--source", "a", "--target", "b", "--splits", "c"]])
def test_what_to_read_must_be_clear(tmp_path: Path, given: list[str]) -> None:
    assert prepare_pairs([*given, "--out", str(tmp_path / "data")]) == 2


def test_equal_sources_never_fall_apart() -> None:
    random = np.random.default_rng(0)
    contents = {f"{number:03d}": [bytes([random.integers(40)]), b"t" + bytes([number])] for number in range(200)}
    plan = SplitPlan(0.1, 30, seed=1)
    splits = divide_speakers(contents, plan)
    assert sum(map(len, splits.values())) == 200
    assert len(splits["valid"]) in range(15, 21)
    assert len(splits["test"]) in range(25, 31)
    seen = {split: {contents[name][0] for name in names} for split, names in splits.items()}
    assert not seen["train"] & seen["valid"]
    assert not seen["train"] & seen["test"]
    assert not seen["valid"] & seen["test"]
    assert divide_speakers(dict(reversed(contents.items())), plan) == splits, "the order of reading does not matter"
    assert divide_speakers(contents, SplitPlan(0.1, 30, seed=2)) != splits
    chain = {"a": [b"s1", b"t1"], "b": [b"s2", b"t1"], "c": [b"s2", b"t2"], "d": [b"s3", b"t3"], "e": [b"s4", b"t4"]}
    splits = divide_speakers(chain, SplitPlan(1, 1, seed=0))
    assert any({"a", "b", "c"} <= set(names) for names in splits.values())


def test_a_speaker_is_in_one_split_only_and_groups_are_divided_alike() -> None:
    contents = {f"{number % 10}_{number}": [bytes([number])] for number in range(100)}
    splits = divide_speakers(contents, SplitPlan(0.2, 0.2, seed=0, group="^[^_]+"))
    speakers = [{name.split("_")[0] for name in names} for names in splits.values()]
    assert [len(one) for one in speakers] == [6, 2, 2]
    assert len(set.union(*speakers)) == 10
    plan = SplitPlan(0.2, 0.2, seed=0, group="^s[0-9]+")
    first, second = (
        divide_speakers({f"s{number:02d}_{take}": [bytes([number])] for number in range(50)}, plan) for take in ("told", "heard")
    )
    assert first != second
    assert [[name.split("_")[0] for name in names] for names in first.values()] == [
        [name.split("_")[0] for name in names] for names in second.values()
    ]


def test_a_split_that_cannot_be_filled_is_refused() -> None:
    refused(UsageError, "'valid' would be empty", divide_speakers, {"a": [b"1"], "b": [b"1"]}, SplitPlan(1, 0, seed=0))
    refused(UsageError, "no regular expression", SplitPlan, 1, 0, seed=0, group="(")


def test_tables_hold_every_pair_of_languages(tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "units", 30)
    (folders["es"] / "0_0000.txt").unlink()
    given = [f"{language}={folder}" for language, folder in folders.items()]
    arguments = ["--num-units", str(NUM_UNITS), "--valid", "3", "--out", str(tmp_path / "data")]
    assert prepare_tables(["--units", *given, *arguments, "--denoise"]) == 0
    samples, left_out = read_samples(tmp_path / "data", "train")
    counts = {pair: sum(sample.pair == pair for sample in samples) for pair in {sample.pair for sample in samples}}
    assert len(counts) == 9
    assert counts["en/ko"] - counts["es/ko"] in (0, 1)
    assert left_out == 0
    first = samples[0]
    assert (Path(first.source.path).exists(), first.source.language, first.target.language) == (True, "en", "en")
    assert prepare_tables(["--units", *given[:2], *arguments, "--overwrite"]) == 0
    assert {sample.pair for sample in read_samples(tmp_path / "data", "valid")[0]} == {"en/es", "es/en"}


def test_languages_without_common_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = sentences(30)
    one = write_rows(tmp_path / "en.jsonl", corpora["en"])
    other = write_rows(tmp_path / "ko.jsonl", {f"x{name}": units for name, units in corpora["ko"].items()})
    arguments = ["--units", f"en={one}", f"ko={other}", "--num-units", str(NUM_UNITS), "--out", str(tmp_path / "data")]
    assert prepare_tables(arguments) == 2
    assert "no two languages" in capsys.readouterr().err
    assert prepare_tables(["--units", "en", "--out", str(tmp_path / "data")]) == 2


@pytest.mark.parametrize(("num_units", "stored"), [(NUM_UNITS, np.int16), (40_000, np.int32), (70_000, np.int32)])
def test_units_take_the_fewest_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_units: int, stored: type) -> None:
    """The folder is that of rows of int64, and the binaries are fairseq's own, above 32,767 and above 65,535 too."""
    corpora = sentences(30)
    for language in ("en", "ko"):
        corpora[language] = {name: [num_units - 1 - unit for unit in units] for name, units in corpora[language].items()}
    sides = [write_rows(tmp_path / f"{language}.jsonl", corpora[language]) for language in ("en", "ko")]
    assert UnitReading(num_units).number == stored
    assert _pairs(tmp_path / "data", *sides, "--num-units", str(num_units)) == 0
    monkeypatch.setattr(UnitReading, "number", np.dtype(np.int64))
    assert _pairs(tmp_path / "wide", *sides, "--num-units", str(num_units)) == 0
    names = sorted(path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert all((tmp_path / "data" / name).read_bytes() == (tmp_path / "wide" / name).read_bytes() for name in names)
    units = [[int(unit) for unit in line.split()] for line in _lines(tmp_path / "data", "train", "ko")]
    builder = indexed_dataset.make_builder(str(tmp_path / "theirs.bin"), "mmap", num_units + 4)
    for row in units:
        builder.add_item(torch.tensor([*(unit + 4 for unit in row), 2]))
    builder.finalize(str(tmp_path / "theirs.idx"))
    for kind in ("bin", "idx"):
        assert (tmp_path / "data" / f"train.en-ko.ko.{kind}").read_bytes() == (tmp_path / f"theirs.{kind}").read_bytes()


def test_preparing_loads_neither_torch_nor_fairseq(tmp_path: Path) -> None:
    """They take half a gigabyte, as much as the units of 100,000 pairs."""
    folders = write_folders(tmp_path / "units", 30)
    code = "import sys; from unit2unit.training.prepare_pairs import main; assert main(sys.argv[1:]) == 0; "
    code += "assert not {'torch', 'fairseq'} & sys.modules.keys()"
    arguments = ["--source", folders["en"], "--target", folders["ko"], "--out", tmp_path / "data", "--num-units", str(NUM_UNITS)]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
