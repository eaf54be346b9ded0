"""NetfLips in Python: a function for each command, with the command's options as keywords and the same defaults.

    import netflips
    netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")

What each keyword does, `netflips help COMMAND` says. Paths may be text. What you can put right is a `NetflipsError`
(`avcore.errors`). Libraries are loaded when a function is called. A test compares the signatures with the options.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from av2unit.inference import UnitsOptions, extract_to_file
from avcore.checkpoints.bundle import shipped_files
from avcore.command import named_models
from avcore.errors import UsageError
from avcore.files import check_files
from avcore.flags import declared_in
from netflips.bulk.command import ExtractOptions, extract_corpus
from netflips.dubbing.options import DubCommand
from netflips.options import (
    AvatarOptions,
    LipSpeechOptions,
    LipsyncOptions,
    PortraitOptions,
    RenderCommand,
    SayOptions,
    TranscribeOptions,
)
from unit2av.lipsync.backend import LipSyncChoice
from unit2unit.inference import TranslateOptions, translate_files

if TYPE_CHECKING:
    from avcore.units import Units
    from netflips.recognition import Recognised
    from netflips.script.types import Script

StrPath = str | os.PathLike[str]
Options = TypeVar("Options")


def _asked(options: Callable[..., Options], given: Mapping[str, Any]) -> Options:
    """Return a command's options from the arguments of its function, and check their files as the command does."""
    asked = options(**{**given, **named_models(given)})
    check_files(declared_in(asked), shipped_files())
    return asked


def _require_one(path: StrPath) -> None:
    if not isinstance(path, str | os.PathLike) or Path(path).is_dir():
        raise UsageError("this takes one file", found=path, hint="call it for each")


