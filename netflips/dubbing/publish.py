"""A folder with what platforms ask for beside a dub (--publish): the video, sounds, subtitles, texts, a picture.

The sounds are as long as the video and as loud as each other, for platforms that take a sound track for each language. Titles,
chapters and the description are those of the video's own tags, as far as they are translated.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import cv2

from avcore.files import atomic_output, keep_other, write_text
from avcore.media import MediaSource, SoundWriter, frames_at, iter_sound_blocks, probe
from avcore.media.sound_writer import AlternateTrack, SoundBlocks, can_copy_sound
from avcore.words import ENGLISH, KOREAN
from netflips.dubbing.job import Job
from netflips.dubbing.mix import original_blocks
from netflips.dubbing.part import OutputClock, fitted
from netflips.dubbing.subtitles import cues_of
from netflips.dubbing.titles import description_lines
from netflips.script.types import Script
from netflips.subtitles.beside import SIDES, language_of, subtitle_text
from netflips.subtitles.cues import SRT

_LONGEST_SIDE, _QUALITY = 1280, 90
"""Of the picture: pixels, and quality as JPEG."""
_LABELS = {
    ENGLISH: "{what} in this video were made with AI: it is dubbed from {source}.",
    KOREAN: "이 영상의 {what} AI로 만들었습니다. 원본 언어: {source}.",
}
"""The line that labels a dub as synthetic, by its language."""
_MADE = {ENGLISH: ("Voices", "Voices and lips"), KOREAN: ("음성은", "음성과 입 모양은")}
"""What was made: without, and with lips."""
_START = {ENGLISH: "Start", KOREAN: "시작"}
_NAMES = {ENGLISH: {"en": "English", "ko": "Korean"}, KOREAN: {"en": "영어", "ko": "한국어"}}


def publish(script: Script, job: Job, clock: OutputClock, comment: str) -> None:
    """Write the folder of a dub that is written. clock: of its output. comment: marks the sound as ours. Raises OutputError."""
    video, sound, original, picture, *texts = job.options.published(job.out, *job.languages)
    if video != job.out:
        _copy(job.out, video)

    if probe(job.out).has_audio:
        _write_sound(sound, script.target, MediaSource.of(job.out), comment)
    if job.info.has_audio:
        rate, channels = job.info.audio_rate, job.info.audio_channels
        blocks = original_blocks(job, clock, job.options.target_loudness)
        with SoundWriter(original, rate, channels, language=script.source) as writer:
            for block in blocks:
                writer.write_sound(block)
    if probe(job.out).has_video and (job.store.has_written(picture) or not picture.exists()):
        _write_picture(picture, script, job)
        job.store.note_written(picture)

    for side, (subtitles, description) in zip(SIDES, (texts[:2], texts[2:]), strict=True):
        language = language_of(side, script.source, script.target)
        cues = cues_of(script, clock, side)
        found = {description: "\n".join(_description(script, job, language)) + "\n"}
        found |= {} if cues is None else {subtitles: subtitle_text(SRT.lstrip("."), cues, language)}
        for path, text in found.items():
            if not job.store.has_written(path):  # a person may have corrected it
                keep_other(path, text)
            write_text(path, text)
            job.store.note_written(path)


def _copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk cannot."""
    with atomic_output(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def _write_sound(path: Path, language: str, source: MediaSource, comment: str) -> None:
    """Write the sound of a file by itself: as it is, where a file of this kind can hold it."""
    info = probe(source)
    sound = source if can_copy_sound(source, path) else SoundBlocks(iter_sound_blocks(source), info.audio_rate, info.audio_channels)
    with SoundWriter(path, None, comment=comment, alternates=(AlternateTrack(language, "", sound),)):
        pass


def _write_picture(path: Path, script: Script, job: Job) -> None:
    """Write the frame in the middle of the longest utterance, as a thumbnail."""
    spans = [fit.output for _, fit in fitted(script)]
    longest = max(spans, key=lambda span: span.seconds, default=None)
    moment = 0.0 if longest is None else (longest.start_s + longest.end_s) / 2
    rgb = next(frames_at(job.out, [moment])).rgb
    scale = min(_LONGEST_SIDE / max(rgb.shape[:2]), 1.0)
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    with atomic_output(path) as temporary:
        temporary.write_bytes(jpeg.tobytes())


def _description(script: Script, job: Job, language: str) -> Iterator[str]:
    """Yield the lines of a description: title, text, chapters, and the label; empty lines between them."""
    is_source = language == script.source
    before = {new: old for old, new in script.titles.items()}

    def worded(text: str) -> str:
        return before.get(text, text) if is_source else text  # the output has the translated titles

    with av.open(f"file:{job.out}") as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
        chapters = [
            (float(chapter["start"] * chapter["time_base"]), chapter["metadata"].get("title", ""))
            for chapter in container.chapters()
        ]
    known = language if language in _LABELS else ENGLISH
    if title := tags.get("title"):
        yield worded(title)
        yield ""
    if said := description_lines(job.info):
        yield from (line if is_source else script.titles.get(line, line) for line in said)
        yield ""
    if chapters:
        if chapters[0][0] >= 1:  # platforms read a list that begins at 0:00
            yield f"0:00 {_START[known]}"
        yield from (f"{_clock(start)} {worded(title)}" for start, title in chapters)
        yield ""

    yield _LABELS[known].format(what=_MADE[known][job.lips.draws], source=_NAMES[known].get(script.source, script.source or "?"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
