"""An avatar, loaded once and asked often: it hears, judges, answers, and speaks as a portrait."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.contracts import Transcript
from avcore.files import private_folder
from avcore.media import read_speech, write_speech_pieces
from avcore.progress import Progress, silent
from netflips.avatar.guards import AnswerGuard
from netflips.avatar.recognition import QuestionHearing
from netflips.avatar.replies import PUZZLED, Replier
from netflips.portrait.work import Portrait, write_portrait
from netflips.text_voice import TextVoice
from netflips.understanding import Understanding
from text2unit.inference import warn_of_script
from text2unit.script import script_of
from unit2av.lipsync import LipSync, Said

_SPOKEN = "answer.wav"
ANSWERED, QUESTION_REFUSED, ANSWER_REFUSED = "answered", "question refused", "answer refused"
NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True)
class Answer:
    """What was asked, and what is said to it.

    outcome: answered, not understood, or which of the two a guard refused. refusal: why it did, "" = it did not. seconds: how long
    each step took. understood: how far the question is, None = not known.
    """

    heard: Transcript
    text: str
    outcome: str = ANSWERED
    refusal: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    understood: Understanding | None = None


@dataclass(eq=False)
class Avatar:
    """A portrait with an ear, a voice and something to say.

    guards: what judges questions and answers. refused: said in place of what one of them refuses. puzzled: said in place of an
    answer to what is hardly understood.
    """

    ear: QuestionHearing
    replier: Replier
    guards: Sequence[AnswerGuard]
    refused: str
    voice: TextVoice
    portrait: Portrait
    mouth: LipSync
    puzzled: str = PUZZLED

    def answer(self, question: Path, out: Path, progress: Progress = silent) -> Answer:
        """Answer a recording with a video. Raises NetflipsError where it holds no sound or no answer comes: nothing is written."""
        watch = _Watch()
        with watch.step("listen"):
            heard, understood = self.ear.hear(question, progress)
        with watch.step("reply"):
            answer = replace(self.reply(heard, understood), understood=understood)
        self._say(answer.text, out, watch, progress)
        return replace(answer, seconds=watch.seconds)

    def reply(self, heard: Transcript, understood: Understanding | None = None) -> Answer:
        """Return what is said to a question. understood: how far it is, None = not known."""
        if refusal := self._judged(heard.text):
            return Answer(heard, self.refused, QUESTION_REFUSED, refusal)
        if understood is not None and understood.grade == "bad":
            return Answer(heard, self.puzzled, NOT_UNDERSTOOD)
        text = self.replier.reply(heard.text)
        if text == self.puzzled:
            return Answer(heard, text, NOT_UNDERSTOOD)
        if refusal := self._judged(text):
            return Answer(heard, self.refused, ANSWER_REFUSED, refusal)
        return Answer(heard, text)

    def _judged(self, text: str) -> str:
        return next((refusal for guard in self.guards if (refusal := guard.refuses(text))), "")

    def _say(self, text: str, out: Path, watch: "_Watch", progress: Progress) -> None:
        with private_folder() as folder:
            with watch.step("speak"):
                script = script_of(text)
                warn_of_script(script)
                telling = self.voice.tell(script, progress)
                write_speech_pieces(folder / _SPOKEN, telling)
                said = Said(telling.units, read_speech(folder / _SPOKEN))
            with watch.step("draw"):
                drawn = watch.until_first("first picture")
                write_portrait(out, self.portrait, self.mouth, folder / _SPOKEN, said, "speech and lips", _both(progress, drawn))


class _Watch:
    """Takes the time of each step (s), and since the question was there."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of the block."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun

    def until_first(self, name: str) -> Progress:
        """Take the time since the beginning when the first of some items is done."""

        def note(stage: str, done: int, total: int | None) -> None:
            if done and name not in self.seconds:
                self.seconds[name] = time.perf_counter() - self._begun

        return note


def _both(one: Progress, other: Progress) -> Progress:
    def report(stage: str, done: int, total: int | None) -> None:
        one(stage, done, total)
        other(stage, done, total)

    return report
