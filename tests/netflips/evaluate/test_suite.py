"""A suite on cases whose figures are known by construction, manifests, stopped runs, intervals, tables and the page."""

import json
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image
from scipy.stats import bootstrap as scipys

from avcore.contracts import Transcript
from avcore.errors import CheckpointError, InputError, MediaError, NoSpeechError
from avcore.media import write_speech
from avcore.pool import Finished, Lost, Pool, PoolTask
from avcore.statistics import bootstrap, paired_bootstrap
from avcore.timeline import SAMPLE_RATE as RATE
from netflips.evaluate import records
from netflips.evaluate.cases import CaseFiles, check_media, read_cases
from netflips.evaluate.command import MeasureOptions, main
from netflips.evaluate.judges import Evaluators
from netflips.evaluate.page import Evaluation, page
from netflips.evaluate.records import AskedFigures, Job, Measurer, Record, Suite, run_left
from netflips.evaluate.table import Row, as_json, lines_of, markdown, rows_of
from netflips.script.files import write_script
from netflips.script.types import Made, Media, Script, Timing
from tests.avcore.made_speech import talk
from tests.netflips.conftest import write_clip
from tests.refusal import refused

TEXTS = ("오늘은 날이 좋다", "기차가 늦게 온다", "우리는 집에 간다", "물을 많이 마신다")
HZ = (200, 300, 400, 500)


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.asarray(0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE), np.float32)


class ByPitch:
    """A recognizer that hears a sentence for each pitch of a tone, and nothing in silence."""

    name = "by pitch"
    languages = ("ko",)
    heard = 0

    def transcribe(self, speech: np.ndarray, language: str | None = None) -> Transcript:
        ByPitch.heard += 1
        if not speech.any():
            raise NoSpeechError("there is only silence")
        hz = np.abs(np.fft.rfft(speech)).argmax() * RATE / len(speech)
        return Transcript(TEXTS[int(np.abs(np.array(HZ) - hz).argmin())], "ko")


@pytest.fixture
def by_pitch(monkeypatch: pytest.MonkeyPatch) -> type[ByPitch]:
    """Recognizes tones in place of speech; there are no other models."""
    ByPitch.heard = 0
    monkeypatch.setattr(Evaluators, "recognizer", ByPitch())
    monkeypatch.setattr(Evaluators, "there", frozenset({"recognizer"}))
    monkeypatch.setattr(Evaluators, "identity", lambda self, need: need)
    return ByPitch


