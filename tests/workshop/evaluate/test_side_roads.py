"""Rows beside dubbing: text read and said, and speech for silent lips; and what a bundle lacks for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avcore.checkpoints.bundle import Bundle, read_bundle
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate import command
from netflips.lip_speech import speak_lips
from tests.workshop.evaluate.conftest import SETTINGS
from text2unit.stage import SPELLER
from unit2av.speakers.voice_of import voice_of
from unit2av.voice.speech import UnitVocoder
from unit2text.stage import TEXT_READER
from workshop.evaluate import demo
from workshop.evaluate.bench import load_bundle
from workshop.evaluate.chain import Chain, read_clip
from workshop.evaluate.jobs import ExamPaths, Record
from workshop.evaluate.lacking import JUDGES, VOICES, lacks, measurable
from workshop.evaluate.material import plan_clip, write_clip
from workshop.evaluate.modalities import VIDEO
from workshop.evaluate.retrieval import SpokenReferences, record_references
from workshop.evaluate.rows import ROWS
from workshop.evaluate.side_roads import SideRoads, likeness
from workshop.evaluate.tasks import SpeakAgain
from workshop.voices.cast import cast

NAMES = {row.name: row for row in ROWS}


@pytest.fixture
def bare(bundle: Bundle, tmp_path: Path) -> Bundle:
    """The same without a reader and a speller."""
    folder = tmp_path / "bare"
    shutil.copytree(bundle.folder, folder)
    for name in (TEXT_READER.file, SPELLER.file_for("ko")):
        (folder / name).unlink()
    return read_bundle(folder)


def test_rows_are_absent_with_the_reason(bundle: Bundle, bare: Bundle) -> None:
    names = {VOICES: "natural voices are not installed (make voices)", JUDGES: "outside judges are not installed (make judges)"}
    found = lacks(bundle)
    assert found.pop("table of the mesh") == "the bundle has no table of the mesh"
    assert found.items() <= names.items()
    rows = [NAMES[name] for name in ("vocoder", "read_en", "said", "lip_speech", "lip_speech_read", "read_ko_lips")]
    kept, absent = measurable(rows, bare)
    assert [row.name for row in kept] == ["vocoder", "lip_speech"]
    assert {one.row.name: one.reason for one in absent} == {
        "read_en": "the bundle has no text reader",
        "read_ko_lips": "the bundle has no text reader",
        "lip_speech_read": "the bundle has no text reader",
        "said": "the bundle has no Korean speller",
    }


def test_the_table_says_what_is_not_measured(
    bare: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "EvaluationSettings", lambda number, edition: SETTINGS)
    docs = tmp_path / "demo.md"
    parts = [f"<!-- {part}: begin -->\nold\n<!-- {part}: end -->\n" for part in ("evaluation", "untouched speaker")]
    docs.write_text("".join(parts), encoding="utf-8")
    monkeypatch.setattr(demo, "note", lambda folder, metrics: None)
    arguments = ["demo", "--bundle", str(bare.folder), "--out-dir", str(tmp_path / "out"), "--docs", str(docs), "--write-docs"]
    assert command.main([*arguments, "--quiet", "--jobs", "1", "--number", "1", "--rows", "read_en,said"]) == 0
    told = capsys.readouterr()
    page = docs.read_text(encoding="utf-8")
    for text in (told.out, page):
        (line,) = [one for one in text.splitlines() if one.startswith("| text read from sound, English")]
        assert line.endswith("| ≤ 0.02 | not measured: the bundle has no text reader |")
    assert "not measured: the bundle has no Korean speller |\n<!-- evaluation: end -->" in page
    assert "read_en is not measured: the bundle has no text reader" in told.err
    (found,) = (tmp_path / "out").glob("*/metrics.json")
    assert set(json.loads(found.read_bytes())["absent"]) == {"read_en", "said"}


def test_figures_from_made_records() -> None:
    read: list[Record] = [
        {"index": 0, "errors": 0, "length": 20, "word_errors": 0, "words": 4},
        {"index": 1, "errors": 5, "length": 10, "word_errors": 2, "words": 2},
        {"index": 2, "failed": "no face was found", "right": False},
    ]
    records = {("held_out", "read audio"): read}
    errors = NAMES["read_en"].figure(records, SETTINGS)
    assert errors is not None
    assert (errors.value, errors.n) == (pytest.approx(20 / 45), 3)  # what could not be read is all wrong: 15 of 15
    assert NAMES["read_en"].meets_goal(errors) is False
    words = NAMES["read_en_words"].figure(records, SETTINGS)
    assert words is not None
    assert words.value == pytest.approx(5 / 9)
    assert NAMES["read_ko"].figure(records, SETTINGS) is None

    spoken: list[Record] = [{"index": 0, "right": True, "estoi": 0.7, "stoi": 0.8}, {"index": 1, "failed": "x", "right": False}]
    records = {("held_out", SpeakAgain(VIDEO).name): spoken}
    assert NAMES["lip_speech"].figure(records, SETTINGS).value == 0.5
    estoi = NAMES["lip_speech_estoi"].figure(records, SETTINGS)
    assert (estoi.value, estoi.n) == (0.7, 1)
    assert NAMES["lip_speech_estoi"].meets_goal(estoi)


def test_speech_for_lips_is_that_of_the_command(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, models = tmp_path / "clip.mp4", load_bundle(bundle.folder)
    plan = plan_clip("held_out", 1, SETTINGS)
    write_clip(clip, plan, SETTINGS.side)
    heard = read_clip(clip)
    english = tmp_path / "english.npz"
    record_references([plan.text, "Good morning.", "Where is the bank?"], cast().judges("en")[:2], english, lambda *_: None)
    side = SideRoads(ExamPaths(bundle.folder, tmp_path, english, english, tmp_path), Chain(models), SpokenReferences.read(english))
    said: list[np.ndarray] = []
    monkeypatch.setattr("workshop.evaluate.side_roads.likeness", lambda made, true: said.append(made) or {})

    record = side.speak_clip(heard, VIDEO, plan)

    vocoder = UnitVocoder.from_checkpoint(models.paths.unit2av, "en")
    voice = voice_of(heard.speech, models.speaker_encoder)
    np.testing.assert_array_equal(said[0], speak_lips(clip, vocoder, models.extractor, voice).samples)
    assert record["source_right"]
    assert {"right", "read", "errors"} <= record.keys()


def test_likeness_falls_with_noise_and_is_one_for_the_same() -> None:
    rng = np.random.default_rng(0)
    bursts = np.repeat(rng.random(60), SAMPLE_RATE // 20)
    true = (bursts * rng.standard_normal(len(bursts))).astype(np.float32)
    noisy = true + (0.5 * rng.standard_normal(len(true))).astype(np.float32)
    same, worse = likeness(true, true), likeness(noisy, true[:-400])
    assert same == {"stoi": 1.0, "estoi": 1.0}
    assert max(worse.values()) < 0.95
