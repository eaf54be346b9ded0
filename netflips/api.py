"""NetfLips in Python: a function for each command, with the command's options as keywords and the same defaults.

    import netflips
    netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")

The options' help stands in each docstring. Paths may be text. What you can put right is a `NetflipsError` (`avcore.errors`).
Libraries are loaded when a function is called. A test compares the signatures with the options.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack

from av2unit.inference import UnitsOptions, extract_to_file
from avcore.checkpoints.bundle import shipped_files
from avcore.command import named_models
from avcore.errors import InputError, UsageError
from avcore.files import check_files
from avcore.flags import declared_in
from netflips.bulk.command import ExtractOptions, extract_corpus
from netflips.dubbing.options import DubCommand
from netflips.evaluate.command import DemoEvaluation
from netflips.keywords import of_options
from netflips.options import (
    AvatarOptions,
    LipSpeechOptions,
    LipsyncOptions,
    PortraitOptions,
    RenderCommand,
    SayOptions,
    TranscribeOptions,
)
from netflips.published.command import GetOptions
from unit2av.inference_options import SpeakOptions
from unit2av.lipsync.backend import LipSyncChoice
from unit2unit.inference import TranslateOptions, translate_files

if TYPE_CHECKING:
    from avcore.units import Units
    from netflips.script.types import Script

StrPath = str | os.PathLike[str]
Options = TypeVar("Options")


class Running(TypedDict, total=False):
    """Keywords of all functions: how models run, and what is printed."""

    device: str
    precision: str
    quiet: bool
    verbose: bool
    yes: bool


class Marked(Running, total=False):
    """And of those that write a video: who agreed to it, and how it is marked."""

    sign: bool
    sign_key: StrPath | None
    sign_certificate: StrPath | None
    consent: StrPath | None
    operator: str
    only_commercial: bool
    label: str


class Pictured(Marked, total=False):
    """And of those that let a portrait talk: how it is shown, and whose voice it has."""

    voice: StrPath | None
    text2unit_path: StrPath | None
    speaker_encoder_path: StrPath | None
    face: int | None
    motion: float
    seed: int
    blinks: bool
    fill: bool
    size: str
    lips: str | LipSyncChoice


def _asked(options: Callable[..., Options], given: Mapping[str, Any]) -> Options:
    """Return a command's options from the arguments of its function, and check their files as the command does."""
    given = {name: value for name, value in given.items() if name != "more"} | given.get("more", {})
    asked = options(**{**given, **named_models(given)})
    check_files(declared_in(asked), shipped_files())
    return asked


def _require_one(path: StrPath) -> None:
    if Path(path).is_dir():
        raise UsageError("this takes one file", found=path, hint="call it for each, or netflips.load().dub_all for many")


@of_options(DubCommand)
def dub(
    video: StrPath,
    out: StrPath | None = None,
    *,
    to: str | None = None,
    source: str | None = None,
    cascade: bool = False,
    voice: StrPath | None = None,
    subtitles: str | None = None,
    report: StrPath | Sequence[StrPath] = (),
    draft: StrPath | None = None,
    script_in: StrPath | None = None,
    start: float | None = None,
    end: float | None = None,
    strict: bool = False,
    work_dir: StrPath | None = None,
    audio_track: str | None = None,
    video_track: int | None = None,
    modalities: Literal["audio,video", "audio", "video", "auto"] | None = None,
    beam: int | None = None,
    max_target_units: int | None = None,
    recognizer: StrPath | None = None,
    text_translator: StrPath | None = None,
    translate_with: str | None = None,
    translate_model: str | None = None,
    glossary: StrPath | None = None,
    check: Literal["off", "tell", "repair"] | None = None,
    speak_with: str | None = None,
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
    loudness: float | None = None,
    separate_with: str | None = None,
    diarize_with: str | None = None,
    stems: StrPath | None = None,
    preview: bool = False,
    embed_subtitles: bool = False,
    burn_subtitles: str = "",
    subtitle_font: StrPath | None = None,
    out_dir: StrPath | None = None,
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
    workers: int = 0,
    gpus_per_worker: float = 1.0,
    address: str | None = None,
    retry_failed: bool = False,
    **more: Unpack[Marked],
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


@of_options(LipsyncOptions)
def lipsync(
    video: StrPath,
    out: StrPath,
    *,
    speech: StrPath,
    audio_track: str | None = None,
    work_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    lips: str | LipSyncChoice = "auto",
    fit: Literal["speech", "hold", "video"] = "speech",
    face: str = "auto",
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    **more: Unpack[Marked],
) -> "Script":
    """Move the lips of a video to speech that you have; returns the script of what was done."""
    options = _asked(LipsyncOptions, locals())
    from netflips.dubbing.along import sync_lips

    return sync_lips(options)


@of_options(PortraitOptions)
def portrait(
    portrait: StrPath,
    out: StrPath,
    *,
    speech: StrPath | None = None,
    text: str | None = None,
    units: StrPath | None = None,
    work_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    to: str = "ko",
    speed: float = 1.0,
    av2unit_path: StrPath | None = None,
    unit2av_path: StrPath | None = None,
    **more: Unpack[Pictured],
) -> "Script":
    """Make a still portrait say speech, text or units; returns the script of what was done."""
    options = _asked(PortraitOptions, locals())
    from netflips.dubbing.portrait import animate

    return animate(options)


@of_options(AvatarOptions)
def avatar(
    portrait: StrPath,
    out: StrPath,
    *,
    listen: StrPath,
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
    **more: Unpack[Pictured],
) -> "Script":
    """Let a portrait answer a spoken question in Korean; returns a script of what was heard and is answered."""
    options = _asked(AvatarOptions, locals())
    from netflips.dialogue.work import answer_question

    return answer_question(options)


@of_options(SayOptions)
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
    verdict: StrPath | None = None,
    **more: Unpack[Running],
) -> Path:
    """Speak Korean text in a given voice, write its units, or both; returns the file of the speech, else that of the units."""
    options = _asked(SayOptions, locals())
    from netflips.text_voice import say_text

    say_text(options)
    made = options.out or options.units_path
    assert made is not None  # as the options say
    return made


