"""Programs that dub, side by side: planted worse dubs rank below their originals. A judge by units hears as transcribe does."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.contracts import Extraction, Transcript, Word
from avcore.errors import CheckpointError, InputError, LanguageError, UsageError
from avcore.journal import file_digest
from avcore.media import VideoWriter, read_speech, write_speech
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units, require_language
from netflips.evaluate.bench import AREAS, read_clips, read_systems, roads, standings
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.command import MeasureOptions, main
from netflips.evaluate.judges import Evaluators, UnitHearing, asked, onnx_file
from netflips.evaluate.metric import Missing
from netflips.evaluate.records import AskedFigures, Record, Suite
from netflips.evaluate.table import rows_of
from tests.avcore.made_speech import talk
from tests.netflips.evaluate.made import made_network
from tests.netflips.evaluate.test_damage import (
    COUNT,
    Damage,
    another_voice,
    at_its_own_pace,
    blurred,
    half,
    late_lips,
    metric_of,
    of_clips,
)
from tests.refusal import refused

RATE = 16_000
WORSE: dict[str, tuple[Damage, str]] = {
    "squeezed": (at_its_own_pace, "words"), "cut": (half, "words"), "other voice": (another_voice, "voice"),
    "late": (late_lips, "lips"), "blurred mouth": (blurred, "image"),
}  # fmt: skip


def records_of(system: str, damage: Damage | None) -> list[Record]:
    measures = dict.fromkeys(metric_of(name).name for names in AREAS.values() for name in names if name != "dnsmos")
    return [
        Record.of((str(number), system, measure), "", found, {})
        for measure in measures
        for number, found in enumerate(of_clips(measure, damage))
        if not all(isinstance(one, Missing) for one in found.values())
    ]


@pytest.mark.parametrize("name", WORSE)
def test_a_planted_worse_dub_ranks_below_its_original(name: str) -> None:
    damage, area = WORSE[name]
    found = {one.place: one for one in (*records_of("own", None), *records_of(name, damage))}
    clips = [CaseFiles(str(number), Path("x"), language="ko") for number in range(COUNT)]
    figures = AskedFigures(tuple(figure for names in AREAS.values() for figure in names), ("own", name))
    best, worst = standings(rows_of(found, Suite(clips, {"": figures}, MeasureOptions())), ["own", name])
    assert (best.system, worst.system) == ("own", name)
    assert best.whole > 0 > worst.whole
    assert best.areas[area] == -worst.areas[area] > 0
    assert set(best.better_in[name]) & set(AREAS[area])


def write_video(path: Path, seconds: float, level: float) -> None:
    sound = np.resize(np.asarray(talk([0.2, 0.8, 0.3, 0.6, 0.2]), np.float32), round(seconds * RATE)) * level
    with VideoWriter(path, 64, 64, 25, RATE) as writer:
        writer.write_sound(sound)
        for number in range(round(seconds * 25)):
            writer.write_rgb(np.full((64, 64, 3), 40 + number, np.uint8))


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Two clips, dubbed by two programs: one too long, with subtitles; of the other, a sound alone."""
    lines = []
    for number in range(2):
        (tmp_path / "clips").mkdir(exist_ok=True)
        write_video(tmp_path / "clips" / f"c{number}.mp4", 2.0, 1.0)
        lines.append({"id": f"c{number}", "source": f"clips/c{number}.mp4", "reference_text": "물 좀 주세요."})
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))
    for name, seconds in (("long", 2.8), ("fitting", 2.0)):
        folder = tmp_path / "systems" / name
        folder.mkdir(parents=True)
        (folder / "system.yaml").write_text(f"name: The {name}\nhow: by hand <b>\nversion: 1.2\n")
        write_video(folder / "c0.mp4", seconds, 0.5)
    (tmp_path / "systems" / "long" / "c0.ko.srt").write_text("1\n00:00:00,100 --> 00:00:01,500\n물 좀 주세요.\n")
    write_speech(tmp_path / "systems" / "fitting" / "c1.wav", read_speech(tmp_path / "clips" / "c1.mp4"))
    return tmp_path


