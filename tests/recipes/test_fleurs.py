"""FLEURS for the recipe of public corpora: both languages of a sentence, and what is missing."""

from pathlib import Path

import pytest

from avcore.data.manifest import read_manifest
from recipes.public.fleurs import main
from tests.avcore.data.prepare.made import failures
from tests.avcore.data.prepare.trees import write_fleurs


def prepare(root: Path, out: Path, *more: str) -> int:
    return main(["--data-root", str(root), "--out-dir", str(out), "--workers", "1", "--quiet", *more])


def test_every_fleurs_recording_has_a_partner_in_the_other_language(tmp_path: Path) -> None:
    assert prepare(write_fleurs(tmp_path / "fleurs"), tmp_path / "out") == 0
    english, korean = (read_manifest(tmp_path / "out" / f"{name}.jsonl").entries for name in ("en", "ko"))
    names = [f"{split}_{one}" for split in ("dev", "test", "train") for one in ("1_0", "1_1", "2_0")]
    assert [one.id for one in english] == [one.id for one in korean] == names
    assert [one.extra["split"] for one in english] == ["valid"] * 3 + ["test"] * 3 + ["train"] * 3
    assert (english[0].text, english[0].translation, english[0].language) == ("en_us sentence 1.", "ko_kr sentence 1.", "en")
    assert (korean[1].text, korean[1].samples, korean[1].extra["gender"]) == ("ko_kr sentence 1.", 6400, "female")
    assert all((tmp_path / "out" / one.audio).is_file() for one in (*english, *korean))


def test_what_fleurs_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_fleurs(tmp_path / "fleurs")
    (root / "en_us" / "audio" / "train" / "en_ustrain20.wav").unlink()
    (root / "en_us" / "dev.tsv").write_text("1\tno table\n")
    assert prepare(root, tmp_path / "out") == 1
    failed = failures(tmp_path / "out")
    assert failed == {
        "en_us/dev.tsv:1": "a line has 2 columns, not 7",
        "en_us/train.tsv:3": "there is no audio/train/en_ustrain20.wav",
    }
    assert len(read_manifest(tmp_path / "out" / "ko.jsonl")) == 5
    assert prepare(root, tmp_path / "same", "--target", "en_gb") == 2
    (tmp_path / "packed" / "en_us").mkdir(parents=True)
    (tmp_path / "packed" / "en_us" / "train.tsv").write_text("1\tx.wav\ta\ta\ta\t1\tMALE\n")
    assert prepare(tmp_path / "packed", tmp_path / "none") == 2
    assert "tar xzf en_us/audio/train.tar.gz" in capsys.readouterr().err
