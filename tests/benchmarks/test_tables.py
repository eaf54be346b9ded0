"""Medians, ratios and pages made from results; a stage measured with small models."""

import time
from pathlib import Path

import numpy as np
import pytest

import netflips.dubbing.dub as page
from avcore.units import Units
from benchmarks import __main__ as tables
from benchmarks import lab, material, whole
from benchmarks.__main__ import benchmark_rows, build_parser
from benchmarks.stages import ComparedSide, Ledger, SideWorker, measure_stage, read_results
from recipes.demo.random.random_checkpoints import TRANSLATOR, write_random_checkpoints
from unit2unit.translator import UnitTranslator

ROOT = Path(__file__).resolve().parents[2]
ABOUT = {
    "cpu": "A processor", "family": "23", "model": "49", "instructions": ["avx2"], "cores": 2, "torch": "2.11", "threads": 1,
    "dub_threads": 2, "size": "published", "load": 0.1, "date": "2026-01-02", "baseline_commit": "abc1234", "commit": "def5678",
}  # fmt: skip


def runs(stage: str, who: str, amount: float, seconds: list[float]) -> dict[str, dict]:
    same = {"stage": stage, "who": who, "is_ours": who.startswith("ours"), "amount": amount, "agreement": ""}
    measured = ({"cpu_s": one, "wall_s": one, "peak_mib": 100 * turn} for turn, one in enumerate(seconds, 1))
    return {f"{who}, {amount:g}, round {turn}": same | one for turn, one in enumerate(measured, 1)}


def part(points: dict) -> dict:
    return {"about": ABOUT, "points": points}


def lips() -> dict[str, dict]:
    return {
        **runs("lips", "reference", 10, [20, 10, 30]),
        **runs("lips", "ours, float32", 10, [10, 10, 10]),
        **runs("lips", "ours, auto", 10, [5, 4, 100]),
        **runs("lips", "ours, auto", 60, [24]),
    }


def dub(seconds: float) -> dict:
    return {"media_s": seconds, "wall_s": seconds, "cpu_s": 2 * seconds, "peak_mib": 2048, "stage check": 0.1 * seconds}


def everything() -> dict[str, dict]:
    chain = {"av2unit": 1, "unit2unit": 10, "vocoder": 1, "lips": 8, "peak_mib": 10}
    return {
        "lips": part(lips()),
        "unit2unit": part({**runs("unit2unit", "fairseq", 200, [30]), **runs("unit2unit", "ours, auto", 200, [7.5])}),
        "chain": part({"published, round 1": chain, "ours, auto, round 1": {**chain, "unit2unit": 0, "lips": 2}}),
        "dub": part(
            {
                "3 s, auto, round 1": dub(3),
                "3 s, auto, round 2": dub(3),
                "60 s, auto, round 1": dub(60) | {"wall fit": 0.2, "cpu fit": 0.2, "wall translate": 40, "cpu translate": 60},
                "60 s, auto, --beam 5, round 1": dub(60) | {"wall_s": 40},
            }
        ),
    }


def test_rows_are_medians_and_ratios_to_the_baseline() -> None:
    found = {(row.who, row.amount): row for row in benchmark_rows(lips())}
    assert found["ours, auto", 10].ratio == pytest.approx(20 / 5)
    assert found["ours, float32", 10].ratio == pytest.approx(2)
    assert found["ours, auto", 60].ratio == pytest.approx(120 / 24)  # as if the baseline took six times as long
    assert (found["reference", 10].ratio, found["ours, auto", 10].runs) == (1, 3)


def test_the_page_is_filled_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "docs" / "ko").mkdir(parents=True)
    page, readme, korean = (tmp_path / name for name in ("docs/performance.md", "README.md", "docs/ko/README.md"))
    for path in (page, readme, korean):
        path.write_text((ROOT / path.relative_to(tmp_path)).read_text(encoding="utf-8"), encoding="utf-8")
    before = readme.read_text(encoding="utf-8").splitlines()
    for _ in range(2):
        tables.write_tables(everything(), tmp_path)
        text = page.read_text(encoding="utf-8")
        assert text.count("A processor family 23 model 49 with avx2, 2 cores; torch 2.11") == 1
        assert "| 60 s, auto, --beam 5 | 0.67 | 0.10 | 2.00 | 2.0 GiB | 1 |" in text
        assert "| cores busy |\n| --- | --- | --- | --- |\n| `translate` | 40.0 | 60.0 | 1.50 |\n" in text
        (changed,) = set(readme.read_text(encoding="utf-8").splitlines()) - set(before)
        assert changed.endswith(
            "| 2 CPU cores (A processor family 23 model 49 with avx2), 2.1 GB | 60 s, with `--beam 5` 40 s, `--precision auto` |"
        )
        assert "60초, `--beam 5`로 40초" in korean.read_text(encoding="utf-8")
        assert "30.00 (fairseq) | - | 7.50: 4.0 times as fast | 1 |" in text
        assert "## Method" in text
        assert "| ours, auto | 1 | 4.00 | 5.00 |" in text