def test_a_folder_of_dubs_becomes_a_table_and_a_page(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sacrebleu")
    monkeypatch.setenv("NETFLIPS_MODELS", str(bench / "none"))
    command = ["bench", str(bench), "--roads", "cascade", "--metrics", "slc_20,clicks", "--quiet"]
    assert main(command) == 0
    table = (bench / "table.md").read_text(encoding="utf-8")
    assert "- road cascade cannot run here: --cascade needs models" in table
    assert "- The long (1.2): 1 of 2 clips. by hand <b>" in table
    assert re.search(r"SLC 0.2.*\| 1\.000 \[.*\], n 2\s+\| 0\.000 \[.*\], n 1 ", table)
    assert re.search(r"subtitles: chrF\+\+.*\| 100\.0 \[100\.0, 100\.0\], n 1", table)
    content = json.loads((bench / "metrics.json").read_text(encoding="utf-8"))
    assert content["systems"]["fitting"] == {"name": "The fitting (1.2)", "how": "by hand <b>"}
    assert {one["system"] for one in content["standings"]} == {"long", "fitting"}
    page = (bench / "page.html").read_text(encoding="utf-8")
    played = re.findall(r'<(?:video|audio)[^>]* src="([^"]+)"', page)
    assert set(played) == {
        "clips/c0.mp4",
        "clips/c1.mp4",
        "systems/long/c0.mp4",
        "systems/fitting/c0.mp4",
        "systems/fitting/c1.wav",
    }
    assert all((bench / one).is_file() for one in played)
    assert "by hand <b>" not in page
    before = (bench / "measured" / "records.jsonl").read_bytes()
    assert main(command) == 0
    assert (bench / "measured" / "records.jsonl").read_bytes() == before


CLIP = {"id": "c0", "source": "clips/c0.mp4", "reference_text": "a"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reference_text": None}, "line 1: it has no reference_text"),
        ({"other_texts": "b"}, "line 1: other_texts is no list of texts"),
        ({"source": "clips/no.mp4"}, "file is not there, or empty"),
        ({"id": "../c0"}, "ids name files"),
        ({"id": "other"}, "it has none of the clips"),
        *(({name: value}, f"line 1: {name} is no text") for name, value in (("id", True), ("source", {}), ("subtitles", 5))),
    ],
)
def test_what_is_wrong_with_a_bench_is_one_line(
    bench: Path, changed: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench / "clips.jsonl").write_text(json.dumps(CLIP | changed), encoding="utf-8")
    assert main(["bench", str(bench), "--roads", "", "--quiet"]) == 2
    assert said in capsys.readouterr().err
    assert not (bench / "table.md").exists()


def test_a_folder_that_does_not_say_what_made_it_is_refused(bench: Path) -> None:
    (bench / "systems" / "long" / "system.yaml").write_text("name: x\n")
    refused(InputError, "does not say what made these dubs", read_systems, bench, read_clips(bench))


def test_an_id_may_be_a_number_and_a_line_may_have_more(bench: Path) -> None:
    (bench / "clips.jsonl").write_text(json.dumps(CLIP | {"id": 5, "kind": "plain"}))
    assert [clip.id for clip in read_clips(bench)] == ["5"]


def test_an_unknown_road_is_told_with_those_there_are(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(bench), "--roads", "sea", "--quiet"]) == 2
    assert ", ".join(roads()) in capsys.readouterr().err


def test_a_road_that_is_not_finished_is_no_system(bench: Path) -> None:
    (bench / "systems" / "long" / "system.yaml").unlink()
    assert [one.folder for one in read_systems(bench, read_clips(bench))] == ["fitting"]


class Reader:
    """Writes how long each utterance is."""

    languages, default_options, path = ("en", "ko"), None, Path("reader.safetensors")

    def __init__(self, takes: str = "units") -> None:
        self.takes = takes

    def require_language(self, language: str) -> str:
        return require_language(language, self.languages, "the reader")

    def read(self, units: Units, language: str | None, options: Any) -> Transcript:
        length = float(units.num_steps) / 50
        return Transcript(f"{length:.0f}", language or "en", (Word("x", 0.0, length, 1.0),))


