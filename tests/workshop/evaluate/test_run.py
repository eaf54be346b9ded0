"""The evaluation as a user runs it, on a bundle that knows nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.checkpoints.bundle import Bundle
from avcore.media import PictureSource, read_speech
from avcore.progress import silent
from avdata.prepare.espeak import EspeakVoice, TimedSpeech
from netflips.evaluate import command
from netflips.evaluate.tables import markdown
from netflips.options import DubOptions
from netflips.pipeline import dub
from tests.workshop.evaluate.conftest import SETTINGS
from workshop.evaluate import chain, clipless, demo, material, run
from workshop.evaluate.bench import load_bundle
from workshop.evaluate.chain import Chain, read_clip
from workshop.evaluate.condition_rows import WARNING_ROWS
from workshop.evaluate.figures import figures_of, filled_rows, metrics
from workshop.evaluate.jobs import ExamItem, ExamJob, Need, Record, record_key
from workshop.evaluate.material import plan_clip, write_clip
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH, VIDEO
from workshop.evaluate.rows import NATURAL, OTHER_SYNTHESISERS, ROWS, UNTOUCHED, by_task, sweep_curve, sweep_needs
from workshop.evaluate.run import Evaluation, ExamWorker
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import Dub, DubShuffled, UnderstandInNoise, UnderstandThrough, UnderstandWithLips
from workshop.evaluate.worst import failures_of, worst_of_exam
from workshop.voices import others
from workshop.voices.cast import held_out_english
from workshop.voices.others import OtherVoice
from workshop.voices.phrasebook import SentencePair

_NOT_HERE = {"nearest_seen", "nearest_held_out", "voice", "f0_error", "floor", "floor_recorded", "hiss_off"}
"""Rows whose needs do not shrink with the settings of a test, and rows that one utterance of a voice that knows nothing may have
no figure for; they are measured on made records."""
HEAD = (" figure ", " result ", " 95 % interval ", " n ", " goal ")
_ASKED_FOR = {*NATURAL, *OTHER_SYNTHESISERS, *(row.name for row in WARNING_ROWS)}
"""Rows of synthesisers that may not be here, and of what a bundle says of itself."""


@pytest.fixture(scope="module")
def evaluation(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """An evaluation with all rows done."""
    evaluation = Evaluation(bundle, tmp_path_factory.mktemp("evaluation"), SETTINGS)
    evaluation.run(evaluation.missing(needs()), 1, silent)
    return evaluation


def needs() -> list[Need]:
    rows = [row for row in ROWS if row.name not in _NOT_HERE | _ASKED_FOR]
    return [need for row in rows for need in row.needs(SETTINGS)] + sweep_needs(SETTINGS)


def test_every_row_has_a_figure_and_random_weights_are_at_chance(evaluation: Evaluation) -> None:
    records = by_task(evaluation.records())
    lines = filled_rows(ROWS, records, SETTINGS)
    figures = figures_of(lines)

    failures = {record_key(one): one["failed"] for one in evaluation.records() if "failed" in one}
    assert not failures
    assert figures.keys() >= {row.name for row in ROWS} - _NOT_HERE - _ASKED_FOR
    wrong = ("seen", "held_out", "new_faces", "video_only", "noise_audio", "noise_both", "again", "random", "shuffled", "vocoder")
    assert sum(figures[name].value for name in wrong) <= 1, "a model that knows nothing was right again and again"
    assert figures["lips_ceiling"].value > 0.5  # one clip of unseen pose; 0.93 over twenty
    assert abs(figures["lips"].value) <= 1
    assert figures["vocoder_errors"].value > 0.5
    assert min(figures[name].value for name in ("read_en", "read_ko", "read_en_lips", "said_read", "lip_speech_read_words")) > 0.5
    assert figures["lip_speech_true"].value == 1
    assert max(figures[name].value for name in ("unit_sync_at_zero", "lip_speech_estoi")) < 0.5
    table = markdown(lines).splitlines()
    assert table[0].split("|")[1:6] == [one.ljust(len(cell)) for one, cell in zip(HEAD, table[0].split("|")[1:6], strict=True)]
    assert len(table) == len(lines) + 2
    found = json.loads(json.dumps(metrics(lines, sweep_curve(records, SETTINGS), records, SETTINGS)))
    assert found["rows"]["held_out"]["n"] == 1
    assert found["noise_sweep_db"]["audio"]["0"]["n"] == 1
    assert found["scores"]["score"]["0.5"] < 0


def test_what_is_done_is_not_done_again(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluation.missing(needs()) == []
    again = Evaluation(evaluation.bundle, evaluation.folder.parent, SETTINGS)
    assert again.missing(needs()) == []
    more = again.missing([Need("held_out", Dub(AUDIO), 2), Need("held_out", Dub(VIDEO), 1)])
    assert more == [ExamJob(ExamItem("held_out", 1), (Dub(AUDIO),))]

    path = again.folder / "records.jsonl"
    before = path.read_bytes()
    try:
        path.write_bytes(before[: len(before) - 40])  # killed while it wrote its last record
        halved = Evaluation(evaluation.bundle, evaluation.folder.parent, SETTINGS)
        assert len(halved.records()) == len(before.splitlines()) - 1
        assert sum(len(job.tasks) for job in halved.missing(needs())) == 1
    finally:
        path.write_bytes(before)


def test_another_bundle_begins_anew(evaluation: Evaluation, bundle: Bundle, tmp_path: Path) -> None:
    for file in bundle.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    references = tmp_path / "references.jsonl"
    references.write_text("".join(references.read_text(encoding="utf-8").splitlines(True)[:-1]), encoding="utf-8")

    other = Evaluation(replace(bundle, folder=tmp_path), evaluation.folder.parent, SETTINGS)
    assert other.folder != evaluation.folder
    assert other.records() == []


def test_what_is_found_does_not_depend_on_what_is_expected(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file with another expected sentence gives the same record; and nothing Korean is said on the way."""
    said: list[str] = []
    say = material.say
    monkeypatch.setattr(material, "say", lambda text, voice: said.append(text) or say(text, voice))
    clip = tmp_path / "clip.mp4"
    write_clip(clip, plan_clip("held_out", 0, SETTINGS), SETTINGS.side)
    monkeypatch.setattr(run, "write_clip", lambda path, plan, side: path.write_bytes(clip.read_bytes()))
    monkeypatch.setattr(clipless, "say", None)
    job, do = ExamJob(ExamItem("held_out", 0), (Dub(), DubShuffled())), ExamWorker(evaluation.place, SETTINGS)
    honest = do.do(job)

    def other(kind: str, index: int, settings: EvaluationSettings) -> SentencePair:
        return replace(sentence_of(kind, index, settings), korean=str(honest[0]["found"]))

    sentence_of = material.drawn_sentence
    monkeypatch.setattr(material, "drawn_sentence", other)
    told = do.do(job)

    def without_verdict(record: Record) -> Record:
        return {name: value for name, value in record.items() if not name.endswith("right") and name != "cpu_s"}

    for one, same in zip(honest, told, strict=True):
        assert without_verdict(one) == without_verdict(same)
    assert told[0]["right"]
    assert said
    assert all(text.isascii() for text in said)


