"""The exam as a user runs it, on a bundle that knows nothing."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.checkpoints.bundle import Bundle
from avcore.media import probe, read_speech
from netflips.evaluate import command, judges
from netflips.evaluate.records import read_records
from recipes.demo.evaluate import demo, material
from recipes.demo.evaluate import demo as making
from recipes.demo.evaluate.demo import ExamMaker, ExamPlace, made_lines
from recipes.demo.evaluate.groups import GROUPS, Group
from recipes.demo.evaluate.material import plan_clip, write_clip
from recipes.demo.voices.phrasebook import held_out_free

BY_NAME = {group.name: group for group in GROUPS}


@pytest.fixture(autouse=True)
def no_outside_recognizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit-to-text model hears, on every machine."""
    monkeypatch.setattr(judges, "installed_folder", lambda name: None)


def make(bundle: Bundle, folder: Path, *groups: Group, number: int = 0) -> list[making.Line]:
    maker = ExamMaker(ExamPlace(bundle.folder, folder, side=128))
    return [maker.make(group, number) for group in groups]


def page(tmp_path: Path) -> Path:
    path = tmp_path / "demo.md"
    parts = [f"<!-- {part}: begin -->\nold\n<!-- {part}: end -->\n" for part in ("evaluation", "untouched speaker")]
    path.write_text("".join(["# Demo\n", *parts]), encoding="utf-8")
    return path


def test_the_command_makes_clips_and_writes_table_page_and_metrics(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[dict] = []
    monkeypatch.setattr(demo, "note", lambda folder, metrics: notes.append(metrics))
    docs = page(tmp_path)
    monkeypatch.setattr(demo, "PAGE_OF_EXAM", docs)
    arguments = ["demo", "--bundle", str(bundle.folder), "--out-dir", str(tmp_path / "out"), "--cpu"]
    arguments += ["--quiet", "--jobs", "1", "--number", "1", "--rows", "held_out,said,read_ko"]

    assert command.main([*arguments, "--write-docs", "--with-untouched-speaker"]) == 0
    told = capsys.readouterr()
    text = docs.read_text(encoding="utf-8")
    assert all(re.search(r"\| Korean text, said +\| ", found) for found in (text, told.out))
    assert text.count("n = 1)") == 1, "the run on the untouched speaker is listed"
    rows = {row["figure"]: row for row in notes[0]["rows"] if row["subject"] == "dub"}
    assert rows["untouched_speaker.right"]["value"] + rows["said.right"]["value"] + rows["held_out.right"]["value"] <= 1
    assert min(rows[name]["value"] for name in ("read_ko.read_sound", "read_ko.read_lips")) > 0.5
    assert "held_out.f0_off" in rows

    (folder,) = (tmp_path / "out").iterdir()
    assert set(made_lines(folder)) == {"held_out/0", "said/0", "read_ko/0", "untouched_speaker/0"}
    before = read_records(folder)
    monkeypatch.setattr(ExamMaker, "make", None)
    assert command.main([*arguments, "--with-untouched-speaker"]) == 0
    assert read_records(folder) == before
    assert docs.read_text(encoding="utf-8").count("n = 1)") == 1, "nothing was run again"
    assert re.search(r"\| Korean text, said +\| ", (folder / "table.md").read_text(encoding="utf-8"))
    assert (folder / "report.html").is_file()


def test_what_comes_out_is_independent_of_expectations(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (honest,) = make(bundle, tmp_path / "a", BY_NAME["video_only"])
    shutil.copytree(tmp_path / "a/clips/source_held_out", tmp_path / "b/clips/source_held_out")  # espeak-ng varies
    drawn = material.drawn_sentence
    monkeypatch.setattr(material, "drawn_sentence", lambda *given: replace(drawn(*given), korean="다른 말"))
    (told,) = make(bundle, tmp_path / "b", BY_NAME["video_only"])
    assert told["reference_text"] == "다른 말" != honest["reference_text"]
    assert (tmp_path / "a" / honest["dub"]).read_bytes() == (tmp_path / "b" / told["dub"]).read_bytes()


def test_a_clip_that_cannot_be_dubbed_is_silence_and_named(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(plan_clip("held_out", 0).around, shift=(3.0, 0.0))
    monkeypatch.setattr(making, "write_clip", lambda path, plan, side: write_clip(path, replace(plan, around=away), side))
    (line,) = make(bundle, tmp_path, BY_NAME["video_only"])
    assert "no face" in line["failed"]
    assert not read_speech(tmp_path / line["dub"]).any()
    (case,) = demo.cases_of([line], tmp_path)
    assert (case.id, case.group, case.dub) == ("video_only/0", "video_only", tmp_path / line["dub"])


def test_each_group_hears_what_it_is_for(bundle: Bundle, tmp_path: Path) -> None:
    """The same clip plain, in noise and with other lips gives other speech; sound alone does not look at lips."""
    plain = replace(BY_NAME["seen"], name="plain", kind="held_out")
    groups = [replace(BY_NAME["lips"], name=name, kind="held_out", needs=(), lips=(name,)) for name in ("still", "late")]
    alone = replace(BY_NAME["lips"], name="alone", kind="held_out", modalities="audio", lips=("still",))
    noise = BY_NAME["noise_audio"], BY_NAME["noise_auto"], replace(BY_NAME["noise_audio"], name="clean", sounds=())
    lines = make(bundle, tmp_path, plain, *groups, *noise, alone, number=2)
    assert not [line for line in lines if "failed" in line]
    made = [(tmp_path / line["dub"]).read_bytes() for line in lines]
    assert (len(set(made)), made[-1]) == (len(made) - 1, made[-2])


def test_dubs_are_videos_beside_the_teacher(bundle: Bundle, tmp_path: Path) -> None:
    (line,) = make(bundle, tmp_path, BY_NAME["held_out"])
    assert probe(tmp_path / line["dub"]).has_video
    assert read_speech(tmp_path / line["reference"]).any()
    said = make(bundle, tmp_path, BY_NAME["free"], BY_NAME["news"])
    texts = [line["reference_text"], *(one["reference_text"] for one in said)]
    assert texts[1:] == [held_out_free()[0], held_out_free("news")[0]]
    assert len(set(texts)) == 3
    (alone,) = make(bundle, tmp_path, BY_NAME["vocoder"])
    assert (alone["reference_text"], "failed" in alone) == (line["reference_text"], False)
    assert read_speech(tmp_path / alone["dub"]).any()


def test_what_is_not_here_is_no_row(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.kokoro, "missing_voices", lambda: ["kokoro"])
    found, absent = demo.available(GROUPS, bundle)
    assert absent["natural"] == "natural voices are not installed (make voices)"
    assert not {group.name for group in found} & absent.keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "nonsense"], "unknown rows"),
        (["--rows", "untouched_speaker"], "--with-untouched-speaker"),
        (["--number", "0"], "--number"),
        (["--jobs", "0"], "--jobs"),
        (["--bundle", "nowhere"], "bundle"),
    ],
)
def test_bad_arguments_are_told_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["demo", "--out-dir", "/nonexistent", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
