import json
import shlex
import sys
from pathlib import Path

import pytest

from avcore.data.manifest import read_manifest
from avcore.data.prepare.kox import Synthesis
from avcore.data.prepare.kox_layout import read_layout
from avcore.errors import UsageError
from avcore.media import read_speech
from tests.avcore.data.prepare.made import failures, prepare, read_rows, sound_bytes
from tests.avcore.data.prepare.trees import KOX_NAMES as NAMES
from tests.avcore.data.prepare.trees import kox_label, write_kox

SAY = "import sys, shutil; shutil.copy(sys.argv[2], sys.argv[3]); open(sys.argv[4], 'a').write(open(sys.argv[1]).read())"


def test_archives_in_parts_with_korean_names(tmp_path: Path) -> None:
    assert prepare("kox", write_kox(tmp_path / "kox", english=True), tmp_path / "out", "--keep-alone") == 0
    korean, english = (read_manifest(tmp_path / "out" / f"{language}.jsonl") for language in ("ko", "en"))
    assert [entry.id for entry in korean.entries] == NAMES
    assert [entry.id for entry in english.entries] == NAMES[:2]
    one, other = korean.entries[0], english.entries[0]
    assert (one.text, one.translation, one.speaker, one.language) == ("한국어 문장 0", "English sentence 0", "A01", "ko")
    assert (other.text, other.translation, other.language) == ("English sentence 0", "한국어 문장 0", "en")
    assert one.audio == f"audio/ko/{NAMES[0]}.wav"
    assert [entry.extra["split"] for entry in korean.entries] == ["train", "train", "train", "valid"]
    assert one.extra["topic"] == "여행"
    assert len(read_speech(tmp_path / "out" / one.audio)) == one.samples == pytest.approx(6400, abs=20)


def test_both_sides_have_equal_ids_and_limit_counts_pairs(tmp_path: Path) -> None:
    root = write_kox(tmp_path / "kox", english=True)
    for limit, expected, alone in ((0, NAMES[:2], NAMES[2:]), (1, NAMES[:1], [])):
        out = tmp_path / f"out{limit}"
        assert prepare("kox", root, out, "--limit", str(limit)) == 0
        for side in ("ko", "en"):
            assert [entry.id for entry in read_manifest(out / f"{side}.jsonl").entries] == expected
        assert [row["id"] for row in (read_rows(out / "alone.jsonl") if alone else [])] == alone
        assert (out / "alone.jsonl").exists() == bool(alone)


def test_a_field_that_lies_deeper_is_found(tmp_path: Path) -> None:
    """One level more than the layout says; two of one name say nothing."""
    labels = {}
    for number, name in enumerate(NAMES):
        label = json.loads(kox_label(number).decode("utf-8-sig"))
        content = {"inner": label} if number != 2 else {"inner": label, "other": label}
        labels[f"{name}.json"] = json.dumps(content, ensure_ascii=False).encode()
    assert prepare("kox", write_kox(tmp_path / "kox", labels), tmp_path / "out") == 1
    entries = read_manifest(tmp_path / "out" / "ko.jsonl").entries
    assert [(entry.id, entry.text) for entry in entries] == [(NAMES[n], f"한국어 문장 {n}") for n in (0, 1, 3)]


def test_folders_of_equal_names_need_no_labels(tmp_path: Path) -> None:
    for language in ("en", "ko"):
        for number, name in enumerate(NAMES):
            path = tmp_path / "kox" / "audio" / language / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound_bytes(0.3, number))
    assert prepare("kox", tmp_path / "kox", tmp_path / "out") == 0
    ids = [[entry.id for entry in read_manifest(tmp_path / "out" / f"{name}.jsonl").entries] for name in ("en", "ko")]
    assert ids == [NAMES, NAMES]


def test_english_recordings_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / f"{NAMES[0]}_en.wav").write_bytes(sound_bytes(0.3))
    (tmp_path / "voices" / f"{NAMES[1]}.wav").write_bytes(sound_bytes(0.3))
    assert prepare("kox", write_kox(tmp_path / "kox"), tmp_path / "out", "--english-root", str(tmp_path / "voices")) == 0
    assert [entry.id for entry in read_manifest(tmp_path / "out" / "en.jsonl").entries] == NAMES[:2]


