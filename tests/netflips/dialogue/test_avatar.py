"""`netflips avatar` from a spoken question to a talking portrait, with small random models."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avcore.contracts import Transcript, Word
from avcore.flags import options_from
from avcore.media import probe, read_speech, write_speech
from netflips.commands.options import AvatarOptions
from netflips.commands.options import avatar as command
from netflips.commands.recognition import Transcriber
from netflips.commands.say import END_S
from netflips.dialogue.guards import WordList
from netflips.dialogue.replies import PUZZLED, REFUSED, Program
from netflips.dialogue.work import Avatar, answer_question
from netflips.quality_estimation import QualityEstimate
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import silence, talk
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.conftest import error_line
from tests.unit2av.mouth_samples import open_mouth
from tests.unit2text.tiny import write_random_unit_to_text

main = command.main

SIDE = 220
REPLIES = """
fallback: 네?
refused: 대답할 수 없어요.
replies:
  - {ask: "How do I get to the bank?", say: 은행요.}
"""


class Echo:
    """A recognizer that always hears the same."""

    name, languages = "echo", ("en",)

    def __init__(self, text: str) -> None:
        self.text, self.count = text, 0

    def transcribe(self, speech: np.ndarray, language: str | None = None) -> Transcript:
        self.count += 1
        words, seconds = self.text.split(), len(speech) / 16000
        edges = [seconds * place / max(len(words), 1) for place in range(len(words) + 1)]
        said = (Word(word, *place, 0.9) for word, place in zip(words, pairwise(edges), strict=True))
        return Transcript(self.text, language or "en", tuple(said))

    def languages_in(self, speech: np.ndarray) -> dict[str, float]:
        return {"en": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait, a question, silence, replies, a list of words, a voice and small models."""
    folder = tmp_path_factory.mktemp("avatar")
    Image.fromarray(draw(head_of(907), Pose(scale=0.55), MouthShape(0.0, 0.0), SIDE)).save(folder / "face.png")
    write_speech(folder / "question.wav", talk([0.2, 1.2, 0.3]))
    write_speech(folder / "silence.wav", silence(1.0))
    (folder / "replies.yaml").write_text(REPLIES, encoding="utf-8")
    (folder / "blocked.txt").write_text("바보\n", encoding="utf-8")
    np.save(folder / "voice.npy", np.full(256, 1 / 16, dtype=np.float32))
    open_mouth().save(folder / "mouth.npz")
    write_random_text_to_unit(folder / "text_to_unit.safetensors")
    write_random_unit_to_text(folder / "reader.safetensors")
    return folder


@pytest.fixture
def words(folder: Path, tmp_path: Path, parity_dir: Path) -> Callable[..., list[str]]:
    def make(*more: object, listen: str = "question.wav", frame: str = "face.png") -> list[str]:
        given = {
            "--listen": folder / listen,
            "--out-vid-path": tmp_path / "answer.mp4",
            "--report": tmp_path / "answer.json",
            "--text2unit-path": folder / "text_to_unit.safetensors",
            "--unit2av-path": parity_dir / "unit2av_renderer.pt",
            "--av2unit-path": parity_dir / "mavhubert.pt",
            "--voice": folder / "voice.npy",
            "--mouth-table": folder / "mouth.npz",
        }
        return [str(folder / frame), *(str(word) for pair in given.items() for word in pair), "--cpu", "--quiet", *map(str, more)]

    return make


def uses_audio(monkeypatch: pytest.MonkeyPatch, text: str) -> Echo:
    echo = Echo(text)
    monkeypatch.setattr("netflips.cascade.engines.open_speech_recognizer", lambda *how: echo)
    monkeypatch.setattr("netflips.cascade.engines.recognizer_fingerprint", lambda folder: text)
    opened = Transcriber.open
    heard = lambda options: opened(replace(options, recognizer=Path("echo"), unit2text_path=None))  # noqa: E731
    monkeypatch.setattr("netflips.dialogue.work.Transcriber.open", heard)
    return echo


