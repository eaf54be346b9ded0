"""The model workers' work: units, features and voices of what the readers have read."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from avcore.checkpoints.stages import Running
from avcore.compute.memory import keep_freed_memory
from avcore.contracts import Speaker
from avcore.errors import NetflipsError
from avcore.files import atomic_output, write_text
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from avcore.units import Units, format_units
from avdata.unit_store import UnitRow
from netflips.bulk.records import BatchResult, Costs, Loaded, MadeFile, Rejected, by_length, reason_of
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.stages import load_speaker_encoder, load_unit_encoder

if TYPE_CHECKING:
    from av2unit.extractor import UnitExtractor

_FLOAT32_DIGITS = 9
_LENGTHS_OFF = 1.1
"""How much more than said utterances may be, or be filled up, before their batch is cut anew."""


class ModelWorker:
    """Holds the models; one a process."""

    def __init__(self, models: ExtractModels, settings: ExtractSettings) -> None:
        self._models, self._settings = models, settings
        self._extractor: UnitExtractor | None = None
        self._speaker: Speaker | None = None
        self._is_loaded = False

    def load(self) -> str:
        """Load the models and warm them up; returns "" or, in one line, what is wrong with them."""
        torch.set_num_threads(1)
        keep_freed_memory()
        models = self._models
        try:
            if self._settings.needs_encoder and models.encoder is not None:
                self._extractor = load_unit_encoder(models.encoder, Running(models.device, models.precision))
                # It lays its weights out when they are first used, which belongs to the start.
                speech, lips = np.zeros(SAMPLE_RATE, np.float32), None
                if self._settings.sees:
                    side = self._extractor.config.image_crop_size
                    lips = np.zeros((FRAME_RATE, side, side), np.uint8)
                self._extractor.extract(speech if self._settings.hears else None, lips)
            if self._settings.speaker:
                self._speaker = load_speaker_encoder(models.speaker, Running(models.device))
        except NetflipsError as error:
            return str(error)
        self._is_loaded = True
        return ""

    def process(self, *parts: Sequence[Loaded | Rejected]) -> BatchResult:
        """Make the rows of a batch, and the files that belong to them; what a model refuses is rejected with the reason."""
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
        except Exception as error:  # of one of them, or of all together where memory is short
            if len(batch) == 1:
                return [Rejected(batch[0].source.id, reason_of(error))]
            torch.cuda.empty_cache()
            return [result for one in batch for result in self._finish_batch([one])]
        return [self._finish(one, its) for one, its in zip(batch, units, strict=True)]

    def _units(self, batch: list[Loaded]) -> list[Units] | list[None]:
        if not self._settings.units or self._extractor is None:
            return [None] * len(batch)
        speech = [one.speech for one in batch if one.speech is not None] if self._settings.hears else None
        lips = [one.lips for one in batch if one.lips is not None] if self._settings.sees else None
        return self._extractor.extract_batch(speech, lips)

    def _finish(self, one: Loaded, units: Units | None) -> MadeFile | Rejected:
        try:
            return MadeFile(one.source.id, self._row(one, units), one.seconds)
        except Exception as error:  # whatever is wrong with one utterance must not stop the others
            return Rejected(one.source.id, reason_of(error))

    def _row(self, one: Loaded, units: Units | None) -> dict[str, Any]:
        entry, settings = one.source.entry, self._settings
        extra: dict[str, Any] = {"speaker": entry.speaker} if entry.speaker else {}
        if self._speaker is not None and one.speech is not None:
            vector = self._speaker.embed(one.speech)
            if settings.speaker == "npy":
                extra["speaker_path"] = self._write_array("speakers", entry.id, vector)
            else:
                extra["speaker_embedding"] = [float(f"{value:.{_FLOAT32_DIGITS}g}") for value in vector]
        if settings.features and self._extractor is not None:
            speech = one.speech if settings.hears else None
            features = self._extractor.features(settings.layer, speech, one.lips)
            extra["features"] = self._write_array("features", entry.id, features)
        extra |= one.row
        labels = {"language": entry.language, "vocabulary": "" if units is None else units.vocabulary}
        if units is not None and settings.layout != "files":
            return UnitRow(entry.id, replace(units, language=entry.language), extra).to_row()
        if units is not None:
            write_text(settings.out_dir / "units" / f"{entry.id}.unit", format_units(units.frames()))
        return {"id": entry.id} | {name: value for name, value in labels.items() if value} | extra

    def _write_array(self, folder: str, name: str, array: NDArray[np.float32]) -> str:
        """Write an array as a file of its own; returns its path below the output folder."""
        relative = f"{folder}/{name}.npy"
        with atomic_output(self._settings.out_dir / relative) as temporary:
            np.save(temporary, array)
        return relative
