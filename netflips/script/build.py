"""Parts of a script out of what a dub has at hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.trust import TrustedUnits
from avcore.checkpoints.bundle import bundle_of
from avcore.compute.memory import peak_memory_bytes
from avcore.contracts import SpeakerVoice, Voice, Word
from avcore.journal import file_digest
from avcore.media import MediaInfo, VideoWriter
from avcore.work_folder import WorkFolder
from netflips import __version__
from netflips.dub.clock import StageClock
from netflips.dub.job import DubJob
from netflips.models import Models
from netflips.script.types import (
    Agreement,
    DrawnPictures,
    FaceTrackTold,
    HeardUnits,
    Made,
    Media,
    ModelUsed,
    Text,
    TimeSpan,
    Timing,
    UnitList,
    VoiceFile,
    WorkKept,
    WrittenBy,
)
from netflips.subtitles.dubbed import Side
from unit2text.stage import TEXT_READER

_DIGITS = 16
"""Of a model file's digest."""


def finite_or_none(value: float | None) -> float | None:
    """Return a number that JSON has, or None."""
    return float(value) if value is not None and isfinite(value) else None


def media_of(info: MediaInfo, digest: str = "") -> Media:
    """Return what a script tells of its media."""
    return Media(
        path=str(info.path),
        digest=digest,
        duration_s=float(info.duration_s),
        sound_s=float(info.sound_s[1] - info.sound_s[0]) if info.has_audio else 0.0,
        picture_s=float(info.picture_s[1] - info.picture_s[0]) if info.has_video else 0.0,
        width=info.width,
        height=info.height,
        frame_rate=float(info.frame_rate),
        is_variable_rate=info.is_variable_rate,
        audio_rate=info.audio_rate,
        audio_channels=info.audio_channels,
    )


def units_heard(heard: TrustedUnits, rest: int | None = None) -> HeardUnits:
    """Return what the unit encoder heard."""
    found = heard.extraction
    return HeardUnits(
        units=UnitList.of(found.units),
        modalities=heard.modalities,
        confidence=finite_or_none(found.confidence),
        rest=rest,
        weakest=found.weakest,
        nearest=found.nearest,
        reason=heard.reason,
        agreement=None if heard.agreement is None else Agreement(heard.agreement, *heard.figures[1:]),
    )


def text_of(side: Side | None, number: int, begin_s: float, by: WrittenBy, by_told: WrittenBy, pace: float = 1.0) -> Text | None:
    """Return an utterance of one side of a dub as text; None where it was not read.

    begin_s: where it begins in the output (s). by: who reads; by_told: who wrote what was not read. pace: seconds of the output for
    each of its own.
    """
    if side is None or number not in side.transcripts:
        return None
    one = side.transcripts[number]
    words = (Word(word.text, (word.start_s - begin_s) / pace, (word.end_s - begin_s) / pace, word.confidence) for word in one.words)
    timed = tuple(word._replace(start_s=round(word.start_s, 3), end_s=round(word.end_s, 3)) for word in words)
    return Text(one.text, side.language, by_told if number in side.told else by, timed)


def tracks_told(tracks: Iterable[Mapping[str, Any]]) -> tuple[FaceTrackTold, ...]:
    """Return the faces that were followed."""
    return tuple(FaceTrackTold(**{**one, "evidence": finite_or_none(one["evidence"])}) for one in tracks)


def drawn_told(is_drawn: Sequence[bool] | NDArray[np.bool_], is_cut: NDArray[np.bool_], num_hidden: int = 0) -> DrawnPictures:
    """Return what became of the pictures of a clip. is_drawn, is_cut: bool [T], see `MouthsToDraw`. num_hidden: of those that were
    to be drawn, before whose mouth something is."""
    num_seen, num_cut = int(np.sum(is_drawn)), int(is_cut.sum())
    left = {"no_face": len(is_cut) - num_seen - num_cut, "cut_off": num_cut, "hidden": num_hidden}
    return DrawnPictures(len(is_cut), num_seen - num_hidden, {why: count for why, count in left.items() if count})


