"""Training of a unit vocoder: the steps of generator and discriminators, and validation on held-out utterances."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.data.corpus import unit_of_silence
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, units_to_seconds
from avcore.train.task import Engine, Figures, Task, Values
from unit2av.evaluation_encoder import UnitErrors, load_evaluation_encoder, unit_errors
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.corpus import VoiceCorpus
from unit2av.voice.training.items import HeldOut, Recordings, SegmentBatch, Tracks, TrainingSegments, collate_speech
from unit2av.voice.training.losses import (
    Discriminators,
    Judgement,
    LogMel,
    Runs,
    StftLoss,
    adversarial_loss,
    discriminator_loss,
    duration_loss,
    feature_loss,
    length_loss,
    mel_loss,
)
from unit2av.voice.training.start import GENERATOR, RUN_KIND, TrainedVocoder, settings_of

_DISCRIMINATORS = "discriminators"
_UNITS, _RECORDED_UNITS = "unit_error_rate", "recorded_unit_error_rate"
_LOG_RANGE = (-9.0, 3.0)
"""Log mel values that are drawn as black and as white."""
_FRAME_SCALE = 3


class Unit2aTask(Task):
    """Trains a vocoder and its discriminators."""

    kind = RUN_KIND
    trainer = "unit2av.train_unit2a"

    def __init__(self, config: Unit2aConfig, corpus: VoiceCorpus, vocoder: TrainedVocoder, tracks: Tracks | None = None) -> None:
        """tracks: F0 of all utterances, None for a voice without a pitch."""
        self._config, self._vocoder = config, vocoder
        torch.manual_seed(config.loop.seed)
        self._discriminators = Discriminators(config.discriminators) if config.is_adversarial else None
        self._mel, self._stft = LogMel(config.mel, config.data.rate), StftLoss(config.losses.stft_sizes)
        self._edge_unit = unit_of_silence(config.edge_unit, (clip.units for clip in corpus.train))

        parts: dict[str, nn.Module] = {GENERATOR: vocoder, "mel": self._mel, "stft": self._stft}
        optim = {GENERATOR: config.generator_optim}
        if self._discriminators is not None:
            parts[_DISCRIMINATORS], optim[_DISCRIMINATORS] = self._discriminators, config.discriminator_optim

        data, reading = config.data, (tracks, self._edge_unit)
        train = TrainingSegments(corpus.train, data, config.loop.seed, Recordings(data, corpus.train, *reading))
        valid = HeldOut(corpus.valid, data, Recordings(data, (), *reading)) if corpus.valid else None
        more = {"edge_unit": self._edge_unit, "speaker_encoder": corpus.encoder or None}
        settings = settings_of(vocoder.config) | {name: value for name, value in more.items() if value is not None}
        super().__init__(
            config, parts, optim, train, valid, language=config.language, settings=settings, vocabulary=corpus.vocabulary
        )

        self._judge = load_evaluation_encoder(config.unit_encoder, corpus.vocabulary, config.loop.device)
        self._own_errors: dict[str, UnitErrors] = {}
        self._has_shown_truth = False

    @property
    def figures(self) -> tuple[str, ...]:
        judged = () if self._judge is None else (_UNITS, _RECORDED_UNITS)
        return ("mel", "duration", "duration_error_s", "length_error", *judged)

    def collate(self, items: list[Any]) -> SegmentBatch:
        return collate_speech(items)

    # One update of the discriminators, then one of the vocoder

    def training_step(self, batch: SegmentBatch, engine: Engine) -> Values:
        """Update both sides on one batch. Losses are logged without weights; `loss` is the weighted sum of the vocoder's."""
        runs = batch["runs"]
        sound, log_durations, more = self._speak(batch, engine.module(GENERATOR))
        values: dict[str, Tensor | float] = {}
        weights = self._config.losses

        real = self._mel(batch["samples"])
        onsets = 1 + weights.onset * self._mel.onsets(real) if weights.onset else None
        losses = {"mel": mel_loss(self._mel(sound), real, onsets)}
        if weights.stft:
            losses["stft"] = self._stft(sound, batch["samples"], self._stft.draw(weights.stft_drawn))
        losses |= more
        losses["duration"] = duration_loss(log_durations, runs)
        if weights.length:
            losses["length"] = length_loss(log_durations, runs)

        if self._discriminators is not None and engine.progress >= weights.adversarial_from:
            # Discriminators first, as in HiFi-GAN's program.
            values["discriminator"] = self._train_discriminators(sound.detach(), batch["samples"], engine)
            # Frozen, so that the discriminators do not collect gradients of the vocoder's loss.
            self._discriminators.requires_grad_(False)
            with torch.no_grad():
                truth = self._discriminators(batch["samples"])
            judged = self._discriminators(sound)
            self._discriminators.requires_grad_(True)
            losses |= {"adversarial": adversarial_loss(judged), "feature": feature_loss(truth, judged)}

        loss = torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
        engine.update(GENERATOR, loss)
        return {"loss": loss, **losses, **values}

    def _speak(self, batch: SegmentBatch, vocoder: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Run the vocoder on a batch; returns sound, log durations, and further losses."""
        sound, log_durations = vocoder(batch["frames"], batch["voice"], batch["runs"])
        return sound, log_durations, {}

    def _say(self, batch: SegmentBatch, one: slice, length: int) -> Tensor:
        """Synthesise one held-out utterance with its own durations: float32 [1, samples a unit * length]."""
        return self._vocoder(batch["frames"][one, :length], batch["voice"][one])  # type: ignore[no-any-return]

    def _train_discriminators(self, made: Tensor, real: Tensor, engine: Engine) -> Tensor:
        # Both halves in one call, because data parallel training counts calls.
        judged = engine.module(_DISCRIMINATORS)(torch.cat([real, made]))
        loss = discriminator_loss(_half(judged, slice(None, len(real))), _half(judged, slice(len(real), None)))
        engine.update(_DISCRIMINATORS, loss)
        return loss

    # Validation

    def measure(self, batches: Iterator[SegmentBatch], engine: Engine) -> Iterator[Figures]:
        """Yield figures of held-out utterances: mel L1, duration loss, errors of predicted durations and of their sum.

        duration_error_s: mean absolute error of a unit's duration (s). length_error: error of an utterance's length, as a share
        of it. With a unit encoder, unit_error_rate: units of the synthesised sound against those that were to be spoken, and
        recorded_unit_error_rate: the same for the recordings, the lowest rate that can be expected.
        """
        shown = 0
        for batch in batches:
            for number, length in enumerate(batch["num_frames"]):
                made, figures = self._measure(batch, number, length)
                yield figures
                if shown < self._config.num_samples:
                    name, real = batch["names"][number], batch["samples"][number, : len(made)]
                    engine.log_sound(f"made/{name}", made.float().cpu().numpy(), self._config.data.rate)
                    if not self._has_shown_truth:
                        engine.log_sound(f"real/{name}", real.cpu().numpy(), self._config.data.rate)
                    engine.log_image(f"real above made/{name}", spectrogram_image(self._mel(torch.stack([real, made.float()]))))
                    shown += 1
        self._has_shown_truth = True

    def _measure(self, batch: SegmentBatch, number: int, length: int) -> tuple[Tensor, Figures]:
        """Synthesise one utterance with its own durations; returns float32 [samples a unit * length] and its figures."""
        one = slice(number, number + 1)
        made = self._say(batch, one, length)
        real = batch["samples"][one, : length * self._config.data.samples_per_unit]
        runs = Runs(*(part[one] for part in batch["runs"]))
        log_durations = self._vocoder.log_durations(runs.ids, runs.is_run)
        predicted = torch.round(torch.exp(log_durations[runs.is_run].float()) - 1).clamp(min=1)
        truth = runs.lengths[runs.is_run]

        figures = {
            "mel": float(F.l1_loss(self._mel(made), self._mel(real))),
            "duration": float(duration_loss(log_durations, runs)),
            "duration_error_s": float((predicted - truth).abs().mean()) * float(units_to_seconds(1)),
            "length_error": abs(float(predicted.sum()) / float(truth.sum()) - 1),
        }
        if self._judge is None:
            return made[0], figures

        name, frames = batch["names"][number], batch["frames"][number, :length].cpu().numpy()
        # The recording's own errors are the same in every validation.
        if name not in self._own_errors:
            self._own_errors[name] = unit_errors(self._judge, self._at_16_khz(real[0]), frames)
        found = unit_errors(self._judge, self._at_16_khz(made[0]), frames)
        return made[0], {**figures, _UNITS: found, _RECORDED_UNITS: self._own_errors[name]}

    def _at_16_khz(self, sound: Tensor) -> NDArray[np.float32]:
        """Resample sound of the voice's rate for the unit encoder."""
        return resample(sound.float().cpu().numpy(), self._config.data.rate, SAMPLE_RATE)


def spectrogram_image(log_mels: Tensor) -> NDArray[np.uint8]:
    """Draw log mels, float [frame, mel, time], one above the other with low frequencies at the bottom: uint8 [H, W, 3]."""
    darkest, brightest = _LOG_RANGE
    gray = ((log_mels - darkest) / (brightest - darkest)).clamp(0, 1).mul(255).byte().cpu().numpy()
    framed = np.pad(gray[:, ::-1], ((0, 0), (0, 1), (0, 0)), constant_values=255)
    frame = framed.reshape(-1, framed.shape[2]).repeat(_FRAME_SCALE, 0).repeat(_FRAME_SCALE, 1)
    return np.ascontiguousarray(np.broadcast_to(frame[..., None], (*frame.shape, 3)))


def _half(judgements: Sequence[Judgement], rows: slice) -> list[Judgement]:
    """Return the judgements of some rows of a batch."""
    return [Judgement(judgement.score[rows], [feature[rows] for feature in judgement.features]) for judgement in judgements]
