"""The work of `netflips avatar`: one question, one answer."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.command import LOG
from avcore.contracts import Transcript
from avcore.errors import NoSpeechError, UsageError
from avcore.files import write_text
from avcore.media import require_video_name
from avcore.media.tracks import select_audio_track
from avcore.programs import parse_command
from avcore.progress import Progress, bars, silent
from avcore.words import user_language
from netflips.commands.options import AvatarOptions
from netflips.commands.portrait import speak_text, talk
from netflips.commands.recognition import (
    Transcriber,
    joined,
    transcripts_of,
)
from netflips.commands.say import TextVoice, choose_voice
from netflips.dialogue.guards import AnswerGuard, WordList
from netflips.dialogue.replies import DEMO_REPLIES, PUZZLED, REFUSED, Program, Replier, Replies
from netflips.dubbing.begin import begin_with_given_audio
from netflips.dubbing.face_path import paste_lower_face
from netflips.dubbing.given import track_of
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions, settings_as_json
from netflips.dubbing.roads.units import UnitRoad
from netflips.model_paths import paths_asked
from netflips.models import models_when_asked
from netflips.portraits.head import Portrait
from netflips.quality_estimation import QualityEstimate
from netflips.script.targets import Text, WrittenText
from netflips.script.types import Script
from text2unit.inference import warn_of_script
from text2unit.script import script_of
from text2unit.stage import LANGUAGES
from unit2av.lipsync import LipSync
from unit2av.lipsync.backend import resolve_backend
from unit2av.rendering import opened_lip_sync
from unit2av.stage import RENDERER

ANSWERED, QUESTION_REFUSED, ANSWER_REFUSED = "answered", "question refused", "answer refused"
NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True)
class Answer:
    """A question and its answer."""

    recognized: Transcript
    """the question's transcript"""
    text: str
    """the answer"""
    outcome: str = ANSWERED
    """answered, not understood, or whether a guard refused the question or the answer"""
    refusal: str = ""
    """why a guard refused it, "" = none did"""
    seconds: dict[str, float] = field(default_factory=dict)
    """how long each step took"""
    quality: QualityEstimate | None = None
    """how well the question is understood, None = not known"""
    script: Script | None = None
    """of the answer's video, None = there is none yet"""


@dataclass(eq=False)
class Avatar:
    """A portrait that recognizes questions and answers them in a voice."""

    transcriber: Transcriber
    """of questions"""
    replier: Replier
    """what answers"""
    guards: Sequence[AnswerGuard]
    """what checks questions and answers"""
    refused: str
    """spoken in place of what a guard refuses"""
    voice: TextVoice
    """in which answers are spoken"""
    portrait: Portrait
    """the face that speaks them"""
    opened: Callable[[Path, Progress], AbstractContextManager[Job]]
    """opens the job that writes an answer to a file"""
    puzzled: str = PUZZLED
    """spoken if the question is not understood"""
    lips: LipSync | None = None
    """the opened lip-sync backend, which all answers share; None: each opens it"""

    def answer(self, question: Path, out: Path, progress: Progress = silent) -> Answer:
        """Answer a recording with a video. Raises NetflipsError, and writes nothing, if it has no sound or there is no answer."""
        watch = _Watch()
        with watch.step("listen"):
            question_text, quality = self.transcribe(question, progress)
        with watch.step("reply"):
            answer = replace(self.reply(question_text, quality), quality=quality)
        script = self._answer_video(answer, out, watch, progress)
        return replace(answer, seconds=watch.seconds, script=script)

    def transcribe(self, question: Path, progress: Progress = silent) -> tuple[Transcript, QualityEstimate | None]:
        """Return the transcript of a recording, empty if nobody speaks, and an estimate of its quality, None = not known.

        Raises MediaError for a file without sound.
        """
        source = select_audio_track(question)
        try:
            script = self.transcriber.transcribe(source, progress)
        except NoSpeechError:
            return Transcript("", self.transcriber.options.source or ""), None
        return joined(transcripts_of(script.utterances)), script.quality

    def reply(self, question_text: Transcript, quality: QualityEstimate | None = None) -> Answer:
        """Answer a question. question_text: its transcript. quality: how well it is understood, None = not known."""
        if refusal := self._judged(question_text.text):
            return Answer(question_text, self.refused, QUESTION_REFUSED, refusal)

        if quality is not None and quality.words == "not_understood":
            return Answer(question_text, self.puzzled, NOT_UNDERSTOOD)

        text = self.replier.reply(question_text.text)
        if text == self.puzzled:
            return Answer(question_text, text, NOT_UNDERSTOOD)

        if refusal := self._judged(text):
            return Answer(question_text, self.refused, ANSWER_REFUSED, refusal)
        return Answer(question_text, text)

    def _judged(self, text: str) -> str:
        return next((refusal for guard in self.guards if (refusal := guard.refuses(text))), "")

    def _answer_video(self, answer: Answer, out: Path, watch: "_Watch", progress: Progress) -> Script:
        """Make the video in which the portrait speaks an answer; returns its script."""
        with self.opened(out, _both(progress, watch.until_first("first frame"))) as job:
            with watch.step("speak"):
                text = script_of(answer.text)
                warn_of_script(text)
                track = track_of(job, *speak_text(text, self.voice, job.scratch, job.progress))
            with watch.step("draw"):
                script = begin_with_given_audio(job, "still", WrittenText(answer.text, by="person"))
                asked = Text(answer.recognized.text, answer.recognized.language, "recognizer", answer.recognized.words)
                script = replace(script, utterances=tuple(replace(utterance, text=asked) for utterance in script.utterances))
                return talk(script, job, track, self.portrait, self.lips)