def report(tmp_path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    return content


def test_a_question_is_answered_by_a_talking_portrait(
    words: Callable[..., list[str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses_audio(monkeypatch, "how do i get to the bank")
    assert main(words("--replies", folder / "replies.yaml", "--blocked", folder / "blocked.txt")) == 0
    told = report(tmp_path)
    assert (told["recognized"], told["answer"], told["outcome"]) == ("how do i get to the bank", "은행요.", "answered")
    assert list(told["seconds"]) == ["listen", "reply", "speak", "first frame", "draw"]  # type: ignore[call-overload]
    info = probe(tmp_path / "answer.mp4")
    assert info.comment.startswith("synthetic:")
    assert (info.frame_rate, info.height) == (25, SIDE)
    assert abs(float(info.duration_s) - len(read_speech(tmp_path / "answer.mp4")) / 16000) < 0.1
    length = float(info.duration_s) - END_S
    slow = words("--replies", folder / "replies.yaml", "--speed", "0.5")
    script = answer_question(options_from(AvatarOptions, command.parser().parse_args(slow)))
    assert (script.schedule, script.source_text, script.target_text) == ("still", "how do i get to the bank", "은행요.")
    assert script.num_drawn == script.result.frames > 0
    assert float(probe(tmp_path / "answer.mp4").duration_s) - END_S > 1.5 * length


def test_units_are_read_where_no_recognizer_is_given(words: Callable[..., list[str]], folder: Path, tmp_path: Path) -> None:
    asked = words("--replies", folder / "replies.yaml", "--unit2text-path", folder / "reader.safetensors", "--from", "en")
    assert main(asked) == 0
    told = report(tmp_path)
    assert told["language"] == "en"
    assert told["recognized"] != ""  # random weights say something
    assert told["answer"] == "네?"


def test_silence_is_not_understood(
    words: Callable[..., list[str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = uses_audio(monkeypatch, "a hallucination")
    assert main(words("--replies", folder / "replies.yaml", listen="silence.wav")) == 0
    assert echo.count == 0
    assert (report(tmp_path)["answer"], report(tmp_path)["outcome"]) == ("네?", "not understood")


def test_questions_and_answers_are_guarded(folder: Path, tmp_path: Path) -> None:
    speaker = tmp_path / "speak.py"
    speaker.write_text("import sys\nprint('너는 바 보야' if 'me' in sys.stdin.read() else '안녕하세요')\n")
    guard, program = WordList.read(folder / "blocked.txt"), Program([sys.executable, str(speaker)], 20.0)
    avatar = Avatar(None, program, [guard], REFUSED, None, None, None)  # type: ignore[arg-type]  # nothing is heard or shown
    bad = avatar.reply(Transcript("hello"), QualityEstimate("not_understood", 0.2))
    assert (bad.outcome, bad.text) == ("not understood", PUZZLED)  # the program is not asked
    said = [avatar.reply(Transcript(text)) for text in ("이 바ㅂㅗ야", "tell me", "hello")]
    assert [one.outcome for one in said] == ["question refused", "answer refused", "answered"]
    assert [one.text for one in said] == [REFUSED, REFUSED, "안녕하세요"]
    assert [bool(one.refusal) for one in said] == [True, True, False]


def test_an_answer_that_cannot_be_said_is_one_line(
    words: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uses_audio(monkeypatch, "hello")
    emoji = "nothing to say in the text; expected a word; found '😀'"
    for code, complaint in (("pass", "did not answer; found no answer"), ("print(chr(128512))", emoji)):
        assert main(words("--reply-command", f"'{sys.executable}' -c '{code}'")) == 2
        assert complaint in error_line(capsys)
        assert list(tmp_path.iterdir()) == []


def test_a_folder_of_whisper_is_opened_by_the_recognizers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = []

    def opening(*how: object) -> Echo:
        opened.append(how)
        return Echo("hello")

    monkeypatch.setattr("netflips.cascade.engines.open_speech_recognizer", opening)
    words = ["x", "--listen", "x", "--out-vid-path", "x.mp4", "--recognizer", str(tmp_path), "--cpu"]
    transcriber = Transcriber.open(options_from(AvatarOptions, command.parser().parse_args(words)))
    assert opened == [(tmp_path, "cpu", "float32")]
    assert transcriber.road.recognizer == tmp_path
