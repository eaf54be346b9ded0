"""KsponSpeech in its layout: raw sound, transcripts in CP949, lists of its splits."""

from pathlib import Path

import numpy as np
import pytest

from avcore.media import read_speech
from avdata.manifest import Entry, read_manifest
from netflips import cli
from tests.avdata.prepare.made import read_rows
from tests.avdata.prepare.trees import write_kspon


def _prepare(root: Path, out: Path) -> tuple[int, dict[str, Entry]]:
    code = cli.main(["prepare", "kspon", "--data-root", str(root), "--out-dir", str(out), "--workers", "1", "--quiet"])
    return code, {entry.id.removeprefix("KsponSpeech_"): entry for entry in read_manifest(out / "manifest.jsonl").entries}


def test_lists_and_texts_in_cp949_become_what_is_said(tmp_path: Path) -> None:
    code, found = _prepare(write_kspon(tmp_path / "kspon"), tmp_path / "out")
    assert code == 1
    assert {name: (entry.text, entry.extra.get("split", "")) for name, entry in found.items()} == {
        "000001": ("아 몬 소리야, 그건 또.", "train"),
        "622001": ("그게 칠십 퍼센트 확률이라니까.", "valid"),
        "E00001": ("내 내가 했어.", "test"),
        "E03001": ("그래서 뭐 했어?", "test_other"),
        "124001": ("뷁은 아니고 두 시쯤", ""),
    }
    failed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out" / "failed.jsonl")}
    assert failed.keys() == {"KsponSpeech_000002", "KsponSpeech_E03002"}
    assert failed["KsponSpeech_E03002"] == "there is no KsponSpeech_E03002.pcm"
    entry = found["E00001"]
    assert (entry.language, entry.speaker, entry.samples) == ("ko", "", 8000)
    speech = read_speech(tmp_path / "out" / entry.audio)
    assert np.abs(speech - 3000 / 32768 * np.sin(np.arange(8000) * 0.05 * 4)).max() < 2e-4


def test_texts_beside_sounds_are_enough_and_damage_is_named(tmp_path: Path) -> None:
    root = write_kspon(tmp_path / "kspon")
    for path in (root / "scripts").iterdir():
        path.unlink()
    (root / "KsponSpeech_01" / "KsponSpeech_0001" / "KsponSpeech_000001.txt").write_bytes(b"\xff\xff\x00")
    code, found = _prepare(root, tmp_path / "out")
    assert (code, list(found)) == (1, ["124001"])
    failed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out" / "failed.jsonl")}
    assert "this is no text file; expected UTF-8 (or CP949)" in failed["KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.txt"]
    assert failed["KsponSpeech_eval/eval_clean/KsponSpeech_E00001.pcm"] == "no text is there for it"


@pytest.mark.parametrize("line", ["KsponSpeech_01/a.pcm 글", "그냥 글"])
def test_a_line_without_its_sign_is_named(tmp_path: Path, line: str) -> None:
    root = write_kspon(tmp_path / "kspon")
    with (root / "scripts" / "train.trn").open("ab") as file:
        file.write(f"{line}\n".encode("cp949"))
    assert _prepare(root, tmp_path / "out")[0] == 1
    failed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out" / "failed.jsonl")}
    assert failed["scripts/train.trn:3"] == "no line as 'path :: text'"