class _Watch:
    """Measures how long each step takes (s), and how long it takes from the question to the first frame."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the time of the block."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun

    def until_first(self, name: str) -> Progress:
        """Return a progress that records the time since the beginning when the first frame is drawn."""

        def note(stage: str, done: int, total: int | None) -> None:
            if stage == "frames" and done and name not in self.seconds:
                self.seconds[name] = time.perf_counter() - self._begun

        return note


def _both(one: Progress, other: Progress) -> Progress:
    def report(stage: str, done: int, total: int | None) -> None:
        one(stage, done, total)
        other(stage, done, total)

    return report


_SETTINGS = ("face", "motion", "seed", "blinks", "fill", "size", "label", "lips", "voice", "speed", "device", "precision")
"""Options that a script records."""
_LANGUAGE = LANGUAGES[0]
"""Language of answers."""


def answer_question(options: AvatarOptions) -> Script:
    """Answer the question of the options with a video; returns its script.

    Raises NetflipsError for files that cannot be used; then nothing is written.
    """
    require_video_name(options.out)
    paths = paths_asked(options, RENDERER, spells=_LANGUAGE)
    # Only to find out before any model is loaded whether it can be used.
    resolve_backend(options.lips, paths.unit2av)

    guards: list[AnswerGuard] = [] if options.blocked is None else [WordList.read(options.blocked)]
    replier, refused, puzzled = _replier(options)
    for guard in guards:
        if why := guard.refuses(refused):
            hint = "change refused in the replies, or the list"
            raise UsageError("what is said in place of something refused is refused itself", found=why, hint=hint)

    portrait = Portrait.open(options.portrait, options)
    models = models_when_asked(paths, options, _LANGUAGE)
    choose_voice(models, options.voice)
    voice = TextVoice.of(models, _LANGUAGE, 1 / options.speed, options.voice)
    transcriber = Transcriber.open(options)
    info, asked = portrait.info(options.portrait), DubOptions(lips=options.lips, **options.marks)
    opening = opened_lip_sync(options.lips, paths.unit2av, options.device, options.precision, soft_paste=paste_lower_face)

    with bars(options.quiet) as progress, opening as lips:

        def opened(out: Path, progress: Progress) -> AbstractContextManager[Job]:
            return Job.for_given_audio(info, out, models, UnitRoad(), asked, settings_as_json(options, *_SETTINGS), progress)

        avatar = Avatar(transcriber, replier, guards, refused, voice, portrait, opened, puzzled, lips)
        answer = avatar.answer(options.listen, options.out, progress)

    if options.report is not None:
        write_text(options.report, json.dumps(_facts(answer, options.listen), indent=1, ensure_ascii=False) + "\n")
    _log_figures(answer, options.out)
    assert answer.script is not None  # `Avatar.answer` makes one
    return answer.script


def _replier(options: AvatarOptions) -> tuple[Replier, str, str]:
    """Return what answers, the text for what a guard refuses, and the text for a question that is not understood."""
    if options.reply_command is not None:
        return Program(parse_command(options.reply_command, "--reply-command"), options.reply_seconds), REFUSED, PUZZLED
    if options.replies is None:
        LOG.info("answers: those of the demo's phrasebook, as no --replies and no --reply-command is given")
    replies = Replies.read(options.replies or DEMO_REPLIES)
    return replies, replies.refused, replies.fallback


def _facts(answer: Answer, question: Path) -> dict[str, object]:
    """Return an answer as JSON, with times in seconds."""
    return {
        "question": question.name,
        "recognized": answer.recognized.text,
        "language": answer.recognized.language,
        "confidence": round(answer.recognized.confidence, 4),
        "outcome": answer.outcome,
        "quality": None if answer.quality is None else answer.quality.as_json(),
        "refusal": answer.refusal,
        "answer": answer.text,
        "seconds": {name: round(seconds, 3) for name, seconds in answer.seconds.items()},
    }


def _log_figures(answer: Answer, out: Path) -> None:
    LOG.info("heard: %s", answer.recognized.text or "nothing")
    if answer.quality is not None:
        LOG.info("%s", answer.quality.text(user_language()))
    if answer.outcome != ANSWERED:
        LOG.info("%s", ": ".join(filter(None, (answer.outcome, answer.refusal))))
    LOG.info("answer: %s", answer.text)

    steps = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answer.seconds.items())
    LOG.info("%s: %s", out, steps)
