"""The work of `netflips avatar`: one question, one answer."""

import argparse
import json
from pathlib import Path

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG, device_name
from avcore.errors import UsageError
from avcore.files import require_file, require_place, write_text
from avcore.media import require_video_name
from avcore.outputs import keep_apart
from avcore.programs import parse_command
from avcore.progress import bars
from netflips.avatar.avatar import Answer, Avatar
from netflips.avatar.guards import Guard, WordList
from netflips.avatar.hearing import open_ear
from netflips.avatar.program import Program
from netflips.avatar.replies import DEMO_REPLIES, REFUSED, Replier, Replies
from netflips.portrait.flags import duration_scale, picture_choice
from netflips.portrait.work import Portrait
from netflips.stages import load_speller
from netflips.text_voice import TextVoice, speller_path
from text2unit.script import LANGUAGES
from unit2av.lipsync.backend import MouthChoice, mouth_choice, settled
from unit2av.lipsync.choose import opened_mouth
from unit2av.stage import RENDERER

_LANGUAGE = LANGUAGES[0]
"""That answers are in."""


def answer_question(options: argparse.Namespace) -> None:
    """Answer as the options ask for. Raises NetflipsError for files that cannot be used; then nothing is written."""
    choice = mouth_choice(options)
    speller, renderer = _check(options, choice)
    guards: list[Guard] = [] if options.blocked is None else [WordList.read(options.blocked)]
    replier, refused = _replier(options)
    _require_unguarded(refused, guards)
    portrait = Portrait.open(options.portrait, picture_choice(options))
    device, precision = device_name(options), options.precision
    spelt = load_speller(speller, Running(device, precision))
    voice = TextVoice.load(spelt, renderer, _LANGUAGE, duration_scale(options.rate), options)
    ear = open_ear(options)
    with bars(options.quiet) as progress, opened_mouth(choice, renderer, device, precision) as mouth:
        avatar = Avatar(ear, replier, guards, refused, voice, portrait, mouth)
        answer = avatar.answer(options.listen, options.out_vid_path, progress)
    if options.report is not None:
        write_text(options.report, json.dumps(_facts(answer, options.listen), indent=1, ensure_ascii=False) + "\n")
    _tell(answer, options.out_vid_path)


def _check(options: argparse.Namespace, choice: MouthChoice) -> tuple[Path, Path]:
    """Find what is wrong with the paths before anything is loaded; returns the speller and the renderer."""
    for path, what in ((options.listen, "the question"), (options.portrait, "the portrait")):
        require_file(path, what)
    require_video_name(options.out_vid_path)
    speller = speller_path(options.text2unit_path, _LANGUAGE)
    renderer = checkpoint_or_bundle(options.unit2av_path, RENDERER)
    settled(choice, renderer)
    inputs = {
        "the question": options.listen, "the portrait": options.portrait, "the replies": options.replies,
        "the list of blocked words": options.blocked, "the speller": speller, "the renderer": renderer,
        "the text reader": options.unit2text_path, "the unit encoder": options.av2unit_path, "the voice": options.speaker_path,
        "the speaker encoder": options.speaker_encoder_path, **choice.files,
    }  # fmt: skip
    outputs = {"the answer": options.out_vid_path, "the report": options.report}
    keep_apart(outputs, inputs)
    for what, path in outputs.items():
        if path is not None:
            require_place(path, what)
    return speller, renderer


def _replier(options: argparse.Namespace) -> tuple[Replier, str]:
    """What answers, and what is said in place of something refused."""
    if options.reply_command is not None:
        return Program(parse_command(options.reply_command, "--reply-command"), options.reply_seconds), REFUSED
    if options.replies is None:
        LOG.info("answers: those of the demo's phrasebook, as no --replies and no --reply-command is given")
    replies = Replies.read(options.replies or DEMO_REPLIES)
    return replies, replies.refused


def _require_unguarded(refused: str, guards: list[Guard]) -> None:
    for guard in guards:
        if why := guard.refuses(refused):
            hint = "change refused in the replies, or the list"
            raise UsageError("what is said in place of something refused is refused itself", found=why, hint=hint)


def _facts(answer: Answer, question: Path) -> dict[str, object]:
    """The answer as JSON: texts, and times in seconds."""
    return {
        "question": question.name,
        "heard": answer.heard.text,
        "language": answer.heard.language,
        "confidence": round(answer.heard.confidence, 4),
        "outcome": answer.outcome,
        "refusal": answer.refusal,
        "answer": answer.text,
        "seconds": {name: round(seconds, 3) for name, seconds in answer.seconds.items()},
    }


def _tell(answer: Answer, out: Path) -> None:
    LOG.info("heard: %s", answer.heard.text or "nothing")
    if answer.refusal:
        LOG.info("%s: %s", answer.outcome, answer.refusal)
    LOG.info("answer: %s", answer.text)
    steps = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answer.seconds.items())
    LOG.info("%s: %s", out, steps)