def hearing(takes: str = "units") -> UnitHearing:
    def extract_scored(speech: np.ndarray, lips: None, *_: object) -> Extraction:
        return Extraction(Units.from_frames(np.arange(len(speech) // 320)), -0.1)

    extractor = SimpleNamespace(extract_scored=extract_scored, domain=None)
    return UnitHearing("by units", extractor, Reader(takes))  # type: ignore[arg-type]


def test_utterances_are_heard_one_by_one() -> None:
    found = hearing().transcribe(talk([0.2, 2.0, 3.0, 2.0, 0.2]), "ko")
    assert (found.text, found.language, len(found.words)) == ("2 2", "ko", 2)
    first, second = found.words
    assert first.start_s == pytest.approx(0.2, abs=0.3)
    assert (second.start_s, second.end_s) == (pytest.approx(5.2, abs=0.3), pytest.approx(7.2, abs=0.3))


def test_nothing_is_heard_in_silence() -> None:
    assert hearing().transcribe(np.zeros(2 * SAMPLE_RATE, np.float32)) == Transcript("", "")


def test_other_languages_and_other_readers_are_refused() -> None:
    refused(LanguageError, "", hearing().transcribe, talk([0.2, 1.0]), "fr")
    refused(UsageError, "must read units of sound", hearing, "lips")


def test_figures_of_syncnet_are_of_the_faces_that_it_looks_at(parity_dir: Path) -> None:
    """Those of other faces are measured again; the published ones keep the key that they have."""
    plain = MeasureOptions(syncnet=parity_dir / "syncnet_v2_tiny.model")
    keys = [
        Evaluators(replace(plain, **one)).identity("syncnet")
        for one in ({}, {"least_frames": 20}, {"least_frames": 20, "least_face": 40})
    ]
    assert keys[0] == file_digest(parity_dir / "syncnet_v2_tiny.model")
    assert len(set(keys)) == 3


@pytest.mark.local
def test_an_onnx_file_or_a_folder_with_one_is_a_judge(tmp_path: Path) -> None:
    """It takes sound float32 [1, S] and answers with a number or a vector; of several outputs the embeddings are meant."""
    made_network(tmp_path / "judge.onnx", [("ReduceMax", "x", "y", {"axes": [1], "keepdims": 0})], "y")
    judges = Evaluators(MeasureOptions(judge=(f"mos={tmp_path / 'judge.onnx'}",)))
    assert "judge:mos" in judges.there
    assert judges.identity("judge:mos") == file_digest(tmp_path / "judge.onnx")
    sound = np.array([0.1, 0.75, 0.5], np.float32)
    assert asked(judges.model("judge:mos"), sound).tolist() == [0.75]
    folder = tmp_path / "wavlm"
    (folder / "onnx").mkdir(parents=True)
    nodes = [("ReduceMax", "x", "logits", {"axes": [1]}), ("Identity", "x", "embeddings", {})]
    made_network(folder / "onnx" / "model.onnx", nodes, "logits", "embeddings")
    (folder / "onnx" / "model_quantized.onnx").write_bytes(b"another")
    assert asked(folder, sound).tolist() == sound.tolist()
    before = Evaluators(MeasureOptions(judge=(f"speaker={folder}",))).identity("judge:speaker")
    scaled = tmp_path / "scaled"
    shutil.copytree(folder, scaled)
    (scaled / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 16000}')
    assert asked(scaled, sound) == pytest.approx((sound - sound.mean()) / sound.std(), abs=1e-4)
    assert Evaluators(MeasureOptions(judge=(f"speaker={scaled}",))).identity("judge:speaker") != before


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, r"the judge's folder cannot be used.*expected one .onnx file, or one model.onnx.*found none"),
        ({"a.onnx": "a", "b.onnx": "b"}, r"the judge's folder cannot be used.*found a.onnx, b.onnx"),
    ],
)
def test_a_folder_with_no_network_or_with_several_is_refused(files: dict[str, str], error: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    refused(InputError, error, onnx_file, tmp_path)


@pytest.mark.local
def test_what_is_no_network_of_sound_at_16_khz_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "none.onnx").write_bytes(b"none")
    refused(CheckpointError, "this is no ONNX file", asked, tmp_path / "none.onnx", np.zeros(3, np.float32))
    made_network(tmp_path / "none.onnx", [("Identity", "x", "y", {})], "y")
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(InputError, match=r"the judge takes sound of another rate.*expected 16000 Hz.*found 8000"):
        asked(tmp_path, np.zeros(3, np.float32))
