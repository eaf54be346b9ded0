"""Pairs from a corpus of one language, made by stand-ins for a translator, two voices and a recognizer, with planted faults."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avcore.data.manifest import read_manifest
from netflips.cli import main
from tests.answering import answering
from tests.avcore.data.prepare.made import read_rows

_TRANSLATOR = """
import json, sys
KNOWN = {"good morning": "좋은 아침", "it is late": "늦었다", "leave it": "leave it in English", "say nothing": ""}
KNOWN["read it twice"] = "두 번"
print("loading")
for line in sys.stdin:
    asked = json.loads(line)
    assert (asked["source"], asked["target"]) == ("en", "ko")
    print(json.dumps({"ok": True, "text": KNOWN.get(asked["text"], "한국어 " + asked["text"][-1])}), flush=True)
"""
_VOICE = """
import json, pathlib, sys
import numpy as np, soundfile
pitch, place, text_file, out, name = float(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
with (place / "ids").open("a") as ids: print(name, file=ids)
text = open(text_file, encoding="utf-8").read().strip()
fault = {"한국어 a": "loud", "한국어 b": "long", "한국어 c": "empty", "한국어 d": "other"}.get(text, "")
seconds = 5.0 if fault == "long" else 0.5 + len(text) / 100
sound = 0.3 * np.sin(np.arange(int(16000 * seconds)) * pitch)
sound = np.clip(9 * sound, -1, 1) if fault == "loud" else 0 * sound if fault == "empty" else sound
soundfile.write(out, sound, 16000)
(place / (str(len(sound)) + ".json")).write_text(json.dumps("아주 다른 말" if fault == "other" else text))
"""
_RECOGNIZER = """
import json, pathlib, sys
import soundfile
for line in sys.stdin:
    sound = json.loads(line)["sound"]
    known = pathlib.Path(sys.argv[1]) / (str(soundfile.info(sound).frames) + ".json")
    print(json.dumps({"ok": True, "text": json.loads(known.read_text())}), flush=True)
"""
_TEXTS = {
    "plain": "good morning", "again": "good morning", "b/other": "good morning", "english": "leave it", "nothing": "say nothing",
    "loud": "fault a", "long": "fault b", "empty": "fault c", "misheard": "fault d", "wrong": "it is late", "untold": "",
}  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A manifest of English recordings, the programs, and what the recognizer hears of each length."""
    (tmp_path / "en" / "b").mkdir(parents=True)
    (tmp_path / "heard").mkdir()
    rows = []
    for number, (name, text) in enumerate(_TEXTS.items()):
        samples = 12000 + number
        soundfile.write(tmp_path / "en" / f"{name}.wav", 0.3 * np.sin(np.arange(samples) * 0.05), 16000)
        heard = {"wrong": "what is this", "untold": "read it twice"}.get(name, text)
        (tmp_path / "heard" / f"{samples}.json").write_text(json.dumps(heard))
        speaker = "b" if name == "b/other" else "a"
        row = {"id": name, "audio": f"en/{name}.wav", "language": "en", "speaker": speaker, "text": text, "split": "train"}
        rows.append(row)
    rows.append({"id": "korean", "audio": "en/plain.wav", "language": "ko", "text": "안녕"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, code in (("translate", _TRANSLATOR), ("voice", _VOICE), ("hear", _RECOGNIZER)):
        (tmp_path / f"{name}.py").write_text(code)
    return tmp_path


def _made(corpus: Path, out: str, *more: str, translator: str = "") -> int:
    voices = [f"{sys.executable} {corpus}/voice.py {pitch} {corpus}/heard {{text_file}} {{out}} {{id}}" for pitch in (0.05, 0.09)]
    spoken = [word for voice in voices for word in ("--speak-with", voice)]
    translated = ["--translate-with", translator or f"{sys.executable} {corpus}/translate.py"]
    given = ["--manifest", str(corpus / "manifest.jsonl"), "--out-dir", str(corpus / out)]
    given += ["--target", "ko", "--workers", "1", "--quiet"]
    return main(["prepare", "pairs", *given, *translated, *spoken, *more])


def test_a_pair_says_how_it_was_made_and_faults_are_left_out_by_name(corpus: Path) -> None:
    hear = ("--recognize-with", f"{sys.executable} {corpus}/hear.py {corpus}/heard")
    assert _made(corpus, "out", *hear) == 1
    english, korean = (read_manifest(corpus / "out" / f"{name}.jsonl").entries for name in ("en", "ko"))
    assert [one.id for one in english] == [one.id for one in korean] == ["b/other", "plain", "untold"]
    spoken = {"loud", "long", "empty", "misheard", "b/other", "plain", "untold"}
    assert set((corpus / "heard" / "ids").read_text().split()) == spoken
    assert [(one.text, one.translation) for one in korean] == [("좋은 아침", "good morning")] * 2 + [("두 번", "read it twice")]
    made = [dict(one.extra["made"]) for one in korean]
    assert {one["spoken_by"] for one in made} <= {"voice.py 1", "voice.py 2"}
    assert all(one["cer"] == 0 and one["translated_by"].endswith("translate.py") for one in made)
    assert [one.extra.get("made") for one in english] == [{"cer": 0.0}, {"cer": 0.0}, {"heard": True}]
    assert all((corpus / "out" / one.audio).is_file() for one in (*english, *korean))
    assert (korean[0].extra["synthetic"], korean[0].extra["split"], korean[0].language) == (True, "train", "ko")
    left_out = {row["id"]: row["reason"] for row in read_rows(corpus / "out" / "rejected.jsonl")}
    assert left_out == {
        "again": "duplicate", "english": "other script", "nothing": "no translation", "loud": "clipped translation",
        "long": "length ratio", "empty": "empty sound", "misheard": "misheard translation", "wrong": "misheard recording",
    }  # fmt: skip
    assert [row["reason"] for row in read_rows(corpus / "out" / "failed.jsonl")] == ["its language is ko"]
    before = (corpus / "out" / "ko.jsonl").read_bytes()
    (corpus / "translate.py").write_text("raise SystemExit(3)")
    assert _made(corpus, "out", *hear) == 1
    assert (corpus / "out" / "ko.jsonl").read_bytes() == before
    assert _made(corpus, "out", *hear, "--max-cer", "0.5") == 2


_LASTING = """
import json, os, pathlib, sys
import numpy as np, soundfile
for line in sys.stdin:
    asked = json.loads(line)
    assert asked["language"] == "ko" and pathlib.Path(asked["reference"]).is_file()
    with open(sys.argv[1], "a") as starts: print(os.getpid(), asked["id"], asked["speaker"], file=starts)
    soundfile.write(asked["out"], 0.3 * np.sin(np.arange(16000) * 0.05), 16000)
    print(json.dumps({"ok": True}), flush=True)
"""


def test_a_voice_that_answers_lines_is_started_once(corpus: Path) -> None:
    (corpus / "lasting.py").write_text(_LASTING)
    given = ["--manifest", str(corpus / "manifest.jsonl"), "--target", "ko", "--workers", "1", "--quiet"]
    given += ["--translate-with", f"{sys.executable} {corpus}/translate.py"]
    given += ["--speak-with", f"{sys.executable} {corpus}/lasting.py {corpus}/starts"]
    whole, parts = (["prepare", "pairs", *given, "--out-dir", str(corpus / name)] for name in ("whole", "parts"))
    main(whole)
    starts = [line.split() for line in (corpus / "starts").read_text().splitlines()]
    assert len(starts) > 5
    assert len({process for process, *_ in starts}) == 1
    for part in ("0/3", "1/3", "2/3"):
        main([*parts, "--part", part])
    assert main(parts) == 1, "what failed in a part is told"
    for name in ("ko", "en", "rejected", "failed"):
        sides = [sorted(row["id"] for row in read_rows(corpus / folder / f"{name}.jsonl")) for folder in ("whole", "parts")]
        assert set(sides[0]) == set(sides[1])
    assert all((corpus / "parts" / one.audio).is_file() for one in read_manifest(corpus / "parts" / "ko.jsonl").entries)


def test_without_a_voice_the_other_side_is_text_alone(corpus: Path) -> None:
    given = ["--manifest", str(corpus / "manifest.jsonl"), "--target", "ko", "--workers", "1", "--quiet"]
    main(
        [
            "prepare",
            "pairs",
            *given,
            "--translate-with",
            f"{sys.executable} {corpus}/translate.py",
            "--out-dir",
            str(corpus / "text"),
        ]
    )
    english, korean = (read_manifest(corpus / "text" / f"{name}.jsonl").entries for name in ("en", "ko"))
    assert [one.id for one in english] == [one.id for one in korean]
    assert all(one.audio and one.seconds for one in english)
    plain = next(one for one in korean if one.id == "plain")
    assert (plain.audio, plain.text, plain.translation, plain.extra["split"]) == ("", "좋은 아침", "good morning", "train")


def test_an_id_that_leaves_the_output_folder_is_refused(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": "../../outside", "audio": "en/plain.wav", "language": "en", "text": "good morning"}
    (corpus / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    assert _made(corpus, "deep/out") == 2
    assert "this id cannot name a file" in capsys.readouterr().err
    assert not list(corpus.rglob("outside*"))


def test_a_translator_behind_a_url(corpus: Path) -> None:
    with answering(lambda _, asked: json.dumps({"translatedText": f"번역 {len(asked['q'])}"}).encode()) as address:
        assert _made(corpus, "out", "--limit", "1", translator=f"{address}/translate") == 0
        (entry,) = read_manifest(corpus / "out" / "ko.jsonl").entries
        assert (entry.text, entry.extra["made"]["translated_by"]) == ("번역 12", f"{address}/translate")
