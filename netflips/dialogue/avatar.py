"""An avatar, loaded once and asked often: it hears, judges, answers, and speaks as a portrait."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.contracts import Transcript
from avcore.progress import Progress, silent
from netflips.dialogue.guards import AnswerGuard
from netflips.dialogue.recognition import QuestionHearing
from netflips.dialogue.replies import PUZZLED, Replier
from netflips.dubbing.begin import begin_along
from netflips.dubbing.job import Job
from netflips.dubbing.portrait import talk, told_track
from netflips.portraits.head import Portrait
from netflips.script.types import Script, Text, WrittenText
from netflips.text_voice import TextVoice
from netflips.understanding import Understanding
from text2unit.inference import warn_of_script
from text2unit.script import script_of

ANSWERED, QUESTION_REFUSED, ANSWER_REFUSED = "answered", "question refused", "answer refused"
NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True)
class Answer:
    """What was asked, and what is said to it.

    outcome: answered, not understood, or which of the two a guard refused. refusal: why it did, "" = it did not. seconds: how long
    each step took. understood: how far the question is, None = not known. script: of the answer's video, None = there is none yet.
    """

    heard: Transcript
    text: str
    outcome: str = ANSWERED
    refusal: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    understood: Understanding | None = None
    script: Script | None = None


@dataclass(eq=False)
class Avatar:
    """A portrait with an ear, a voice and something to say.

    guards: what judges questions and answers. refused: said in place of what one of them refuses. opened: opens the job of an
    answer. puzzled: said in place of an answer to what is hardly understood.
    """

    ear: QuestionHearing
    replier: Replier
    guards: Sequence[AnswerGuard]
    refused: str
    voice: TextVoice
    portrait: Portrait
    opened: Callable[[Path, Progress], AbstractContextManager[Job]]
    puzzled: str = PUZZLED

    def answer(self, question: Path, out: Path, progress: Progress = silent) -> Answer:
        """Answer a recording with a video. Raises NetflipsError where it holds no sound or no answer comes: nothing is written."""
        watch = _Watch()
        with watch.step("listen"):
            heard, understood = self.ear.hear(question, progress)
        with watch.step("reply"):
            answer = replace(self.reply(heard, understood), understood=understood)
        script = self._said(answer, out, watch, progress)
        return replace(answer, seconds=watch.seconds, script=script)

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

    def _said(self, answer: Answer, out: Path, watch: "_Watch", progress: Progress) -> Script:
        """Say an answer as a portrait; returns what was done."""
        with self.opened(out, _both(progress, watch.until_first("first picture"))) as job:
            with watch.step("speak"):
                text = script_of(answer.text)
                warn_of_script(text)
                job = replace(job, track=told_track(job, text, self.voice))
            with watch.step("draw"):
                script = begin_along(job, "still", WrittenText(answer.text, by="person"))
                asked = Text(answer.heard.text, answer.heard.language, "recogniser", answer.heard.words)
                script = replace(script, utterances=tuple(replace(one, text=asked) for one in script.utterances))
                return talk(script, job, self.portrait)


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
        """Take the time since the beginning when the first picture is drawn."""

        def note(stage: str, done: int, total: int | None) -> None:
            if stage == "pictures" and done and name not in self.seconds:
                self.seconds[name] = time.perf_counter() - self._begun

        return note


def _both(one: Progress, other: Progress) -> Progress:
    def report(stage: str, done: int, total: int | None) -> None:
        one(stage, done, total)
        other(stage, done, total)

    return report