def test_english_is_synthesised_where_there_is_none(tmp_path: Path) -> None:
    """A first run without a voice, then one with: only what is missing is made, by the user's own program."""
    root, out, notes = write_kox(tmp_path / "kox", english=True), tmp_path / "out", tmp_path / "said.txt"
    assert prepare("kox", root, out, "--keep-alone") == 0
    korean = (out / "ko.jsonl").read_bytes()
    template = f"{sys.executable} -c {shlex.quote(SAY)} {{text_file}} {{reference}} {{out}} {shlex.quote(str(notes))}"
    assert prepare("kox", root, out, "--synthesise-with", template) == 0
    assert notes.read_text().splitlines() == ["English sentence 2", "English sentence 3"]
    entries = read_manifest(out / "en.jsonl").entries
    assert [entry.id for entry in entries] == NAMES
    assert [entry.extra.get("synthetic", False) for entry in entries] == [False, False, True, True]
    assert (out / "ko.jsonl").read_bytes() == korean
    assert prepare("kox", root, out, "--synthesise-with", template) == 0
    assert len(notes.read_text().splitlines()) == 2


def test_a_synthesis_that_fails_is_set_aside_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; print('no voice called x', file=sys.stderr); sys.exit(3)"
    template = f"{sys.executable} -c {shlex.quote(code)} {{text}} {{out}}"
    assert prepare("kox", write_kox(tmp_path / "kox"), tmp_path / "out", "--synthesise-with", template) == 1
    failed = failures(tmp_path / "out")
    assert list(failed) == [f"en/{name}" for name in NAMES]
    assert "exit code 3: no voice called x" in failed[f"en/{NAMES[0]}"]
    assert len(read_manifest(tmp_path / "out" / "ko.jsonl")) == 4


def test_what_is_filled_in_is_not_looked_at_again(tmp_path: Path) -> None:
    """Text may hold anything, and no shell reads it."""
    text = "{out} $(touch x); 'quoted' \"twice\" {text}"
    code = "import sys; open(sys.argv[2], 'w').write(sys.argv[1])"
    template = f"{sys.executable} -c {shlex.quote(code)} {{text}} {{out}}"
    out = Synthesis(template).speak(text, "en", tmp_path / "ref.wav", tmp_path, "name", "A01")
    assert out.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["name.tts.wav"]
    for template, words in (
        ("tts {text}", "needs {out}"),
        ("tts --out {out}", "needs {out}, and {text}"),
        ("no-such-program {text} {out}", "is not there"),
        ("tts '{text} {out}", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=words):
            Synthesis(template).check()


def test_an_unknown_layout_shows_the_first_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = {"fileInfo": {"fName": "a.wav"}, "script": [{"src_sentence": "한국어 문장", "tgt_sentence": "English"}]}
    labels = {f"{name}.json": json.dumps(label, ensure_ascii=False).encode() for name in NAMES}
    assert prepare("kox", write_kox(tmp_path / "kox", labels), tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "fileInfo.fName = 'a.wav'; script = a list of 1; script[0].src_sentence = '한국어 문장'" in said
    assert "configs/data/kox.yaml" in said
    assert not (tmp_path / "out" / "ko.jsonl").exists()


def test_a_layout_of_ones_own_whose_wrong_key_is_named(tmp_path: Path) -> None:
    label = {"script": [{"file": f"{name}.wav", "src": {"text": "한국어"}, "tgt": "English", "id": 7} for name in NAMES[:3]]}
    layout = tmp_path / "mine.yaml"
    places = "utterances: [script]\nsound: [file]\ntext: [src.text]\ntranslation: [tgt]\nspeaker: [id]\n"
    layout.write_text(f"{places}english_ending: _en\n")
    root = write_kox(tmp_path / "kox", {"labels.json": json.dumps(label, ensure_ascii=False).encode()})
    assert prepare("kox", root, tmp_path / "out", "--layout", str(layout)) == 1  # the fourth recording has no label
    entries = read_manifest(tmp_path / "out" / "ko.jsonl").entries
    assert [(entry.id, entry.text, entry.translation, entry.speaker) for entry in entries] == [
        (name, "한국어", "English", "7") for name in NAMES[:3]
    ]
    assert "it has no label" in next(iter(failures(tmp_path / "out").values()))
    (tmp_path / "mine.yaml").write_text("texts: [ko]\n")
    with pytest.raises(UsageError, match="texts"):
        read_layout(tmp_path / "mine.yaml")


def test_single_bad_labels_are_set_aside(tmp_path: Path) -> None:
    labels = {f"{name}.json": kox_label(number) for number, name in enumerate(NAMES)}
    labels[f"{NAMES[1]}.json"] = b"{no json"
    labels[f"{NAMES[2]}.json"] = kox_label(2, ko="no Hangul here")
    labels["nothing_there.json"] = kox_label(9)
    assert prepare("kox", write_kox(tmp_path / "kox", labels), tmp_path / "out") == 1
    reasons = " | ".join(failures(tmp_path / "out").values())
    assert "this is no JSON" in reasons
    assert "with Hangul" in reasons
    assert "its recording is not there" in reasons
    assert [entry.id for entry in read_manifest(tmp_path / "out" / "ko.jsonl").entries] == [NAMES[0], NAMES[3]]