def test_the_chain_is_that_of_netflips_dub(bundle: Bundle, tmp_path: Path) -> None:
    models, clip = load_bundle(bundle.folder), tmp_path / "clip.mp4"
    write_clip(clip, plan_clip("held_out", 2, SETTINGS), 128)
    chain, heard = Chain(models), read_clip(clip)
    dubbed = chain.dub(heard, "audio,video")
    chain.show(heard, dubbed, tmp_path / "ours.mp4")

    report = dub(clip, tmp_path / "theirs.mp4", models, DubOptions(timing="free"))

    assert report.target_steps == dubbed.said.num_steps
    assert report.translation_score == pytest.approx(dubbed.translation.score, abs=1e-6)
    ours, theirs = (PictureSource(tmp_path / f"{name}.mp4") for name in ("ours", "theirs"))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    np.testing.assert_array_equal(read_speech(ours.path), read_speech(theirs.path))


def test_a_clip_that_cannot_be_dubbed_counts_as_wrong(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "write_clip", lambda path, plan, side: write_clip(path, replace(plan, around=_away), side))
    record = ExamWorker(evaluation.place, SETTINGS).do(ExamJob(ExamItem("held_out", 3), (Dub(VIDEO),)))[0]

    assert record["right"] is False
    assert "no face" in record["failed"]
    line = filled_rows([row for row in ROWS if row.name == "video_only"], by_task([record]), SETTINGS)[0]
    assert line.own is not None
    assert line.own.figure is not None
    assert (line.own.figure.value, line.own.failed) == (0.0, 1)


