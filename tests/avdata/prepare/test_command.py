"""`netflips prepare`, and the corpora of sentences that people read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from avdata.manifest import read_manifest
from avdata.prepare import common_voice, fleurs
from netflips import cli
from netflips.prepare import CORPORA
from tests.avdata.prepare.made import read_rows
from tests.avdata.prepare.trees import write_common_voice, write_fleurs


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: netflips prepare {name}")
    assert "--out-dir" in said


@pytest.mark.parametrize(
    ("words", "said"), [(["lrs3"], "unknown value 'lrs3'"), (["zerot"], "did you mean zeroth?"), ([], "CORPUS")]
)
def test_an_unknown_corpus_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", *words])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("netflips prepare: error: ")
    assert said in line


def _prepared(main: Callable[[list[str]], int], root: Path, out: Path, *more: str) -> int:
    return main(["--data-root", str(root), "--out-dir", str(out), "--workers", "1", "--quiet", *more])


def test_every_recording_of_fleurs_has_a_partner_in_the_other_language(tmp_path: Path) -> None:
    assert _prepared(fleurs.main, write_fleurs(tmp_path / "fleurs"), tmp_path / "out") == 0
    english, korean = (read_manifest(tmp_path / "out" / f"{name}.jsonl").entries for name in ("en", "ko"))
    names = [f"{split}_{one}" for split in ("dev", "test", "train") for one in ("1_0", "1_1", "2_0")]
    assert [one.id for one in english] == [one.id for one in korean] == names
    assert [one.extra["split"] for one in english] == ["valid"] * 3 + ["test"] * 3 + ["train"] * 3
    assert (english[0].text, english[0].translation, english[0].language) == ("en_us sentence 1.", "ko_kr sentence 1.", "en")
    assert (korean[1].text, korean[1].samples, korean[1].extra["gender"]) == ("ko_kr sentence 1.", 4800, "female")
    assert all((tmp_path / "out" / one.audio).is_file() for one in (*english, *korean))


def test_what_fleurs_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_fleurs(tmp_path / "fleurs")
    (root / "en_us" / "audio" / "train" / "en_ustrain20.wav").unlink()
    (root / "en_us" / "dev.tsv").write_text("1\tno table\n")
    assert _prepared(fleurs.main, root, tmp_path / "out") == 1
    failed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out" / "failed.jsonl")}
    assert failed == {
        "en_us/dev.tsv:1": "a line has 2 columns, not 7",
        "en_us/train.tsv:3": "there is no audio/train/en_ustrain20.wav",
    }
    assert len(read_manifest(tmp_path / "out" / "ko.jsonl")) == 5
    assert _prepared(fleurs.main, root, tmp_path / "same", "--target", "en_gb") == 2
    (tmp_path / "packed" / "en_us").mkdir(parents=True)
    (tmp_path / "packed" / "en_us" / "train.tsv").write_text("1\tx.wav\ta\ta\ta\t1\tMALE\n")
    assert _prepared(fleurs.main, tmp_path / "packed", tmp_path / "none") == 2
    assert "tar xzf en_us/audio/train.tar.gz" in capsys.readouterr().err


def test_common_voice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_common_voice(tmp_path / "en")
    for more, expected in (((), ["test", "train"]), (("--all-validated",), ["test", "train", "train"])):
        out = tmp_path / f"out{len(more)}"
        assert _prepared(common_voice.main, root, out, "--language", "en", *more) == 1
        assert [row["reason"] for row in read_rows(out / "failed.jsonl")] == ["there is no clip en_9"]
        entries = read_manifest(out / "manifest.jsonl").entries
        assert [one.extra["split"] for one in entries] == expected
        assert (entries[0].id, entries[0].text, entries[0].language) == ("en_1", 'It is "quoted" here.', "en")
        assert len({one.speaker for one in entries}) == len(entries)
    (root / "train.tsv").write_text("path\ttext\n")
    assert _prepared(common_voice.main, root, tmp_path / "none", "--language", "en") == 2
    assert "expected client_id, path, sentence" in capsys.readouterr().err