def write_tones(folder: Path, order: tuple[int, ...] = (0, 1, 2, 3)) -> Path:
    """Four dubs that say the sentences in this order, with sources and references that say them in theirs."""
    lines = []
    for number, said in enumerate(order):
        write_speech(folder / f"{number}.wav", tone(150))
        write_speech(folder / f"{number}_ko.wav", tone(HZ[said], 1.05))
        write_speech(folder / f"{number}_true.wav", tone(HZ[number]))
        line = {"id": f"t{number}", "source": f"{number}.wav", "dub": f"{number}_ko.wav", "reference": f"{number}_true.wav"}
        lines.append(json.dumps({**line, "reference_text": TEXTS[number], "language": "ko"}, ensure_ascii=False))
    (folder / "cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "cases.jsonl"


def figures_of(out: Path) -> dict[tuple[str, str], dict[str, object]]:
    rows = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["rows"]
    return {(row["figure"], row["subject"]): row for row in rows}


def test_swapped_pairs_are_wrong_by_so_much_as_they_are_swapped(tmp_path: Path, by_pitch: type[ByPitch]) -> None:
    manifest, out = write_tones(tmp_path, (1, 0, 2, 3)), tmp_path / "figures"
    assert main(["dubs", str(manifest), "--out-dir", str(out), "--metrics", "cer,chrf,duration_ratio", "--cpu"]) == 0
    found = figures_of(out)
    wrong = found["wer", "dub"]
    assert wrong["value"] == pytest.approx(0.5)  # three words each, all wrong in two of four
    assert wrong["low"] < 0.5 < wrong["high"]
    assert found["cer", "reference"]["value"] == 0.0  # what the recognizer itself gets wrong
    assert found["wer", "shuffled"]["value"] > found["wer", "dub"]["value"]
    assert found["chrf", "reference"]["value"] == pytest.approx(100)
    assert "nrefs:1" in str(found["bleu_char", "dub"]["signature"])
    assert found["duration_ratio", "dub"]["value"] == pytest.approx(1.05)
    assert found["slc_20", "dub"]["value"] == 1.0
    facts = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["facts"]
    assert facts["recognizer"].startswith("by pitch; its own errors on true speech: word error rate 0.000 (4 clips)")


def test_a_stopped_run_goes_on_and_a_changed_file_is_measured_again(tmp_path: Path, by_pitch: type[ByPitch]) -> None:
    manifest, out = write_tones(tmp_path), tmp_path / "figures"
    words = ["dubs", str(manifest), "--out-dir", str(out), "--metrics", "wer", "--cpu", "--quiet"]
    assert main(words) == 0
    first, heard = (out / "records.jsonl").read_text(), by_pitch.heard
    assert heard
    assert main(words) == 0
    assert by_pitch.heard == heard
    lines = first.splitlines(keepends=True)
    (out / "records.jsonl").write_text("".join(line for line in lines if '"t2"' not in line) + lines[0][: len(lines[0]) // 2])
    assert main(words) == 0
    assert heard < by_pitch.heard < 2 * heard
    assert {place[0] for place in records.read_records(out)} == {"t0", "t1", "t2", "t3"}
    write_speech(tmp_path / "3_ko.wav", tone(HZ[0]))
    assert main(words) == 0
    assert figures_of(out)["wer", "dub"]["value"] == pytest.approx(0.25)


def test_a_silent_dub_says_nothing_and_counts(tmp_path: Path, by_pitch: type[ByPitch]) -> None:
    manifest, out = write_tones(tmp_path), tmp_path / "figures"
    write_speech(tmp_path / "0_ko.wav", np.zeros(RATE, np.float32))
    assert main(["dubs", str(manifest), "--out-dir", str(out), "--metrics", "wer", "--cpu", "--quiet"]) == 0
    assert (figures_of(out)["wer", "dub"]["value"], figures_of(out)["wer", "dub"]["n"]) == (pytest.approx(0.25), 4)


def test_speech_in_more_noise_is_understood_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Evaluators, "there", frozenset())
    rng, lines = np.random.default_rng(0), []
    for number, level in enumerate((0.001, 0.01, 0.1)):
        speech = talk([0.1, 1.2, 0.1], seed=10 * number)
        write_speech(tmp_path / f"{number}.wav", speech)
        noisy = speech + level * rng.standard_normal(len(speech)).astype(np.float32)
        write_speech(tmp_path / f"{number}_made.wav", np.clip(noisy, -1, 1).astype(np.float32))
        lines.append(json.dumps({"id": f"n{number}", "dub": f"{number}_made.wav", "source": f"{number}.wav"}))
    (tmp_path / "cases.jsonl").write_text("\n".join(lines))
    out = tmp_path / "figures"
    words = ["speech", str(tmp_path / "cases.jsonl"), "--out-dir", str(out), "--metrics", "stoi,unit_error_rate", "--cpu"]
    assert main(words) == 0
    found = {place[0]: one.figures["estoi"] for place, one in records.read_records(out).items() if place[1:] == ("dub", "stoi")}
    assert found["n0"] > found["n1"] > found["n2"]
    assert figures_of(out)["estoi", "reference"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert figures_of(out)["estoi", "shuffled"]["value"] < figures_of(out)["estoi", "dub"]["value"]
    lost = figures_of(out)["unit_error_rate", "dub"]
    assert "value" not in lost  # what cannot be measured is no zero
    assert lost["not_measured"] == {"needs a unit encoder": 3}


def test_clips_without_a_face_count_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Evaluators, "there", frozenset({"extractor"}))
    for name in ("a.mp4", "a_ko.mp4"):
        write_clip(tmp_path / name, tone(200, 0.4), 10)
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "source": "a.mp4", "dub": "a_ko.mp4"}\n')
    out = tmp_path / "figures"
    words = ["dubs", str(tmp_path / "cases.jsonl"), "--out-dir", str(out), "--cpu", "--metrics", "face_found,unit_sync"]
    assert main(words) == 0
    found = figures_of(out)
    assert (found["face_found", "dub"]["value"], found["face_found", "dub"]["n"]) == (0.0, 1)
    assert found["unit_sync", "dub"]["failed"] == 1
    assert "value" not in found["unit_sync", "dub"]
    assert "no face was found" in (out / "report.html").read_text(encoding="utf-8")
    assert "1 failed" in (out / "table.md").read_text(encoding="utf-8")


def test_one_dub_is_measured_without_a_folder(tmp_path: Path, by_pitch: type[ByPitch], capsys: pytest.CaptureFixture[str]) -> None:
    write_tones(tmp_path)
    made = Made(output="0_ko.wav", timings=(Timing("speech", 1.0), Timing("write", 2.0)))
    write_script(tmp_path / "dub.json", Script(media=Media(duration_s=2.0), made=made))
    before = sorted(tmp_path.iterdir())
    words = ["dub", str(tmp_path / "0_ko.wav"), "--source", str(tmp_path / "0.wav"), "--report", str(tmp_path / "dub.json")]
    assert main([*words, "--metrics", "duration_ratio,real_time", "--cpu"]) == 0
    shown = capsys.readouterr().out
    assert "| 1.050" in shown.partition("length over the source")[2].partition("\n")[0]
    assert "| 1.500" in shown.partition("seconds of work")[2].partition("\n")[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_worker_can_be_sent_to_several_processes(tmp_path: Path) -> None:
    """What makes it travels packed, as the pool sends it, and its records come back."""
    cases = read_cases(write_tones(tmp_path), ("source",))
    work = Suite(cases, {"": AskedFigures(("duration_ratio",))}, MeasureOptions())
    make = pickle.loads(pickle.dumps(partial(Measurer, work)))
    job = (2, (("dub", "duration_ratio", "key"),))
    (found,) = pickle.loads(pickle.dumps(make().process((job,))))
    assert (found.id, found.key, found.figures["duration_ratio"]) == ("t2", "key", 1.05)


def test_a_language_that_the_recognizer_does_not_know_ends_the_run(
    tmp_path: Path, by_pitch: type[ByPitch], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_tones(tmp_path)
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"ko"', '"es"'), encoding="utf-8")
    assert main(["dubs", str(manifest), "--out-dir", str(tmp_path / "out"), "--metrics", "wer", "--cpu", "--quiet"]) == 2
    assert "by pitch does not know the language; expected ko; found es" in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_complaint_about_the_recognizer_comes_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Evaluators) -> None:
        raise NoSpeechError("it cannot be opened")

    monkeypatch.setattr(Evaluators, "recognizer", property(none))
    monkeypatch.setattr(Evaluators, "there", frozenset({"recognizer"}))
    work = Suite([CaseFiles("a", Path("x"))], {"": AskedFigures(("wer",))}, MeasureOptions())
    refused(CheckpointError, "it cannot be opened", Measurer(work).process, ((0, ()),))


def test_the_help_names_all_actions(capsys: pytest.CaptureFixture[str]) -> None:
    refused(SystemExit, "0", main, ["--help"])
    shown = capsys.readouterr().out
    actions = ("demo", "dubs", "speech", "dub", "bench", "units", "translate")
    assert [name for name in actions if not re.search(rf"^    {name}\s", shown, re.MULTILINE)] == []


IDS = [f"c{number}" for number in range(8)]


def _rows(found: dict[tuple[str, str, str], Record], *figures: str, goals: dict[str, float] | None = None) -> list[Row]:
    """Rows of cases without groups, or of those whose ids begin with the group and a slash."""
    ids = dict.fromkeys(place[0] for place in found)
    cases = [CaseFiles(name, Path("x"), language="ko", group=name.rpartition("/")[0]) for name in ids]
    asked = {case.group: AskedFigures(figures, ("dub", "source", "shuffled")) for case in cases}
    return rows_of(found, Suite(cases, asked, MeasureOptions(), goals=goals or {}))


def _found(*found: Record) -> dict[tuple[str, str, str], Record]:
    return {one.place: one for one in found}


def _sync(values: dict[str, float], subject: str = "dub") -> list[Record]:
    return [Record(name, subject, "unit_sync", "", {"unit_sync": value}) for name, value in values.items()]


def test_a_rate_is_of_the_sums_and_a_mean_of_the_clips() -> None:
    found = _found(
        Record("a", "dub", "wer", "", {"wer": 1.0, "wer_above": 1.0, "wer_below": 1.0}),
        Record("b", "dub", "wer", "", {"wer": 0.0, "wer_above": 0.0, "wer_below": 9.0}),
        *_sync({"a": 0.2, "b": 0.4}),
    )
    rows = {row.name: row for row in _rows(found, "wer", "unit_sync")}
    (wer, sync) = (rows[name].cells["dub"].figure for name in ("wer", "unit_sync"))
    assert wer.value == pytest.approx(0.1)
    assert (sync.value, sync.n) == (pytest.approx(0.3), 2)


def test_what_failed_and_what_is_missing_stand_beside_the_figure() -> None:
    failed = Record("b", "dub", "unit_sync", "", failed="b.mp4: no face")
    missing = Record("c", "dub", "unit_sync", "", missing={"unit_sync": "needs a unit encoder"})
    (row,) = _rows(_found(*_sync({"a": 0.2}), failed, missing), "unit_sync")
    cell = row.cells["dub"]
    assert (len(cell.failed), dict(cell.reasons)) == (1, {"needs a unit encoder": 1})
    assert cell.why == "1 failed; 1 without: needs a unit encoder"
    (line,) = as_json([row])
    assert (line["value"], line["failed"], "low" in line) == (0.2, 1, False)  # a single clip has no interval
    (lost,) = _rows(_found(missing), "unit_sync")
    assert "value" not in as_json([lost])[0]
    assert markdown([lost]).splitlines()[2].endswith("| not measured: needs a unit encoder |")


def test_figures_that_all_lack_for_one_reason_share_a_line() -> None:
    names = ("lse_c", "lse_d", "lse_offset")
    lost = Record("a", "dub", "lse_c", "", missing=dict.fromkeys(names, "needs SyncNet (--syncnet)"))
    rows = _rows(_found(*_sync({"a": 0.2}), lost), "unit_sync", *names)
    assert [title for title, _ in lines_of(rows)] == ["unit sync ↑", "LSE-C ↑ and 2 more"]


@pytest.fixture
def rows() -> list[Row]:
    found = _found(
        *_sync({name: number / 10 for number, name in enumerate(IDS)}),
        *_sync(dict.fromkeys(IDS, 0.95), "source"),
        *_sync(dict.fromkeys(IDS, 0.05), "shuffled"),
    )
    return _rows(found, "unit_sync")


def test_tables_have_the_baselines_and_the_interval(rows: list[Row]) -> None:
    lines = markdown(rows).splitlines()
    assert re.split(r"\s*\|\s*", lines[0].strip("| ")) == [
        "figure",
        "dub [95 % interval]",
        "n",
        "source itself",
        "shuffled pairs",
        "notes",
    ]
    cells = re.split(r"\s*\|\s*", lines[2].strip("| "))
    assert cells[0] == "unit sync ↑"
    assert re.fullmatch(r"0\.350 \[0\.\d+, 0\.\d+\]", cells[1])
    assert cells[2:5] == ["8", "0.950", "0.050"]


def test_the_page_needs_nothing_beside_it_and_believes_no_text(rows: list[Row]) -> None:
    evil = "<script>alert(1)</script>"
    written = page(Evaluation(evil, {"clips": evil}, rows, {evil: [evil]}))
    assert "<script" not in written
    assert "http" not in re.sub(r"http-equiv", "", written)
    assert "default-src 'none'; style-src 'sha256-" in unescape(written)


def test_groups_have_rows_goals_and_clips_of_their_own() -> None:
    values = {"a/0": 0.0, "a/1": 1.0, "a/2": 1.0, "c/0": 0.0, "c/1": 1.0}
    found = {(name, "dub", "right"): Record(name, "dub", "right", "", {"right": value}) for name, value in values.items()}
    rows = _rows(found, "right", goals={"a.right": 0.9, "c.right": 0.5})
    assert [(row.name, row.is_met) for row in rows] == [("a.right", False), ("c.right", True)]
    head, _, first, second = markdown(rows).splitlines()
    assert head.endswith("| n | goal |")
    assert first.startswith("| a     | right sentence recognized")
    assert (first.split("|")[-2], second.split("|")[-2]) == (" ≥ 0.90, missed ", " ≥ 0.50, met ")
    assert [as_json([row])[0].get("met") for row in rows] == [False, True]
    shown = page(Evaluation("Exam", {}, rows))
    assert 'class="goal missed"' in shown
    assert "1 of 2 goals met; these are missed" in shown
    assert '<th scope="col">notes</th>' not in shown, "nothing is to be said of any row"


class Squares(Pool[Any, int]):
    """Squares of tasks; workers die of case 2."""

    def __init__(self) -> None:
        self.is_started = False

    def __enter__(self) -> Self:
        self.is_started = True
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, tasks: Iterable[tuple[int, PoolTask[Any]]]) -> Iterator[Finished[Any, int] | Lost[Any, int]]:
        for number, task in tasks:
            ((job,),) = task.parts
            yield Lost(number, job, "it died") if job[0] == 2 else Finished(number, task, [one**2 for one in job[1]])


def lost(job: Job, reason: str) -> Sequence[Any]:
    return [reason for _ in job[1]]


def test_what_is_left_is_done_and_kept_case_by_case() -> None:
    kept, told = list[Any](), list[tuple[int, int]]()
    left = {3: [10, 20], 1: [10]}
    run = run_left(left, 3, Squares(), lost, kept.extend, "square", lambda _, done, total: told.append((done, total)))
    assert next(run) == [100, 400]
    assert kept == [100, 400]
    assert list(run) == [[100]]
    assert kept == [100, 400, 100]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_case_that_workers_die_of_is_kept_too_or_ends_the_run() -> None:
    def refuse(job: Job, reason: str) -> Sequence[Any]:
        raise ValueError(reason)

    kept, wanted = list[Any](), {1: [2], 2: [4], 3: [5]}
    assert list(run_left(wanted, 3, Squares(), lost, kept.extend, "square")) == [[4], ["it died"], [25]]
    assert kept == [4, "it died", 25]
    kept.clear()
    refused(ValueError, "it died", list, run_left(wanted, 3, Squares(), refuse, kept.extend, "square"))
    assert kept == [4]


def test_nothing_starts_where_nothing_is_left() -> None:
    pool = Squares()
    assert list(run_left({}, 1, pool, lost, list[Any]().extend, "square")) == []
    assert not pool.is_started


_RNG = np.random.default_rng(5)
VALUES = _RNG.gamma(2.0, 1.0, size=60)


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    found = bootstrap(VALUES)
    theirs = scipys((VALUES,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert (found.value, found.low) == (pytest.approx(VALUES.mean()), pytest.approx(theirs.low, abs=0.04))
    assert (found.high, found.n) == (pytest.approx(theirs.high, abs=0.04), 60)
    assert bootstrap(VALUES) == found


def test_one_clip_says_nothing_of_others_and_none_is_an_error() -> None:
    alone = bootstrap([0.5])
    assert (alone.value, alone.n) == (0.5, 1)
    assert np.isnan([alone.low, alone.high]).all()
    refused(InputError, "nothing to measure", bootstrap, [])
    refused(InputError, "nothing to measure", bootstrap, [1.0], [0.0])


def test_a_small_gain_on_every_clip_is_significant() -> None:
    found = paired_bootstrap(list(VALUES), list(VALUES + 0.05 + _RNG.normal(scale=0.02, size=60)))
    assert found.is_significant
    assert found.low > 0
    assert found.value == pytest.approx(0.05, abs=0.01)
    assert bootstrap(VALUES).high - bootstrap(VALUES).low > 0.3  # it would drown in the intervals of the two


def test_chance_is_not_significant() -> None:
    sides = [np.random.default_rng(seed).normal(size=(2, 40)).tolist() for seed in range(40)]
    judged = [paired_bootstrap(first, second).is_significant for first, second in sides]
    assert sum(judged) <= 6  # one in twenty, more or less
    same = paired_bootstrap(list(VALUES), list(VALUES))
    assert (same.value, same.p, same.is_significant) == (0, 1, False)
    refused(InputError, "different clips", paired_bootstrap, [1.0], [1.0, 2.0])


Line = dict[str, object]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest beside files that are not empty."""
    for name in ("a.mp4", "a_ko.mp4", "b.mp4", "b_ko.mp4", "b.wav"):
        (tmp_path / name).write_bytes(b"x")

    def write(*lines: Line) -> Path:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        return path

    return write


A: Line = {"id": "a", "source": "a.mp4", "dub": "a_ko.mp4", "reference_text": "그  끝"}
B: Line = {"id": "b", "source": "b.mp4", "dub": "b_ko.mp4", "reference": "b.wav", "speaker": "ann", "language": "ko"}


def test_lines_become_cases(write: Write, tmp_path: Path) -> None:
    first, second = read_cases(write(A, B), ("source",))
    assert first == CaseFiles("a", tmp_path / "a_ko.mp4", tmp_path / "a.mp4", None, "그 끝", "", "ko")
    (several,) = read_cases(write({**A, "other_texts": ["저  끝", "끝"]}), ())
    assert [several.wanted(found) for found in ("저끝!", "그", "끝")] == ["저 끝", "그 끝", "끝"]
    assert (second.reference, second.speaker, second.language) == (tmp_path / "b.wav", "ann", "ko")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((A, {**B, "id": "a"}), "2 ids stand there more than once; expected one line for each id; found line 1: a; line 2: a"),
        (({**A, "dub": "x.mp4"}, {**B, "source": "y.mp4"}), "found line 1: dub"),
        (({**A, "dub": "x.mp4"}, {**B, "source": "y.mp4"}), "2 files are not there"),
        (({**A, "reference_text": " "}, {**B, "reference_text": ""}), "2 lines are no cases"),
        (({**A, "language": "es"}, B), "the languages of the dubs are mixed; expected one; found es, ko"),
        (({"id": "a", "dub": "a_ko.mp4"},), "line 1: it has no source"),
        (({**A, "sauce": "a.mp4"},), "line 1: it has sauce, which is none of"),
        (({**A, "speaker": 3},), "line 1: speaker is no text"),
        (({**A, "other_texts": "끝"},), "line 1: other_texts is no list of texts"),
        ((), "cases.jsonl"),
    ],
)
def test_what_is_wrong_is_told_at_once(write: Write, lines: tuple[Line, ...], said: str) -> None:
    message = refused(InputError, "", read_cases, write(*lines), ("source",))
    assert said in message
    assert "\n" not in message


def test_a_manifest_of_another_language_is_refused(write: Write) -> None:
    refused(InputError, "of another language; expected en; found ko", read_cases, write(B), (), "en")


def test_dubs_shorter_than_a_frame_are_named_with_missing_ones(tmp_path: Path) -> None:
    rate = 16_000
    write_speech(tmp_path / "short.wav", np.full(rate // 50, 0.1, np.float32))
    write_speech(tmp_path / "long.wav", np.full(rate, 0.1, np.float32))
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    cases = [CaseFiles(name, tmp_path / name) for name in ("short.wav", "long.wav", "none.mp4", "photo.png")]
    message = refused(MediaError, "3 dubs cannot be measured", check_media, cases, tmp_path)
    assert "short.wav: 0.020 s, shorter than a frame" in message
    assert "none.mp4" in message
    assert "photo.png: a still image (PNG)" in message
    assert "long.wav" not in message