def test_conditions_change_what_is_heard_and_units_are_judged(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[bool, bool]] = []
    monkeypatch.setattr(chain, "_by_default", lambda extractor, speech, lips: _noted(given, extractor, speech, lips))
    lips = UnderstandWithLips(AUTO, "own"), UnderstandWithLips(AUTO, "still"), UnderstandWithLips(BOTH, "still")
    do = ExamWorker(evaluation.place, SETTINGS)
    tasks = (*lips, UnderstandInNoise(0.0), UnderstandThrough("fast"), Dub())
    records = do.do(ExamJob(ExamItem("held_out", 5), tasks))

    assert not [one for one in records if "failed" in one]
    own, still, both, noise, fast, dubbed = records
    assert own["units"] == dubbed["units"]
    assert own["units_right"] == dubbed["units_right"]
    assert still["units"] == both["units"]
    assert len({tuple(one["units"]) for one in (own, still, noise, fast)}) == 4
    assert [one.get("modalities") for one in records] == ["decided", "decided", "audio,video", "decided", "audio", None]
    assert given == [(True, True)] * 3
    assert all("right" not in one for one in (own, still, both, noise, fast)), "nothing was said"


def _noted(given: list[tuple[bool, bool]], extractor: Any, speech: Any, lips: Any) -> chain.TakenUnits:
    given.append((speech is not None, lips is not None))
    return replace(chain._taken(extractor, speech, lips), modalities="decided")


def test_other_synthesisers_are_heard_alone(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, OtherVoice]] = []

    def stand_in(text: str, voice: OtherVoice) -> TimedSpeech:
        said.append((text, voice))
        return material.say(text, EspeakVoice("en-us+m5"))

    monkeypatch.setattr(others, "say", stand_in)
    do = ExamWorker(evaluation.place, SETTINGS)
    items = ExamItem("pico", 0), ExamItem("pico", 1), ExamItem("mbrola", 0)
    records = [do.do(ExamJob(item, (clipless.DubSynthesiser(item.kind),)))[0] for item in items]

    assert not [one for one in records if "failed" in one]
    assert [one["speaker"] for one in records] == ["en-US", "en-GB", "us1"]
    assert len({text for text, _ in said}) == 3, "each says sentences of its own"
    assert all(text in held_out_english(1) for text, _ in said)
    assert all({"right", "units_right", "confidence"} <= one.keys() for one in records)


_away = replace(plan_clip("held_out", 0, SETTINGS).around, shift=(3.0, 0.0))