@of_options(TranscribeOptions)
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
    verdict: StrPath | None = None,
    **more: Unpack[Running],
) -> "Script":
    """Write what is said in a video or sound file, or shown by lips; returns a script of its utterances, with words and times."""
    given = locals()
    _require_one(given.pop("recording"))
    options = _asked(TranscribeOptions, given | {"recordings": (recording,)})
    heard: list[Script] = []
    from netflips.transcription import transcribe_files

    transcribe_files(options, heard)
    return heard[0]


@of_options(LipSpeechOptions)
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
    **more: Unpack[Running],
) -> "Script":
    """Make speech from the lips of a video, at its own times; returns the script of what was done."""
    options = _asked(LipSpeechOptions, locals())
    from netflips.lip_speech import speak_video

    return speak_video(options)


@of_options(UnitsOptions)
def analyse(
    video: StrPath,
    out: StrPath,
    *,
    av2unit_path: StrPath | None = None,
    audio_track: str | None = None,
    modalities: str = "audio,video",
    in_lip_path: StrPath | None = None,
    face: str = "auto",
    **more: Unpack[Running],
) -> "Units":
    """Extract the units of a video or sound file; returns them."""
    return extract_to_file(_asked(UnitsOptions, locals()))


@of_options(TranslateOptions)
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
    **more: Unpack[Running],
) -> Path:
    """Translate units of one language into units of another; returns the file, or of many the folder."""
    options = _asked(TranslateOptions, locals())
    made = options.out or options.out_dir
    assert made is not None  # as the options say
    if translate_files(options):
        raise InputError("some of the units could not be translated", path=made, hint="the others are there")
    return made


@of_options(RenderCommand)
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
    hard_paste: bool = False,
    lips: str | LipSyncChoice = "auto",
    work_dir: StrPath | None = None,
    report: StrPath | Sequence[StrPath] = (),
    **more: Unpack[Marked],
) -> "Script":
    """Turn units into a video: a speaker's face and voice saying them; returns the script of what was done."""
    options = _asked(RenderCommand, locals())
    from netflips.dubbing.along import render_units

    return render_units(options)


@of_options(ExtractOptions)
def extract(
    in_path: StrPath,
    out_dir: StrPath,
    *,
    source: str = "",
    workers: int = 0,
    retry_failed: bool = False,
    gpus_per_worker: float = 1.0,
    address: str | None = None,
    root: StrPath | None = None,
    layout: Literal["jsonl", "files"] = "jsonl",
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
    overwrite: bool = False,
    dry_run: int | None = None,
    **more: Unpack[Running],
) -> Path:
    """Extract the units of a corpus; returns their folder, where a list says what was set aside."""
    given = locals()
    options = _asked(ExtractOptions, given | {"in_path": os.fspath(in_path)})
    extract_corpus(options)
    return options.out_dir


@of_options(SpeakOptions)
def speak(
    units: StrPath,
    out: StrPath,
    *,
    voice: StrPath,
    to: str = "ko",
    unit2av_path: StrPath | None = None,
    speaker_encoder_path: StrPath | None = None,
    vocoder_unit_offset: int | Literal["auto"] = "auto",
    durations: bool = True,
    speed: float = 1.0,
    **more: Unpack[Running],
) -> Path:
    """Turn units into speech in a given voice; returns its file."""
    options = _asked(SpeakOptions, locals())
    from unit2av.speaking import speak_file

    speak_file(options)
    return Path(out)


@of_options(DemoEvaluation)
def evaluate_demo(
    *,
    bundle: StrPath | None = None,
    out_dir: StrPath = "evaluation",
    number: int = 200,
    jobs: int = 2,
    rows: str = "",
    with_untouched_speaker: bool = False,
    with_natural_voices: bool = False,
    worst: int = 10,
    **more: Unpack[Running],
) -> Path:
    """Measure a bundle on unseen material, which is made as needed; returns the folder of the figures. It needs a checkout. Other
    evaluations: `evaluate`."""
    given = locals()
    from netflips.evaluate.command import measure_demo

    measure_demo(_asked(DemoEvaluation, given))
    return Path(out_dir)


def evaluate(*words: StrPath) -> int:
    """Measure your own clips, dubs or units: the words of `netflips evaluate`, as ("dubs", "dubs/", "--jobs", "2"); returns the
    exit code."""
    from netflips.evaluate.command import main

    return main([os.fspath(word) for word in words])


def prepare(*words: StrPath) -> int:
    """Prepare a corpus: the words of `netflips prepare`, as ("video", "clips/", "prepared/"); returns the exit code."""
    from netflips.prepare import main

    return main([os.fspath(word) for word in words])


def list_models() -> list[dict[str, Any]]:
    """Return the published models: name, flag, about, licence, commercial, and whether each is here (is_here)."""
    from netflips.published.command import facts_of_all

    return facts_of_all()


@of_options(GetOptions)
def get_models(
    *names: str, accept_licence: Sequence[str] = (), latest: bool = False, replace: bool = False, quiet: bool = False
) -> dict[str, Path]:
    """Download models or a set of them, check them, and return where each is. A licence that is not accepted is asked for."""
    from netflips.published.command import get

    return get(GetOptions(names=names, accept_licence=tuple(accept_licence), latest=latest, replace=replace, quiet=quiet))