def test_sentences_are_as_long_as_a_talks_and_fill_the_clip() -> None:
    found = material.sentences(60)
    assert sum(found) + len(found) * material.PAUSE_S == pytest.approx(60)
    assert min(found) < 4 < 13 < max(found)
    sound = whole.talk(np.concatenate([np.zeros((160, 1)), np.ones((1600, 1))]).astype(np.float32), 16_000, 10)
    assert (sound.shape, sound.mean()) == ((160_000, 1), pytest.approx(0.94, abs=0.01))


def test_random_models_translate_as_much_as_there_is_in_speech(folder: Path) -> None:
    translator = UnitTranslator.from_checkpoint(folder / TRANSLATOR)
    with whole.like_speech() as steps:
        found = translator.translate_batch([Units.from_frames(np.arange(50 * seconds) % 9) for seconds in (2, 1)], "en", "es")
    assert sorted(steps) == [round(material.KOX_RATIO * (units + 3)) for units in (35, 70)]
    assert [len(one.tokens) - 1 for one in found] == sorted(steps, reverse=True)
    assert len(translator.translate(Units.from_frames(np.arange(50)), "en", "es").tokens) > max(steps)


def test_steps_of_a_dub_are_measured_and_do_what_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure_rates(*given: object) -> object:
        time.sleep(0.2)
        return given

    monkeypatch.setattr(measure_rates, "__module__", "netflips.dubbing.timing")
    monkeypatch.setattr(page, "measure_rates", measure_rates)
    with whole.seconds_of_steps() as taken:
        assert page.measure_rates("script", "sound") == ("script", "sound")  # type: ignore[arg-type, comparison-overlap]
        with pytest.raises(AttributeError):
            page.fit(None, None, None)  # type: ignore[arg-type]
    wall, cpu = taken["measure_rates"]
    assert wall >= 0.2
    assert cpu < wall / 2
    assert set(taken) == {"measure_rates", "fit"}
    assert page.measure_rates is measure_rates


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints")
    write_random_checkpoints(path, "tiny")
    return path


def test_a_stage_beside_the_baseline(folder: Path, tmp_path: Path) -> None:
    options = build_parser().parse_args(["--lengths", "0.4", "0.8", "--rounds", "2", "--precisions", "float32"])
    ledger = Ledger(tmp_path / "vocoder.json", {})
    measure_stage("vocoder", options, folder, tmp_path, ledger)
    found = {(row.who, row.amount): row for row in benchmark_rows(ledger.points)}
    assert read_results(tmp_path)["vocoder"]["points"] == ledger.points
    assert set(found) == {(who, amount) for amount in (0.4, 0.8) for who in ("ours, float32", "reference")}
    assert all(row.runs == 2 and row.cpu_s > 0 for row in found.values())
    first = ledger.points["ours, float32, 0.8, round 1"]
    assert first["peak_mib"] > 100
    assert float(first["agreement"].split()[2]) < 1e-4


def test_a_worker_that_fails_says_why(folder: Path, tmp_path: Path) -> None:
    with SideWorker("vocoder", ComparedSide("ours"), tmp_path) as worker, pytest.raises(SystemExit, match=r"unit_av_renderer"):
        worker.warm_up(0.4)
    there_is_none = ComparedSide("ours", device="cuda:99")
    with SideWorker("vocoder", there_is_none, folder) as worker, pytest.raises(SystemExit, match=r"cuda"):
        worker.warm_up(0.4)


def test_what_a_lab_waits_for_is_a_table_with_its_machine() -> None:
    run = {"what": "units of an hour of speech, auto", "n": 28, "cpu_s": 1234.5, "wall_s": 2000.25, "peak_mib": 1536}
    assert tables.lab_table({}) == ""
    head, _, _, _, row = tables.lab_table({"corpus": part({"extract, auto, cpu": run})}).splitlines()
    about = "A processor family 23 model 49 with avx2, one thread, load 0.1, torch 2.11, 2026-01-02."
    assert head == f"`python -m benchmarks --parts training corpus`: {about}"
    assert row == "| units of an hour of speech, auto | 1,234.50 | 2,000.25 | 1.5 GiB | 28 |"


def test_an_hour_of_speech_is_measured_without_the_start(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "models", tmp_path / "scratch"
    write_random_checkpoints(folder, "tiny")
    options = build_parser().parse_args(["--precisions", "float32", "--corpus-s", "40"])
    options.device = "other"  # no speech
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            lab,
            "_netflips",
            lambda *words: {"wall_s": 1.0, "cpu_s": 2.0 + 3 * sum("corpus 4" in str(word) for word in words), "peak_mib": 9},
        )
        ledger = Ledger(tmp_path / "corpus.json", ABOUT)
        lab.measure_corpus(options, folder, scratch, ledger)
    assert list(ledger.points) == ["prepare", "extract, float32, other"]
    assert all(point["n"] == 2 and point["cpu_s"] > 0 for point in ledger.points.values())