def pitch_hz(vocoder: Voice, voice: SpeakerVoice) -> float | None:
    """Return the median pitch in Hz that a vocoder was told to speak at; None where it cannot be told."""
    return round(voice.pitch.hz, 1) if vocoder.takes_pitch and voice.pitch is not None else None


def voice_told(path: Path | None) -> str | VoiceFile:
    """Return whose voice it is."""
    return "own" if path is None else VoiceFile(str(path))


def made_of(
    job: DubJob,
    writer: VideoWriter | None,
    duration_s: float,
    pictures: int,
    engines: Mapping[str, str] = MappingProxyType({}),
    by_input: frozenset[str] = frozenset(),
    part: TimeSpan | None = None,
    work: WorkKept | None = None,
) -> Made | None:
    """Return what was written; None without a writer, of a draft. pictures: how many.

    engines: fingerprints of the cascade's models, by their part. by_input: steps of the clock that read the media.
    """
    if writer is None:
        return None
    read_by = {} if job.reader is None else {TEXT_READER.name: job.reader.fingerprint}
    return replace(
        written(job.out, writer, duration_s, pictures, job.mouth.name, settings_told(job.options), job.clock, by_input),
        models=_models_used(job.models, {**engines, **read_by}),
        bundle=_bundle_of(job.models.paths.all),
        part=part,
        work=work,
    )


def written(
    out: Path,
    writer: VideoWriter,
    duration_s: float,
    pictures: int,
    lips: str,
    settings: Mapping[str, Any],
    clock: StageClock,
    by_input: frozenset[str] = frozenset(),
    models: Mapping[str, Path | None] = MappingProxyType({}),
) -> Made:
    """Return what a writer wrote. pictures: how many; lips: the lip-sync backend; models: files by their part of the chain, None =
    not needed; the rest: see `made_of`."""
    files = {part: path for part, path in models.items() if path is not None}
    return Made(
        version=__version__,
        output=str(out),
        duration_s=duration_s,
        width=writer.out_width,
        height=writer.out_height,
        has_grown=writer.grew,
        pictures=pictures,
        lips=lips,
        models=tuple(ModelUsed(part, file_digest(path)[:_DIGITS]) for part, path in files.items()),
        bundle=_bundle_of(files.values()),
        settings=settings,
        timings=tuple(Timing(name, seconds, name in by_input) for name, seconds in clock.seconds.items()),
        peak_memory_bytes=peak_memory_bytes(),
    )


def work_told(work: WorkFolder) -> WorkKept:
    """Return what is told of a folder of finished work."""
    return WorkKept(str(work.folder), work.num_bytes(), dict(work.kept), dict(work.made))


def _models_used(models: Models, others: Mapping[str, str]) -> tuple[ModelUsed, ...]:
    """Return the models of a dub. others: fingerprints of those besides, by their part."""
    domains = {"av2unit": models.extractor.domain, "unit2unit": models.translator.domain}
    told = []
    for part, fingerprint in (models.fingerprints | dict(others)).items():
        domain = domains.get(part)
        told.append(ModelUsed(part, fingerprint) if domain is None else ModelUsed(part, fingerprint, domain.least, domain.what))
    return tuple(told)


def _bundle_of(paths: Iterable[Path]) -> str:
    """Return the name of the bundle that all models lie in; "" = they are of none, or of several."""
    names = {bundle.about["name"] if (bundle := bundle_of(path)) is not None else "" for path in paths}
    return str(names.pop()) if len(names) == 1 else ""


def settings_told(options: object, *names: str) -> dict[str, Any]:
    """Return what was asked for, by dotted names, as JSON holds it. names: of the fields, none = all."""
    told = _flat(options)
    return {name: value for name, value in told.items() if not names or name.partition(".")[0] in names}


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in fields(settings):
        value, name = getattr(settings, one.name), f"{prefix}{one.name}"
        if is_dataclass(value):
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value if value is None or isinstance(value, bool | int | float | str) else _told(value)
    return found


def _told(value: object) -> str:
    return str(value) if isinstance(value, Path) else repr(value)