def dub(
    video: StrPath,
    out: StrPath | None = None,
    *,
    workers: int = 0,
    gpus_per_worker: float = 1.0,
    address: str | None = None,
    retry_failed: bool = False,
    sign: bool = False,
    sign_key: StrPath | None = None,
    sign_certificate: StrPath | None = None,
    consent: StrPath | None = None,
    operator: str = "",
    only_commercial: bool = False,
    label: str = "",
    audio_track: str | None = None,
    video_track: int | None = None,
    script_in: StrPath | None = None,
    draft: StrPath | None = None,
    work_dir: StrPath | None = None,
    strict: bool = False,
    source: str | None = None,
    to: str | None = None,
    modalities: Literal["audio,video", "audio", "video", "auto"] | None = None,
    beam: int | None = None,
    max_target_units: int | None = None,
    cascade: bool = False,
    recognizer: StrPath | None = None,
    text_translator: StrPath | None = None,
    translate_with: str | None = None,
    translate_model: str | None = None,
    glossary: StrPath | None = None,
    voice: StrPath | None = None,
    speak_with: str | None = None,
    speak_seconds: float = 120.0,
    pronounce: StrPath | None = None,
    speech_in: StrPath | None = None,
    keep_sound: bool = False,
    face: str = "auto",
    in_lip_path: StrPath | None = None,
    in_bbox_path: StrPath | None = None,
    lips: str | LipSyncChoice = "auto",
    hard_paste: bool = False,
    timing: Literal["auto", "source", "free"] = "auto",
    pace: tuple[float, float] = (0.8, 1.25),
    hold_picture: bool = False,
    utterance_length: tuple[float, float] = (2.0, 12.0),
    background: str = "keep",
    background_audio: StrPath | None = None,
    separate_with: str | None = None,
    stems: StrPath | None = None,
    start: float | None = None,
    end: float | None = None,
    preview: bool = False,
    subtitles: str | None = None,
    subtitle_format: Literal["srt", "vtt"] = "srt",
    embed_subtitles: bool = False,
    burn_subtitles: str = "",
    subtitle_font: StrPath | None = None,
    out_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    verdict: StrPath | None = None,
    ask: bool = False,
    translator_unit_offset: int | None = None,
    av2unit_path: StrPath | None = None,
    utut_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    unit2text_path: StrPath | None = None,
    text2unit_path: StrPath | None = None,
    vocoder_unit_offset: int | Literal["auto"] = "auto",
    ray: bool = False,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Dub a video of someone speaking into another language, in the speaker's own voice, with lips that fit; returns the script of
    what was done."""
    given = locals()
    _require_one(given.pop("video"))
    options = _asked(DubCommand, given | {"videos": (video,)}).with_fetched()
    scripts: list[Script] = []
    from netflips.dubbing.work import dub_videos

    dub_videos(options, reports=scripts)
    return scripts[0]


def lipsync(
    video: StrPath,
    out: StrPath,
    *,
    sign: bool = False,
    sign_key: StrPath | None = None,
    sign_certificate: StrPath | None = None,
    consent: StrPath | None = None,
    operator: str = "",
    only_commercial: bool = False,
    label: str = "",
    speech: StrPath,
    audio_track: str | None = None,
    work_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    lips: str | LipSyncChoice = "auto",
    fit: Literal["speech", "hold", "video"] = "speech",
    face: str = "auto",
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Move the lips of a video to speech that you have; returns the script of what was done."""
    options = _asked(LipsyncOptions, locals())
    from netflips.dubbing.lipsync import sync_lips

    return sync_lips(options)


def portrait(
    portrait: StrPath,
    out: StrPath,
    *,
    sign: bool = False,
    sign_key: StrPath | None = None,
    sign_certificate: StrPath | None = None,
    consent: StrPath | None = None,
    operator: str = "",
    only_commercial: bool = False,
    label: str = "",
    voice: StrPath | None = None,
    text2unit_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    face: int | None = None,
    motion: float = 0.6,
    seed: int = 0,
    blinks: bool = True,
    fill: bool = True,
    size: str = "source",
    lips: str | LipSyncChoice = "auto",
    speech: StrPath | None = None,
    text: str | None = None,
    units: StrPath | None = None,
    work_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    to: str = "ko",
    speed: float = 1.0,
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Make a still portrait say speech, text or units; returns the script of what was done."""
    options = _asked(PortraitOptions, locals())
    from netflips.dubbing.portrait import animate

    return animate(options)


def avatar(
    portrait: StrPath,
    out: StrPath,
    *,
    sign: bool = False,
    sign_key: StrPath | None = None,
    sign_certificate: StrPath | None = None,
    consent: StrPath | None = None,
    operator: str = "",
    only_commercial: bool = False,
    label: str = "",
    listen: StrPath,
    voice: StrPath | None = None,
    text2unit_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    face: int | None = None,
    motion: float = 0.6,
    seed: int = 0,
    blinks: bool = True,
    fill: bool = True,
    size: str = "source",
    lips: str | LipSyncChoice = "auto",
    report: StrPath | None = None,
    replies: StrPath | None = None,
    reply_command: str | None = None,
    reply_seconds: float = 20.0,
    blocked: StrPath | None = None,
    speed: float = 1.0,
    source: str | None = None,
    recognizer: StrPath | None = None,
    unit2text_path: StrPath | None = None,
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Let a portrait answer a spoken question in Korean; returns a script of what was heard and is answered."""
    options = _asked(AvatarOptions, locals())
    from netflips.dialogue.work import answer_question

    return answer_question(options)


def say(
    text: str | None = None,
    out: StrPath | None = None,
    *,
    voice: StrPath | None = None,
    text2unit_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    text_path: StrPath | None = None,
    to: str = "ko",
    pronounce: StrPath | None = None,
    units_path: StrPath | None = None,
    speed: float = 1.0,
    unit2av_path: StrPath | None = None,
    strict: bool = False,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> None:
    """Speak Korean text in a given voice, write its units, or both."""
    options = _asked(SayOptions, locals())
    from netflips.dubbing.say import say_text

    say_text(options)


def transcribe(
    recording: StrPath,
    out: StrPath | None = None,
    *,
    out_dir: StrPath | None = None,
    format: Literal["srt", "vtt", "txt", "json"] | None = None,
    modalities: str = "auto",
    audio_track: str | None = None,
    source: str | None = None,
    face: str = "auto",
    unit2text_path: StrPath | None = None,
    av2unit_path: StrPath | None = None,
    recognizer: StrPath | None = None,
    beam: int | None = None,
    strict: bool = False,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Recognised":
    """Write what is said in a video or sound file, or shown by lips; returns its utterances, with their words and times."""
    given = locals()
    _require_one(given.pop("recording"))
    options = _asked(TranscribeOptions, given | {"recordings": (recording,)})
    heard: list[Recognised] = []
    from netflips.transcription import transcribe_files

    transcribe_files(options, heard)
    return heard[0]


def lip2speech(
    video: StrPath,
    out: StrPath,
    *,
    out_vid_path: StrPath | None = None,
    save_mel: StrPath | None = None,
    source: str | None = None,
    voice: StrPath | None = None,
    audio_track: str | None = None,
    face: str = "auto",
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Make speech from the lips of a video, at its own times; returns the script of what was done."""
    options = _asked(LipSpeechOptions, locals())
    from netflips.lip_speech.work import speak_video

    return speak_video(options)


def analyse(
    video: StrPath,
    out: StrPath,
    *,
    av2unit_path: StrPath | None = None,
    audio_track: str | None = None,
    modalities: str = "audio,video",
    in_lip_path: StrPath | None = None,
    face: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Units":
    """Extract the units of a video or sound file; returns them."""
    return extract_to_file(_asked(UnitsOptions, locals()))


def translate(
    units: StrPath | Sequence[StrPath],
    out: StrPath | None = None,
    *,
    out_dir: StrPath | None = None,
    utut_path: StrPath | None = None,
    source: str | None = None,
    to: str | None = None,
    beam: int | None = None,
    max_target_units: int | None = None,
    translator_unit_offset: int | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> int | None:
    """Translate units of one language into units of another; returns 1 when some of many failed."""
    return translate_files(_asked(TranslateOptions, locals()))


def render(
    units: StrPath,
    out: StrPath,
    *,
    video: StrPath,
    to: str = "ko",
    unit2av_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    vocoder_unit_offset: int | Literal["auto"] = "auto",
    durations: bool = True,
    speed: float = 1.0,
    in_bbox_path: StrPath | None = None,
    voice: StrPath | None = None,
    face: str = "auto",
    fill_boxes: Literal["keep", "forward", "nearest"] = "keep",
    hard_paste: bool = False,
    lips: str | LipSyncChoice = "auto",
    report: StrPath | Sequence[StrPath] = (),
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> "Script":
    """Turn units into a video: a speaker's face and voice saying them; returns the script of what was done."""
    options = _asked(RenderCommand, locals())
    from netflips.dubbing.units import render_units

    return render_units(options)


def extract(
    in_path: str,
    out_dir: StrPath,
    *,
    workers: int = 0,
    gpus_per_worker: float = 1.0,
    address: str | None = None,
    retry_failed: bool = False,
    root: StrPath | None = None,
    suffix: Sequence[str] = (),
    source: str = "",
    layout: Literal["jsonl", "parquet", "files"] = "jsonl",
    shard_size: int = 1000,
    av2unit_path: StrPath | None = None,
    modalities: str = "audio,video",
    face: str = "auto",
    units: bool = True,
    features: str = "",
    with_speaker: Literal["", "row", "npy"] = "",
    with_lips: bool = False,
    speaker_encoder_path: StrPath | None = None,
    readers: int = 0,
    batch_seconds: float = 0.0,
    batch_padding: float | None = None,
    overwrite: bool = False,
    verify: bool = False,
    max_failures: int | None = None,
    dry_run: int | None = None,
    device: str = "auto",
    precision: str = "float32",
    quiet: bool = False,
    verbose: bool = False,
    yes: bool = False,
) -> int | None:
    """Extract the units of a corpus; returns 1 when some utterances were set aside."""
    return extract_corpus(_asked(ExtractOptions, locals()))
