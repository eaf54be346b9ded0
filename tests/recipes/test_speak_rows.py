"""Rows of a translation are spoken by the speaker encoder that their voice learnt with, and by no other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.media import write_speech
from recipes.speak_rows import main
from tests.unit2av.test_onnx_speaker import made_encoder, noise
from tests.unit2av.voices import SMALL, random_vocoder, save_renderer

VECTOR = 3
"""As long as that of the made encoder; resemblyzer's has 256."""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command for one translation, of a recording whose translation is known."""
    write_speech(tmp_path / "a.wav", noise(2.0))
    entry = {"id": "a", "audio": "a.wav", "duration_s": 2.0, "language": "en", "translation": "안녕하세요"}
    (tmp_path / "en.jsonl").write_text(json.dumps(entry) + "\n", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "units": [5, 6, 7]}\n', encoding="utf-8")
    renderer = save_renderer(tmp_path / "renderer.pt", ko=random_vocoder(replace(SMALL, speaker_dim=VECTOR)).state_dict())
    return [
        str(tmp_path / "rows.jsonl"), "--source", str(tmp_path / "en.jsonl"), "--unit2av-path", str(renderer),
        "--out-dir", str(tmp_path / "spoken"), "--quiet",
    ]  # fmt: skip


def test_another_speaker_encoder_than_the_voice_s_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "the speaker encoder does not fit the vocoder; expected vectors of 3; found 256" in capsys.readouterr().err


@pytest.mark.local
def test_the_voice_s_own_speaker_encoder_speaks(words: list[str], tmp_path: Path) -> None:
    assert main([*words, "--speaker-encoder-path", str(made_encoder(tmp_path / "mine.onnx"))]) == 0
    (row,) = (json.loads(line) for line in (tmp_path / "spoken" / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["reference_text"] == "안녕하세요"
    assert (tmp_path / "spoken" / row["dub"]).stat().st_size > 1000


@pytest.fixture
def own_voice(words: list[str], tmp_path: Path) -> list[str]:
    """The command for three translations of one recording."""
    rows = [json.dumps({"id": name, "units": [5, 6, number]}) for number, name in enumerate("abc")]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    entry = json.loads((tmp_path / "en.jsonl").read_text(encoding="utf-8"))
    (tmp_path / "en.jsonl").write_text("".join(json.dumps(entry | {"id": name}) + "\n" for name in "abc"), encoding="utf-8")
    save_renderer(tmp_path / "renderer.pt", ko=random_vocoder(replace(SMALL, speaker_dim=256)).state_dict())
    return words


def test_what_was_spoken_is_kept_until_units_or_voice_change(own_voice: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "spoken"

    def spoken_anew(*more: str) -> set[str]:
        before = {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.wav")}
        assert main([*own_voice, "--device", "cpu", *more]) == 0
        return {path.stem for path in folder.glob("*.wav") if path.stat().st_mtime_ns != before.get(path.stem)}

    assert spoken_anew("--part", "0/2") | spoken_anew("--part", "1/2") == {"a", "b", "c"}
    assert not (folder / "manifest.jsonl").exists()
    (folder / "b.wav").unlink()
    (folder / "c.wav").write_bytes(b"torn")
    assert spoken_anew() == {"b", "c"}
    assert len((folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    rows = (tmp_path / "rows.jsonl").read_text(encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(rows.replace("[5, 6, 0]", "[7, 6, 0]"), encoding="utf-8")
    assert spoken_anew() == {"a"}
    save_renderer(tmp_path / "renderer.pt", ko=random_vocoder(replace(SMALL, speaker_dim=256), seed=4).state_dict())
    assert spoken_anew() == {"a", "b", "c"}