def test_synthesisers_that_are_missing_are_told_in_one_line(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(others, "is_here", lambda voices: False)
    arguments = ["demo", "--bundle", str(bundle.folder), "--out-dir", str(tmp_path), "--rows", "others,others_units"]
    assert command.main([*arguments, "--number", "1"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "apt-get" in line]
    assert len(told) == 1
    assert "mbrola, rhvoice, festival, pico" in told[0]


def page(tmp_path: Path) -> Path:
    path = tmp_path / "demo.md"
    parts = [f"<!-- {part}: begin -->\nold\n<!-- {part}: end -->\n" for part in ("evaluation", "untouched speaker")]
    path.write_text("".join(["# Demo\n", *parts]), encoding="utf-8")
    return path


def test_the_command_writes_table_page_and_metrics(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "EvaluationSettings", lambda number, edition: replace(SETTINGS, number=number))
    notes: list[dict] = []
    monkeypatch.setattr(demo, "note", lambda folder, metrics: notes.append(metrics))
    docs = page(tmp_path)
    arguments = ["demo", "--bundle", str(bundle.folder), "--out-dir", str(tmp_path / "out"), "--docs", str(docs)]
    arguments += ["--quiet", "--jobs", "1", "--number", "1", "--rows", "vocoder,vocoder_errors"]

    assert command.main([*arguments, "--write-docs", "--with-untouched-speaker"]) == 0
    text = docs.read_text(encoding="utf-8")
    assert "vocoder alone on true units" in text
    assert "vocoder alone on true units" in capsys.readouterr().out
    assert text.count("n = 1)") == 1, "the run on the untouched speaker is listed"
    assert notes[0]["rows"]["vocoder"]["n"] == 1

    (found,) = (tmp_path / "out").glob("*/metrics.json")
    other = tmp_path / "other.json"
    other.write_bytes(found.read_bytes())
    assert command.main([*arguments, "--with-untouched-speaker", "--beside", f"other units={other}"]) == 0
    assert docs.read_text(encoding="utf-8").count("n = 1)") == 1, "nothing was run again"
    (table,) = (tmp_path / "out").glob("*/table.md")
    assert "vocoder alone on true units" in table.with_name("report.html").read_text(encoding="utf-8")
    assert table.with_name("table.tex").is_file()
    assert "| other units: vocoder alone on true units" in table.read_text(encoding="utf-8")
    assert json.loads(found.read_bytes())["others"]["other units"]["rows"]["vocoder"]["n"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "nonsense"], "unknown rows"),
        (["--rows", UNTOUCHED], "--with-untouched-speaker"),
        (["--number", "0"], "--number"),
        (["--jobs", "0"], "--jobs"),
        (["--worst", "-1"], "--worst"),
        (["--bundle", "nowhere"], "bundle"),
        (["--beside", "nowhere.json"], "TITLE=metrics.json"),
        (["--beside", "other=nowhere.json"], "nowhere.json"),
        (["--beside", f"other={__file__}"], "no JSON"),
        (["--write-docs", "--docs", "nowhere.md"], "the page"),
    ],
)
def test_bad_arguments_are_told_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["demo", "--out-dir", "/nonexistent", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_the_worst_clips_are_made_anew_for_the_page(evaluation: Evaluation) -> None:
    found: list[Record] = [
        {"kind": "held_out", "index": index, "task": BOTH, "right": index > 0, "found": f"heard {index}"} for index in range(3)
    ]
    rows = filled_rows([row for row in ROWS if row.name == "held_out"], by_task(found), SETTINGS)
    (worst,) = worst_of_exam(rows, found, evaluation.place, SETTINGS, 1)
    assert (worst.id, worst.failed, worst.notes) == ("held_out/0", [], [])
    assert set(worst.stills) == set(worst.sounds) == {"source", "dub"}
    wanted = material.drawn_sentence("held_out", 0, SETTINGS).korean
    assert (worst.texts["wanted"], worst.texts["heard"]) == (wanted, "heard 0")
    assert [one.value for one in worst.figures] == ["0.000"]
    assert worst_of_exam(rows, found[1:], evaluation.place, SETTINGS, 1) == []
    failed = [*found, {"kind": "held_out", "index": 1, "task": "random", "failed": "x"}, {**found[2], "failed": "no face"}]
    assert failures_of(failed) == {"held_out/2": [f"{BOTH}: no face"]}
