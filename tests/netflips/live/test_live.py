"""`netflips live`: over units and over text, into files that are whole at any moment, and what is refused."""

import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="needs the extra asr")
pytest.importorskip("sentencepiece", reason="needs the extra asr")

import netflips
from avcore.media import probe, write_speech
from netflips.commands.live import main
from netflips.dubbing import recognize
from netflips.live.feed import ArrivingFeed, open_feed
from netflips.live.steps import RATE
from netflips.live.writer import LiveWriter
from netflips.loaded import Loaded
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.script.files import read_script
from netflips.subtitles.formats import read_cues
from tests.avcore.made_speech import talk
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.conftest import error_line, model_flags, write_clip
from tests.netflips.recognizers.tiny import by_pauses, write_whisper

HEARD, SAID = "the bus stops", "그 버스 서요"
WORDS = {"the": "그", "bus": "버스", "stops": "서요"}
PLAN = [0.8, 2.5, 5.0, 2.6, 0.8]


@pytest.fixture(autouse=True)
def folders_are_not_tried_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognize, "packed", by_pauses)
    for module in ("recognizers.whisper", "cascade.translator"):
        monkeypatch.setattr(f"netflips.{module}.try_apart", lambda *_: None)


@pytest.fixture(scope="module")
def over_text(tmp_path_factory: pytest.TempPathFactory, paths: ModelPaths) -> list[str]:
    place = tmp_path_factory.mktemp("folders")
    flags = {
        "--recognizer": write_whisper(place / "small.en", HEARD),
        "--text-translator": write_translator(place / "nllb", WORDS),
        "--text2unit-path": write_random_text_to_unit(place / "text2unit.safetensors"),
        "--unit2av-path": paths.unit2av,
    }
    return ["--cascade", *(str(item) for pair in flags.items() for item in pair)]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    write_speech(path, talk(PLAN))
    return path


@pytest.fixture
def live(tmp_path: Path) -> Callable[..., int]:
    def run(given: object, out: str, *more: object) -> int:
        flags = "--from", "en", "--to", "ko", "--device", "cpu", "--quiet"
        return main([str(given), "-o", str(tmp_path / out), *flags, *map(str, more)])

    return run


def test_a_talk_over_text_is_spoken_shown_and_kept(
    live: Callable[..., int], spoken: Path, over_text: list[str], tmp_path: Path
) -> None:
    record, out = tmp_path / "talk.json", tmp_path / "out.mka"
    how = "--clock", "virtual", "--subtitles", "source,target", "--record", record
    assert live(spoken, "out.mka", *over_text, *how) == 0
    script = read_script(record)
    heard = [one.text.text for one in script.utterances if one.text]
    said = [one.spoken.text for one in script.utterances if one.spoken]
    assert (heard[0], said[0]) == (HEARD, SAID)
    assert HEARD.endswith(heard[1])  # of such a recognizer the time of the first word may be too early
    assert SAID.endswith(said[1])
    assert [one.place.start_s for one in script.utterances] == pytest.approx([0.8, 8.3], abs=0.15)
    assert all(one.speaker == "speaker 1" for one in script.utterances)

    info = probe(out)
    assert info.comment.startswith("synthetic: NetfLips")
    assert float(info.duration_s) > sum(PLAN)
    for language, texts in (("en", heard), ("ko", said)):
        cues, _ = read_cues((tmp_path / f"out.{language}.vtt").read_text(encoding="utf-8"), ".vtt", "en", "ko")
        assert [one.text for one in cues] == texts
        assert all(before.end_s <= after.start_s for before, after in pairwise(cues))

    assert live(spoken, "out.mka", *over_text, *how) == 0  # begun again: what was written stays, and the record goes on
    again = read_script(record).utterances
    assert again[:2] == script.utterances
    assert again[2].place.start_s > again[1].place.end_s
    assert (tmp_path / "out.2.mka").is_file()


