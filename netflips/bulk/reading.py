"""The readers' work: decode sound and picture, find faces. Runs on CPU workers, apart from the models."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from av2unit.sources import compare_lengths, read_lip_video
from avcore.arrays import Floats, Pictures
from avcore.errors import InputError, MediaError, NoSpeechError
from avcore.faces.boxes import write_boxes
from avcore.faces.find import find_faces
from avcore.files import BOXES_ENDING, LIP_ENDING
from avcore.media import PictureSource, read_speech, write_lip_video
from avcore.media.sound import settle_track
from avcore.timeline import frames_to_seconds, samples_to_seconds
from netflips.bulk.records import Loaded, Rejected, Source, reason_of
from netflips.bulk.settings import AUDIO, VIDEO, ExtractSettings
from netflips.dubbing.clock import StageClock


def read_part(settings: ExtractSettings, sources: Sequence[Source]) -> list[Loaded | Rejected]:
    """Read utterances; one that cannot be used is rejected with the reason, and the others go on."""
    found = list[Loaded | Rejected]()
    for source in sources:
        try:
            found.append(read_source(settings, source))
        except Exception as error:  # whatever is wrong with one file must not stop the others
            found.append(Rejected(source.id, reason_of(error)))
    return found


def read_source(settings: ExtractSettings, source: Source) -> Loaded:
    """Read one utterance, and write its lip crops and boxes where they are asked for. Raises NetflipsError."""
    clock, row = StageClock(), dict[str, Any]()
    with _warnings(row):
        speech = _speech(settings, source, clock)
        lips = _lips(settings, source, speech, clock, row)
        if speech is not None and lips is not None and settings.hears and settings.sees:
            compare_lengths(source.id, speech, lips)
    seconds = frames_to_seconds(len(lips)) if lips is not None else samples_to_seconds(0 if speech is None else len(speech))
    return Loaded(
        source,
        speech if _is_heard(settings) else None,
        lips if settings.sees else None,
        float(seconds),
        row,
        clock.seconds.get("decode", 0.0),
        clock.seconds.get("faces", 0.0),
    )


def _speech(settings: ExtractSettings, source: Source, clock: StageClock) -> Floats | None:
    path = source.path("audio") or source.path("video")
    is_wanted = _is_heard(settings)
    if path is None and is_wanted:
        raise InputError("it has no sound", path=source.id, hint=f"use --modalities {VIDEO} to read the lips alone")
    if path is None or not (is_wanted or _must_look(settings, source)):
        return None
    try:
        with clock.stage("decode"):
            if not source.entry.audio:
                settle_track(path)
            speech = read_speech(path)
    except MediaError:
        if is_wanted:
            raise
        return None  # who speaks is then seen from the mouths alone
    if is_wanted and not speech.size:
        raise NoSpeechError("its sound track is empty", path=path)
    return speech


def _is_heard(settings: ExtractSettings) -> bool:
    """Return whether a model takes the sound."""
    return settings.hears or bool(settings.speaker)


def _must_look(settings: ExtractSettings, source: Source) -> bool:
    """Return whether the lips have to be found in the picture."""
    return (settings.sees or settings.lips) and not source.entry.lips


def _lips(
    settings: ExtractSettings, source: Source, speech: Floats | None, clock: StageClock, row: dict[str, Any]
) -> Pictures | None:
    existing = source.path("lips")
    if existing is not None:
        if not settings.sees:
            return None
        with clock.stage("decode"):
            return read_lip_video(existing)
    if not _must_look(settings, source):
        return None
    path = source.path("video")
    if path is None:
        raise InputError("it has no picture", path=source.id, hint=f"use --modalities {AUDIO}, without --with-lips")
    pictures = PictureSource(path)
    with clock.stage("faces"):
        face = find_faces(
            clock.timed(pictures, "decode"),
            settings.face_choice,
            speech,
            total=len(pictures),
            source=path,
            pixel_aspect=pictures.info.pixel_aspect,
        )
        if settings.lips:
            lip_path, box_path = f"lips/{source.id}{LIP_ENDING}", f"lips/{source.id}{BOXES_ENDING}"
            write_lip_video(settings.out_dir / lip_path, face.lips)
            write_boxes(settings.out_dir / box_path, face.boxes)
            row |= {"lips": lip_path, "boxes": box_path, "frames": len(face.lips)}
        return face.lips


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def _warnings(row: dict[str, Any]) -> Iterator[None]:
    """Put what is warned of inside the block into the row: nobody sees the log of a worker."""
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(collector)
        if collector.texts:
            row["warnings"] = collector.texts
