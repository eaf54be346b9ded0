"""The work of `netflips avatar`: one question, one answer."""

import json
from contextlib import AbstractContextManager
from pathlib import Path

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import write_text
from avcore.media import require_video_name
from avcore.programs import parse_command
from avcore.progress import Progress, bars
from avcore.words import user_language
from netflips.dialogue.avatar import ANSWERED, Answer, Avatar
from netflips.dialogue.guards import AnswerGuard, WordList
from netflips.dialogue.recognition import open_ear
from netflips.dialogue.replies import DEMO_REPLIES, PUZZLED, REFUSED, Program, Replier, Replies
from netflips.dubbing.face_path import paste_lower_face
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions, settings_told
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import models_when_asked
from netflips.options import AvatarOptions, duration_scale
from netflips.portraits.head import Portrait
from netflips.script.types import Script
from netflips.text_voice import TextVoice, speller_path
from text2unit.script import LANGUAGES
from text2unit.stage import SPELLER
from unit2av.lipsync.backend import settled
from unit2av.rendering import opened_lip_sync
from unit2av.stage import RENDERER

_SETTINGS = ("face", "motion", "seed", "blinks", "fill", "size", "label", "lips", "voice", "speed", "device", "precision")
"""That a script tells."""
_LANGUAGE = LANGUAGES[0]
"""That answers are in."""


def answer_question(options: AvatarOptions) -> Script:
    """Answer as the options ask for; returns what was done.

    Raises NetflipsError for files that cannot be used; then nothing is written.
    """
    require_video_name(options.out)
    speller = speller_path(options.text2unit_path, _LANGUAGE)
    renderer = checkpoint_or_bundle(options.unit2av_path, RENDERER)
    settled(options.lips, renderer)
    guards: list[AnswerGuard] = [] if options.blocked is None else [WordList.read(options.blocked)]
    replier, refused, puzzled = _replier(options)
    _require_unguarded(refused, guards)
    portrait = Portrait.open(options.portrait, options.picture_choice)
    paths = ModelPaths.of({RENDERER: renderer}, options.speaker_encoder_path, {SPELLER.part: speller})
    models = models_when_asked(paths, RunOptions(options.device, options.precision), _LANGUAGE)
    voice = TextVoice.of(models, _LANGUAGE, duration_scale(options.speed), options.voice)
    ear = open_ear(options)
    info, asked = portrait.info(options.portrait), DubOptions(lips=options.lips, **options.marks)
    lips = opened_lip_sync(options.lips, renderer, options.device, options.precision, soft_paste=paste_lower_face)
    with bars(options.quiet) as progress, lips as mouth:

        def opened(out: Path, progress: Progress) -> AbstractContextManager[Job]:
            return Job.along(info, out, models, asked, settings_told(options, *_SETTINGS), progress, mouth)

        avatar = Avatar(ear, replier, guards, refused, voice, portrait, opened, puzzled)
        answer = avatar.answer(options.listen, options.out, progress)
    if options.report is not None:
        write_text(options.report, json.dumps(_facts(answer, options.listen), indent=1, ensure_ascii=False) + "\n")
    _tell(answer, options.out)
    assert answer.script is not None  # it was said
    return answer.script


def _replier(options: AvatarOptions) -> tuple[Replier, str, str]:
    """Return what answers, and what is said in place of something refused, and of what is not understood."""
    if options.reply_command is not None:
        return Program(parse_command(options.reply_command, "--reply-command"), options.reply_seconds), REFUSED, PUZZLED
    if options.replies is None:
        LOG.info("answers: those of the demo's phrasebook, as no --replies and no --reply-command is given")
    replies = Replies.read(options.replies or DEMO_REPLIES)
    return replies, replies.refused, replies.fallback


def _require_unguarded(refused: str, guards: list[AnswerGuard]) -> None:
    for guard in guards:
        if why := guard.refuses(refused):
            hint = "change refused in the replies, or the list"
            raise UsageError("what is said in place of something refused is refused itself", found=why, hint=hint)


def _facts(answer: Answer, question: Path) -> dict[str, object]:
    """Return the answer as JSON: texts, and times in seconds."""
    return {
        "question": question.name,
        "heard": answer.heard.text,
        "language": answer.heard.language,
        "confidence": round(answer.heard.confidence, 4),
        "outcome": answer.outcome,
        "understood": None if answer.understood is None else answer.understood.as_json(),
        "refusal": answer.refusal,
        "answer": answer.text,
        "seconds": {name: round(seconds, 3) for name, seconds in answer.seconds.items()},
    }


def _tell(answer: Answer, out: Path) -> None:
    LOG.info("heard: %s", answer.heard.text or "nothing")
    if answer.understood is not None:
        LOG.info("%s", answer.understood.words(user_language()))
    if answer.outcome != ANSWERED:
        LOG.info("%s", ": ".join(filter(None, (answer.outcome, answer.refusal))))
    LOG.info("answer: %s", answer.text)
    steps = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answer.seconds.items())
    LOG.info("%s: %s", out, steps)