def test_a_video_over_units_keeps_its_frames(
    live: Callable[..., int], paths: ModelPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", talk([0.8, 2.5, 0.7]), 100)
    assert live(clip, "out.mkv", *model_flags(paths), "--clock", "virtual", "--delay", "2", "--record", tmp_path / "a.json") == 0
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert np.diff(times) == pytest.approx(0.04, abs=0.002)
    assert len(times) == 100
    (one,) = read_script(tmp_path / "a.json").utterances
    assert one.source_units is not None
    assert one.quality is not None  # random models understand nothing, and that is not spoken
    assert (one.quality.words, one.units) == ("not_understood", None)
    assert "at 0.8 s: " in capsys.readouterr().err


def test_python_yields_each_turn_when_it_is_dubbed(models: Models, spoken: Path) -> None:
    segments = list(Loaded(models).live(spoken, options=netflips.LiveOptions(clock="virtual")))
    assert [one.utterance.number for one in segments] == [1, 2]
    assert all(one.heard_s >= one.utterance.place.start_s for one in segments)


def test_a_pipe_is_dubbed_as_it_comes(
    live: Callable[..., int], spoken: Path, over_text: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with spoken.open("rb") as stream:
        monkeypatch.setattr("netflips.live.feed.sys.stdin", type("Stdin", (), {"buffer": stream}))
        assert live("-", "live", *over_text, "--record", tmp_path / "a.json", "--subtitles", "target") == 0
    assert len(read_script(tmp_path / "a.json").utterances) >= 1
    assert (tmp_path / "live" / "live.m3u8").is_file()
    assert (tmp_path / "live" / "live.ko.vtt").is_file()


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_file_is_whole_at_any_moment(tmp_path: Path, name: str) -> None:
    writer = LiveWriter(str(tmp_path / name), RATE, 1, (64, 48), "synthetic")
    for tick in range(150):
        writer.write_frame(av.VideoFrame(64, 48, "yuv420p"), tick / 25)
        writer.write_sound(np.zeros((RATE // 25, 1), np.float32))
    shutil.copy(tmp_path / name, tmp_path / f"copy_{name}")  # as a process leaves it that is killed
    writer.close()
    for kind, least in ((f"copy_{name}", 3.0), (name, 5.9)):
        with av.open(str(tmp_path / kind)) as container:
            times = [frame.time for frame in container.decode(video=0)]
        assert times[-1] > least


def test_what_breaks_off_is_opened_again(spoken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, done = [], threading.Event()

    def open_source() -> object:
        opened.append(1)
        if len(opened) == 3:
            done.set()
        return av.open(str(spoken))

    feed = ArrivingFeed(open_source, "rtmp://there", comes_back=True)
    monkeypatch.setattr(feed._stopped, "wait", lambda seconds: done.is_set())
    pieces, length_s = [], sum(PLAN)
    while not feed.is_ended and len(opened) < 4:
        pieces += feed.take(0.0)
    feed.close()
    times = [one.time_s for one in pieces]
    assert times == sorted(times)
    assert times[-1] > 2 * length_s - 1


@pytest.mark.parametrize(
    ("given", "out", "more", "says"),
    [
        ("none.wav", "a.mkv", (), "none.wav"),
        ("srt://there", "a.mkv", (), "this kind of address"),
        ("talk", "a.avi", (), "cannot be written live"),
        ("talk", "none/a.mkv", ("--clock", "virtual"), "folder"),
        ("talk", "none/a", (), "the folder cannot be made"),
        ("talk", "text", (), "the folder cannot be made"),
        ("talk", "a.mkv", ("--delay", "31"), "30"),
        ("talk", "a.mkv", ("--subtitles", "both"), "--subtitles"),
        ("talk", "a.mkv", ("--background", "keep"), "under"),
        ("talk", "a.mkv", ("--recognizer", "here"), "--cascade"),
        ("picture", "a.mkv", (), "it has no sound"),
        ("text", "a.mkv", (), "cannot be opened"),
    ],
)
def test_what_cannot_be_dubbed_is_refused(
    live: Callable[..., int], spoken: Path, paths: ModelPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    given: str, out: str, more: tuple[str, ...], says: str,
) -> None:  # fmt: skip
    (tmp_path / "text").write_text("no media")
    known = {"talk": spoken, "text": tmp_path / "text"}
    if given == "picture":
        known["picture"] = write_clip(tmp_path / "picture.mp4", None, 3)
    models = () if "--recognizer" in more else model_flags(paths)
    try:
        code = live(known.get(given, given), out, *models, *more)
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert says in error_line(capsys)
    assert out == "text" or not (tmp_path / out).exists()


def test_a_file_is_fed_at_its_own_pace(spoken: Path) -> None:
    feed = open_feed(str(spoken))
    assert not feed.take(0.0)
    taken = [sum(len(one.sound) for one in feed.take(now) if one.sound is not None) / RATE for now in (1.0, 2.0, 100.0)]
    assert taken[:2] == pytest.approx([1.0, 1.0], abs=0.1)
    assert sum(taken) == pytest.approx(sum(PLAN), abs=0.05)
    assert feed.is_ended
    feed.close()
