"""A dub that checks itself: what is planted is found and told, and never ends the dub."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.contracts import Transcript, Word
from avcore.errors import InputError
from avcore.media import read_speech, write_speech
from avcore.notes import KINDS, Notes
from avcore.speech.audio import resample
from avcore.speech.espeak import EspeakVoice, espeak_speech
from avcore.speech.figures import leak
from avcore.timeline import Interval
from netflips.dubbing import check_recognizer
from netflips.dubbing.check import _Checker, packs_of
from netflips.dubbing.check_recognizer import CheckRecognizer, compared, longest_gaps
from netflips.dubbing.dub import dub
from netflips.dubbing.measures import Measurer, Spoken
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.script.files import read_script, write_script
from netflips.script.targets import Text, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import SPEECH_FAULTS, Checked, TimeFit, Utterance
from tests.netflips.dubbing.made import work_made, write_times
from unit2av.lipsync.backend import LipSyncChoice

SPANS = [(0.8, 3.4), (4.8, 7.1), (8.3, 10.7)]
TEXTS = ["저는 보라색 책이 좋아요", "오늘 날씨가 아주 좋네요", "공항에 가고 싶어요"]


class _Listener:
    """Hears what stands in `answers`, one after another; the last again and again."""

    languages, name = ("ko",), "stand-in"

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    def transcribe(self, speech: np.ndarray, language: str | None = None) -> Transcript:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return Transcript(answer, language or "")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[..., _Listener]:
    """Makes what hears the dub."""

    def make(*answers: str | Exception) -> _Listener:
        listener: Any = _Listener(*answers)
        name = f"stand-in {answers}"  # another one hears anew
        monkeypatch.setattr(check_recognizer, "check_recognizer", lambda *_: CheckRecognizer(listener, name))
        return listener  # type: ignore[no-any-return]

    return make


@pytest.fixture
def options(tmp_path: Path, work: Path) -> DubOptions:
    times = write_times(tmp_path / "times.json", *((*span, text) for span, text in zip(SPANS, TEXTS, strict=True)))
    return DubOptions(modalities="audio", lips=LipSyncChoice("none"), script_in=times, work_dir=work, check="tell")


def test_what_was_heard_and_measured_is_told_and_kept(
    recording: Path, spelling: Models, heard: Callable[..., _Listener], options: DubOptions, tmp_path: Path
) -> None:
    listener = heard(TEXTS[0], "오늘 좋네요", InputError("the recognizer broke"))
    report = dub(recording, tmp_path / "out.mp4", spelling, options)
    one, other, third = report.utterances
    assert (one.checked.text, one.checked.transcript, one.checked.right) == (TEXTS[0], TEXTS[0], 1.0)
    assert one.checked.faults == ()
    assert one.checked.speed is not None
    assert one.checked.leak is not None
    assert "missing" in other.checked.faults
    assert third.checked is None
    assert [note.code for note in other.notes] == ["found_faults"]
    assert [note.values["error"] for note in third.notes if note.code == "not_checked"] == ["the recognizer broke"]
    assert any("utterance 2: check of the spoken audio: " in told for told in report.warnings)
    write_script(tmp_path / "script.json", report)
    assert read_script(tmp_path / "script.json").utterances[0].checked is None  # it is checked anew
    asked, listener.answers = listener.asked, ["nothing of it"]
    again = dub(recording, tmp_path / "again.mp4", spelling, options)
    assert listener.asked == asked + 1  # the one that failed
    same = ([replace(one, checked=None, notes=()) for one in script.utterances] for script in (again, report))
    assert next(same) == next(same)
    assert work_made(again) == {"recognized": 1, "voices": 1}
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()
    quiet = dub(recording, tmp_path / "off.mp4", spelling, replace(options, check="off"))
    assert not any(one.checked for one in quiet.utterances)


def test_the_original_voice_that_is_left_in_is_told(
    recording: Path, spelling: Models, heard: Callable[..., _Listener], options: DubOptions, tmp_path: Path
) -> None:
    heard(*TEXTS)
    write_speech(tmp_path / "effects.wav", read_speech(recording))
    out = tmp_path / "out.mp4"
    report = dub(recording, out, spelling, replace(options, background_audio=tmp_path / "effects.wav"))
    assert all(one.checked is not None and one.checked.faults == ("leak",) for one in report.utterances)
    start, stop = (round(16000 * at) for at in SPANS[0])
    assert leak(read_speech(out)[start:stop], read_speech(recording)[start:stop]) > 0.5


def _spoken(number: int, speaker: str, voice: Any) -> Spoken:
    return Spoken(Utterance(number, speaker=speaker), Checked(), np.array(voice, np.float32) / np.linalg.norm(voice))


def _checker(script: Script, **measures: Any) -> Any:
    silent: Any = {"recognizer": None, "has_times": False, "encoder": None, "store": None, "mouth": None, "readings": {}}
    speak = {"speak": lambda one: np.full(16_000, 0.1, np.float32), "language": "ko"}
    return _Checker(script, Measurer(**{**silent, **speak, **measures}), Notes(is_quiet=True))


@pytest.mark.parametrize("error", [InputError("it was not recognized"), ZeroDivisionError()])
def test_what_cannot_be_measured_is_reported_but_no_bug(error: Exception) -> None:
    def speak(one: Utterance) -> np.ndarray:
        raise error

    place = Interval(0, 2.5)
    one = Utterance(1, place, target=WrittenText("네"), units=UnitList((1,), (125,)), fit=TimeFit(place, durations=(125,)))
    checker = _checker(Script("en", "ko", utterances=(one,)), speak=speak)
    if isinstance(error, InputError):
        assert checker.all() == {}
        assert [note.code for note in checker.notes.of[1]] == ["not_checked"]
    else:
        with pytest.raises(ZeroDivisionError):
            checker.all()


def test_the_voice_of_another_is_found_among_what_is_spoken() -> None:
    checker = _checker(Script())
    voices = [1, 0.1, 0], [1, 0, 0.1], [1, 0.2, 0], [0, 1, 0.1], [0.1, 1, 0], [0, 1, 0]
    speakers = "Ann", "Ann", "Ann", "Bob", "Bob", "Ann"
    checker.spoken = {k: _spoken(k, *one) for k, one in enumerate(zip(speakers, voices, strict=True), 1)}
    found = [checker._among_others(one).faults for one in checker.spoken.values()]
    assert found == [(), (), (), (), (), ("voice",)]  # Bob says too little to be judged
    assert checker._among_others(replace(checker.spoken[1], voice=None)).own_voice is None


@pytest.mark.parametrize(("opening", "closed"), [(0.0, True), (1.0, False)])
def test_lips_that_stay_open_where_they_are_to_close_are_found(opening: float, closed: bool) -> None:
    pytest.importorskip("espeakng_loader")

    text = "밥 먹고 바람 맞으며 봄비를 봐요"
    said = espeak_speech(text, EspeakVoice("ko"))
    speech = resample(said.samples, said.rate, 16_000)
    count = len(speech) // 640 + 1
    mouth = SimpleNamespace(parameters=lambda units: np.tile([opening, 0.0, 0.0], (count, 1)))
    one = Utterance(1, Interval(0, 3), units=UnitList((1, 2), (5, 5)), fit=TimeFit(Interval(0, 3), durations=(5, 5)))
    shut, stay = _checker(Script("en", "ko"), mouth=mouth).measurer.closed(one, speech, text)
    assert shut + stay >= 6
    assert (stay == 0) == closed
    assert (shut == 0) != closed


def test_letters_missing_and_added_in_a_row_are_counted() -> None:
    text, short = "저는 보라색 책이 좋아요", "저는 책이 좋아요"
    assert (longest_gaps(text, text), longest_gaps(short, text)) == ((0, 0), (7, 0))
    assert longest_gaps("저는 책이 책이 책이 책이 좋아요", short) == (0, 15)
    assert all(f"fault_{name}" in KINDS for name in SPEECH_FAULTS)
    assert Utterance(text=Text("a")).checked is None


@pytest.mark.parametrize(
    ("heard", "faults"),
    [
        ("저는 보라색 책이 좋아요.", set()),
        ("저는 보라색 채기 조아요", set()),
        ("저는 책이 좋아요", {"missing"}),
        ("저는 보라색 보라색 보라색 책이 좋아요", {"misheard", "repeated"}),
        ("", {"unheard"}),
        ("전화 도라세 행이 도화유", {"misheard"}),
    ],
)
def test_what_is_heard_is_compared_with_the_text(heard: str, faults: set[str]) -> None:
    assert compared(Transcript(heard, "ko"), "저는 보라색 책이 좋아요", "ko", 3 * 16_000)[1] == faults


def test_half_a_minute_is_heard_at_once_and_words_go_by_time(tmp_path: Path) -> None:
    lengths = enumerate((2, 2, 20, 9, 40), 1)
    placed = [Utterance(number, Interval(0, seconds), fit=TimeFit(Interval(0, 0))) for number, seconds in lengths]
    assert [*packs_of(placed)] == [[1, 2, 3], [4], [5]]
    spoken = [replace(one, fit=None if one.number == 2 else TimeFit(Interval(0, 0), spoken_s=9.0)) for one in placed]
    assert [*packs_of(spoken)] == [[1, 2, 3], [4], [5]]  # one that is said otherwise, or not at all, moves none
    assert [*packs_of([])] == []
    words = (Word("가", 0.6, 1.0, 1.0), Word("나", 2.0, 2.6, 1.0), Word("다", 3.5, 4.0, 1.0))
    listener: Any = SimpleNamespace(transcribe=lambda speech, language: Transcript("가 나 다", "ko", words), languages=("ko",))
    speaks = {"has_times": True, "speak": lambda one: np.full(2 * 16_000, 0.1, np.float32)}
    measurer = _checker(Script("en", "ko"), recognizer=listener, **speaks).measurer
    heard = measurer.transcribe_together(placed[:3])  # 2 s each, a second apart, from half a second on
    assert [one.text for one in heard] == ["가 나", "다", ""]
    assert measurer.transcribe_together(placed[:1]) == [None]

    def fail(speech: np.ndarray, language: str) -> Transcript:
        raise InputError("the recognizer failed")

    listener.transcribe = fail  # then each is transcribed by itself
    assert measurer.transcribe_together(placed[:2]) == [None, None]
