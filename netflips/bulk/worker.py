"""The workers of a bulk run: readers decode sound and frames and find faces, on the CPU and without torch; model workers make
units, features and voice vectors from what was read."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from av2unit.sources import compare_lengths, read_lip_video
from avcore.arrays import Floats, Frames
from avcore.checkpoints.stages import Running
from avcore.compute.memory import keep_freed_memory
from avcore.contracts import Speaker
from avcore.data.unit_store import UnitRow
from avcore.errors import InputError, MediaError, NetflipsError, NoSpeechError
from avcore.faces.boxes import write_boxes
from avcore.faces.find import find_faces
from avcore.files import BOXES_ENDING, LIP_ENDING, atomic_output, write_text
from avcore.media import FrameSource, MediaSource, read_speech, write_lip_video
from avcore.media.tracks import select_audio_track
from avcore.notes import GroupedNote, noted_by, sentence
from avcore.progress import StageClock
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_to_seconds, samples_to_seconds
from avcore.units import Units, format_units
from netflips.bulk.records import BatchResult, Costs, Loaded, MadeFile, Rejected, Source, by_length, reason_of
from netflips.bulk.settings import AUDIO, VIDEO, ExtractModels, ExtractSettings
from netflips.stages import load_speaker_encoder, load_unit_encoder

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor


def read_part(settings: ExtractSettings, sources: Sequence[Source]) -> list[Loaded | Rejected]:
    """Read utterances. One that cannot be used is rejected with the reason, and the others go on."""
    found = list[Loaded | Rejected]()
    for source in sources:
        try:
            found.append(read_source(settings, source))
        except Exception as error:  # whatever is wrong with one file must not stop the others
            found.append(Rejected(source.id, reason_of(error)))
    return found


def read_source(settings: ExtractSettings, source: Source) -> Loaded:
    """Read one utterance, and write its lip crops and boxes if asked for. Raises NetflipsError."""
    clock, row, notes = StageClock(), dict[str, Any](), list[GroupedNote]()
    with noted_by(notes.append):  # nobody sees the log of a worker
        speech, sound_source = _speech(settings, source, clock)
        lips = _lips(settings, source, speech, sound_source, clock, row)
        if speech is not None and lips is not None and settings.uses_audio and settings.uses_video:
            compare_lengths(source.id, speech, lips)
    if notes:
        row["warnings"] = [sentence(note) for note in notes]

    seconds = frames_to_seconds(len(lips)) if lips is not None else samples_to_seconds(0 if speech is None else len(speech))
    return Loaded(
        source,
        # Sound that only helped to find the speaker is not sent to the models.
        speech if _is_heard(settings) else None,
        lips if settings.uses_video else None,
        float(seconds),
        row,
        clock.seconds.get("decode", 0.0),
        clock.seconds.get("faces", 0.0),
    )


def _speech(settings: ExtractSettings, source: Source, clock: StageClock) -> tuple[Floats | None, MediaSource | None]:
    """Return the sound of an utterance, and its video with the track that the sound is from; None where there is none."""
    path = source.path("audio") or source.path("video")
    is_wanted = _is_heard(settings)
    if path is None and is_wanted:
        raise InputError("it has no sound", path=source.id, hint=f"use --modalities {VIDEO} to read the lips alone")
    # The active speaker is found with the help of the sound, so lips alone may need it, too.
    if path is None or not (is_wanted or _must_look(settings, source)):
        return None, None

    video = None
    try:
        with clock.stage("decode"):
            if not source.entry.audio:
                video = select_audio_track(path)
            speech = read_speech(video or path)
    except MediaError:
        if is_wanted:
            raise
        return None, video  # the active speaker is then found by the mouths alone

    if is_wanted and not speech.size:
        raise NoSpeechError("its sound track is empty", path=path)
    return speech, video


def _is_heard(settings: ExtractSettings) -> bool:
    """Return whether a model needs the sound."""
    return settings.uses_audio or bool(settings.speaker)


def _must_look(settings: ExtractSettings, source: Source) -> bool:
    """Return whether the lips must be found in the frames."""
    return (settings.uses_video or settings.lips) and not source.entry.lips


def _lips(
    settings: ExtractSettings,
    source: Source,
    speech: Floats | None,
    sound_source: MediaSource | None,
    clock: StageClock,
    row: dict[str, Any],
) -> Frames | None:
    existing = source.path("lips")
    if existing is not None:
        if not settings.uses_video:
            return None
        with clock.stage("decode"):
            return read_lip_video(existing)

    if not _must_look(settings, source):
        return None
    path = source.path("video")
    if path is None:
        raise InputError("it has no video", path=source.id, hint=f"use --modalities {AUDIO}, without --with-lips")

    frames = FrameSource(sound_source or path)
    with clock.stage("faces"):
        face = find_faces(
            clock.timed(frames, "decode"),
            settings.face_choice,
            speech,
            total=len(frames),
            source=path,
            pixel_aspect=frames.info.pixel_aspect,
        )
        if settings.lips:
            lip_path, box_path = f"lips/{source.id}{LIP_ENDING}", f"lips/{source.id}{BOXES_ENDING}"
            write_lip_video(settings.out_dir / lip_path, face.lips)
            write_boxes(settings.out_dir / box_path, face.boxes)
            row |= {"lips": lip_path, "boxes": box_path, "frames": len(face.lips)}
        return face.lips


# What models make

_FLOAT32_DIGITS = 9  # so many give each float32 back exactly
_LENGTHS_OFF = 1.1
"""How much real lengths and padding may exceed the expected ones before a batch is split."""


class ModelWorker:
    """Holds the models; there is one in each process."""

    def __init__(self, models: ExtractModels, settings: ExtractSettings) -> None:
        self._models, self._settings = models, settings
        self._extractor: UnitExtractor | None = None
        self._speaker: Speaker | None = None
        self._is_loaded = False

    def load(self) -> str:
        """Load the models and warm them up; returns "", or what is wrong with them in one line."""
        import torch

        # More processes use the cores better than more threads in each.
        torch.set_num_threads(1)
        keep_freed_memory()

        models = self._models
        try:
            if self._settings.needs_encoder and models.encoder is not None:
                self._extractor = load_unit_encoder(models.encoder, Running(models.device, models.precision))
                # The first use lays out the weights: a call here makes that part of the start-up.
                speech, lips = np.zeros(SAMPLE_RATE, np.float32), None
                if self._settings.uses_video:
                    side = self._extractor.config.image_crop_size
                    lips = np.zeros((FRAME_RATE, side, side), np.uint8)
                self._extractor.extract(speech if self._settings.uses_audio else None, lips)
            if self._settings.speaker:
                self._speaker = load_speaker_encoder(models.speaker, Running(models.device))
        except NetflipsError as error:
            return str(error)

        self._is_loaded = True
        return ""

    def process(self, *parts: Sequence[Loaded | Rejected]) -> BatchResult:
        """Make the rows of a batch, and the files that belong to them. An utterance that a model refuses is rejected with the
        reason."""
        if not self._is_loaded and (complaint := self.load()):
            raise RuntimeError(complaint)

        read = list(chain.from_iterable(parts))
        loaded = [one for one in read if isinstance(one, Loaded)]
        made, rejected = list[MadeFile](), [one for one in read if isinstance(one, Rejected)]
        costs = Costs()
        most_s, most_padding_s = self._settings.batch_s * _LENGTHS_OFF, self._settings.padding_s * _LENGTHS_OFF

        for batch in by_length(loaded, lambda one: one.seconds, most_s, most_padding_s):
            begin = time.perf_counter()
            for one in self._finish_batch(batch):
                (made if isinstance(one, MadeFile) else rejected).append(one)  # type: ignore[arg-type]
            lengths, model_s = [one.seconds for one in batch], time.perf_counter() - begin
            decode_s, face_s = sum(one.decode_s for one in batch), sum(one.face_s for one in batch)
            costs += Costs(decode_s, face_s, model_s, media_s=sum(lengths), padded_s=max(lengths) * len(batch))
        return BatchResult(made, rejected, costs)

    def _finish_batch(self, batch: list[Loaded]) -> list[MadeFile | Rejected]:
        try:
            units = self._units(batch)
        except Exception as error:  # one of them is at fault, or all together need too much memory
            if len(batch) == 1:
                return [Rejected(batch[0].source.id, reason_of(error))]
            import torch

            # The single tries need the memory that the failed batch held.
            torch.cuda.empty_cache()
            return [result for loaded in batch for result in self._finish_batch([loaded])]

        return [self._finish(loaded, its) for loaded, its in zip(batch, units, strict=True)]

    def _units(self, batch: list[Loaded]) -> list[Units] | list[None]:
        if not self._settings.units or self._extractor is None:
            return [None] * len(batch)
        speech = [loaded.speech for loaded in batch if loaded.speech is not None] if self._settings.uses_audio else None
        lips = [loaded.lips for loaded in batch if loaded.lips is not None] if self._settings.uses_video else None
        return self._extractor.extract_batch(speech, lips)

    def _finish(self, loaded: Loaded, units: Units | None) -> MadeFile | Rejected:
        try:
            return MadeFile(loaded.source.id, self._row(loaded, units), loaded.seconds)
        except Exception as error:  # whatever is wrong with one utterance must not stop the others
            return Rejected(loaded.source.id, reason_of(error))

    def _row(self, loaded: Loaded, units: Units | None) -> dict[str, Any]:
        entry, settings = loaded.source.entry, self._settings
        extra: dict[str, Any] = {"speaker": entry.speaker} if entry.speaker else {}

        if self._speaker is not None and loaded.speech is not None:
            vector = self._speaker.embed(loaded.speech)
            if settings.speaker == "npy":
                extra["speaker_path"] = self._write_array("speakers", entry.id, vector)
            else:
                extra["speaker_embedding"] = [float(f"{value:.{_FLOAT32_DIGITS}g}") for value in vector]
            extra["speaker_encoder"] = self._speaker.fingerprint

        if settings.features and self._extractor is not None:
            speech = loaded.speech if settings.uses_audio else None
            features = self._extractor.features(settings.layer, speech, loaded.lips)
            extra["features"] = self._write_array("features", entry.id, features)

        extra |= loaded.row
        labels = {"language": entry.language, "vocabulary": "" if units is None else units.vocabulary}
        if units is not None and settings.layout != "files":
            return UnitRow(entry.id, replace(units, language=entry.language), extra).to_row()
        if units is not None:
            write_text(settings.out_dir / "units" / f"{entry.id}.unit", format_units(units.frames()))
        return {"id": entry.id} | {name: value for name, value in labels.items() if value} | extra

    def _write_array(self, folder: str, name: str, array: NDArray[np.float32]) -> str:
        """Write an array into a file of its own; returns the path below the output folder."""
        relative = f"{folder}/{name}.npy"
        with atomic_output(self._settings.out_dir / relative) as temporary:
            np.save(temporary, array)
        return relative
