"""Units to speech: the vocoder of one language with its weights, in pieces of bounded size.

It also finds a vocoder's unit offset: unit name + offset = row of its table. The published vocoders keep unit n in row n. A vocoder
trained on raw class numbers of the unit encoder, whose first four classes are no units, keeps unit n in row n + 4. A table with
spare rows shows which of the two it is: rows that no training example used keep their random start, shrunk by weight decay, and all
have much the same norm.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.arrays import Samples
from avcore.checkpoints.checkpoint import load_strict
from avcore.compute.convolutions import FlatConv1d, WeightNormConv1d
from avcore.compute.inference import ready_for_inference, resolve_device, resolve_precision, skeleton
from avcore.contracts import SpeakerVoice, Speech, Voice, kind_of, require_units
from avcore.errors import CheckpointError, InputError, UnitError, UsageError
from avcore.notes import NoteKind, report_note
from avcore.progress import Progress, silent
from avcore.speech.audio import resample
from avcore.speech.pitch import Pitch
from avcore.speech.timbre import Timbre
from avcore.timeline import SAMPLE_RATE, UNIT_RATE, samples_to_units, seconds_to_units, units_to_samples
from avcore.units import Units, normalise_language, require_same_vocabulary
from unit2av.stage import RendererCheckpoint, open_renderer_checkpoint
from unit2av.voice.harmonic import (
    HARMONIC,
    HarmonicUtterance,
    HarmonicVocoder,
    harmonic_config,
    kind_of_voice,
    soft_ends,
)
from unit2av.voice.vocoder import SLOPE, ResidualBlock, UnitHifiGan, vocoder_config

LOG = logging.getLogger(__name__)

OffsetSetting = int | Literal["auto"]

NUM_NAMES = 1000
"""Unit names 0..999 of the published quantizer."""
NUM_SPECIALS = 4
"""Classes of the unit encoder before the first unit."""
_FEWEST_SPARE_ROWS = 8
_MARGIN = math.log(10_000)
"""Log odds that the table must show for one of the two."""
_ROW_LIMIT = 3.0
"""No row counts for more than e^3 : 1, so that one odd row decides nothing."""
_LEAST_SPREAD = 0.01

_OPEN = NoteKind(
    "vocoder_offset",
    f"the '{{language}}' vocoder has {{rows}} unit rows and does not show whether it counts units from 0 or from {NUM_SPECIALS}; "
    "taking 0",
    f" (--vocoder-unit-offset {NUM_SPECIALS} if the speech is wrong)",
)


@dataclass(frozen=True)
class OffsetEstimate:
    """The unit offset that a table shows."""

    offset: int
    """row of unit 0"""
    is_decided: bool
    """whether the table shows it clearly"""
    log_odds: float = 0.0
    """log odds of shifted against unshifted"""


def estimate_unit_offset(table: Tensor) -> OffsetEstimate:
    """Estimate from a unit table, float of shape [rows, dim], whether unit n is in row n or in row n + 4.

    Rows 1004 and up are unused either way (group A), rows 4..999 are used either way (group B). Shifted, rows 0..3 are like A
    and 1000..1003 like B; unshifted, it is the other way round. The statistic is the likelihood ratio of the two, with
    normal distributions fitted to the log norms of A and B (the spread of A at least that of Gaussian rows,
    1 / sqrt(2 dim)), each row limited to e^3. The estimate is decided if the odds are 10,000 : 1 or more and both groups of four
    rows point the same way; otherwise the offset is 0 and undecided. An untrained table has odds near 1.
    """
    rows = table.shape[0]
    if rows < NUM_NAMES + NUM_SPECIALS:
        return OffsetEstimate(0, is_decided=True)
    if rows < NUM_NAMES + NUM_SPECIALS + _FEWEST_SPARE_ROWS:
        return OffsetEstimate(0, is_decided=False)

    log_norms = torch.linalg.vector_norm(table.detach().double(), dim=1).log()
    if not bool(torch.isfinite(log_norms).all()):
        return OffsetEstimate(0, is_decided=False)
    unused, used = log_norms[NUM_NAMES + NUM_SPECIALS :], log_norms[NUM_SPECIALS:NUM_NAMES]
    like_unused = _normal(unused, least_spread=1 / math.sqrt(2 * table.shape[1]))
    like_used = _normal(used, least_spread=_LEAST_SPREAD)

    first, last = (
        float((_log_density(group, like_unused) - _log_density(group, like_used)).clamp(-_ROW_LIMIT, _ROW_LIMIT).sum())
        for group in (log_norms[:NUM_SPECIALS], log_norms[NUM_NAMES : NUM_NAMES + NUM_SPECIALS])
    )
    log_odds = first - last
    is_decided = abs(log_odds) >= _MARGIN and first * last < 0
    return OffsetEstimate(NUM_SPECIALS if is_decided and log_odds > 0 else 0, is_decided, log_odds)


def resolve_unit_offset(setting: OffsetSetting, language: str, table: Tensor, stored: Mapping[str, int]) -> int:
    """Return the offset to use: the one that was asked for, else the checkpoint's, else the one that the table shows.

    setting: rows to add to a unit name, or "auto". table: float of shape [rows, dim]. stored: the checkpoint's offsets by
    language. Reports a note if the table does not decide it. Raises UsageError for an offset that is neither "auto" nor in
    0..rows - 1.
    """
    rows = table.shape[0]
    if setting != "auto":
        if isinstance(setting, bool) or not isinstance(setting, int) or not 0 <= setting < rows:
            raise UsageError("the vocoder's unit offset cannot be used", expected=f"auto or 0..{rows - 1}", found=setting)
        return setting
    if language in stored:
        return resolve_unit_offset(stored[language], language, table, {})

    estimate = estimate_unit_offset(table)
    if not estimate.is_decided:
        report_note(_OPEN(language=language, rows=rows))
    elif estimate.offset:
        LOG.info("the '%s' vocoder counts units from %d (log odds %.0f)", language, estimate.offset, estimate.log_odds)
    return estimate.offset


def _normal(sample: Tensor, least_spread: float) -> tuple[float, float]:
    """Return the mean and the spread of one more value of the sample's distribution."""
    return float(sample.mean()), max(float(sample.std()), least_spread) * math.sqrt(1 + 1 / len(sample))


def _log_density(values: Tensor, normal: tuple[float, float]) -> Tensor:
    """Return the log density of a normal distribution, up to a constant."""
    mean, spread = normal
    return -0.5 * ((values - mean) / spread) ** 2 - math.log(spread)


Network = UnitHifiGan | HarmonicVocoder

RENDERING = 3
"""Raised whenever the same units sound different than before, so that kept speech is made anew."""

PIECE_STEPS = 250
"""Steps of 20 ms made at once. Memory grows with it; the halo on both sides is computed twice."""
_LONGEST_UNIT = seconds_to_units(3600)


Speaker = NDArray[np.floating[Any]] | SpeakerVoice
"""The voice to speak in: a speaker vector alone, or with a pitch."""


class UnitVocoder:
    """Speaks unit sequences of one language in any voice."""

    def __init__(
        self,
        network: Network,
        language: str,
        unit_offset: int = 0,
        vocabulary: str = "",
        edge_unit: int | None = None,
        speaker_encoder: str = "",
        fingerprint: str = "",
    ) -> None:
        """network: folded, in evaluation mode, its generator on its device. unit_offset: row of unit name 0.

        edge_unit: a unit of silence before the first unit and behind the last one, which is not in the sound; None = they have no
        neighbour, as published. A vocoder that was trained on segments knows ends without a neighbour only as cuts.
        speaker_encoder: fingerprint of the encoder whose vectors it was trained with, "" = not stated. fingerprint: of the
        renderer's whole checkpoint.
        """
        self.network, self.language, self.unit_offset, self.vocabulary = network, language, unit_offset, vocabulary
        self.edge_unit, self.speaker_encoder, self.fingerprint = edge_unit, speaker_encoder, fingerprint

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path | RendererCheckpoint,
        language: str = "ko",
        device: str = "cpu",
        precision: str = "float32",
        unit_offset: OffsetSetting = "auto",
    ) -> "UnitVocoder":
        """Load the vocoder of a language from a renderer checkpoint.

        path: a file, or an open checkpoint. unit_offset: row of unit 0; "auto" = as the checkpoint states or its table shows (see
        `resolve_unit_offset`). Raises CheckpointError, LanguageError listing the languages, and UsageError.
        """
        checkpoint = path if isinstance(path, RendererCheckpoint) else open_renderer_checkpoint(path)
        place = resolve_device(device)
        dtype = resolve_precision(precision, place)
        language = normalise_language(language)
        tensors = checkpoint.vocoder_tensors(language)
        settings = checkpoint.vocoder_settings(language)

        network = _skeleton_of(tensors, settings, checkpoint.source.path)
        load_strict(network, tensors, checkpoint.source)
        offset = resolve_unit_offset(unit_offset, language, tensors["dict.weight"], checkpoint.unit_offsets)
        network = vocoder_for_inference(network, place, dtype)

        num_units = network.config.num_units - offset
        edge = settings.get("edge_unit")
        if edge is not None and (not isinstance(edge, int) or not 0 <= edge < num_units):
            raise CheckpointError(
                '"edge_unit" is no unit of the vocoder', path=checkpoint.source.path, expected=f"0..{num_units - 1}", found=edge
            )

        made_by = str(settings.get("speaker_encoder", ""))
        return cls(network, language, offset, settings.get("vocabulary", ""), edge, made_by, checkpoint.source.fingerprint)

    @property
    def num_units(self) -> int:
        """Number of unit names that the vocoder has."""
        return self.network.config.num_units - self.unit_offset

    @property
    def speaker_dim(self) -> int:
        """Length of the vocoder's speaker vectors."""
        return self.network.config.speaker_dim

    @property
    def takes_pitch(self) -> bool:
        """Whether the vocoder follows a given pitch; otherwise the pitch comes from the units and the speaker vector."""
        return isinstance(self.network, HarmonicVocoder)

    @property
    def rate(self) -> int:
        """Sample rate of the vocoder's own sound in Hz; above 16,000 it has frequencies above 8 kHz, too."""
        return self.network.config.rate if isinstance(self.network, HarmonicVocoder) else SAMPLE_RATE

    def predict_durations(self, units: Units, duration_scale: float = 1.0) -> Units:
        """Merge equal neighbours (once) and predict the duration of each unit, at least 1 step.

        Durations that the units have are replaced. duration_scale: above 1 is slower. Raises UnitError for no units and
        UnitRangeError for a unit that the vocoder does not have.
        """
        if not 0 < duration_scale < float("inf"):
            raise UsageError("the duration scale must be above 0", found=duration_scale)
        merged = self._checked(units).merged()
        # Units are merged, so a neighbour equal to the first or the last one would be a pair that the network never met.
        before, behind = (self._edge(int(unit != self.edge_unit)) for unit in (merged.ids[0], merged.ids[-1]))
        rows = self._rows(np.concatenate((before, merged.ids, behind)))

        with torch.inference_mode():
            log_durations = self.network.log_durations(rows[None])[0, len(before) : len(before) + len(merged)]
        # The network predicts ln(duration + 1).
        steps = torch.round((torch.exp(log_durations) - 1) * duration_scale).clamp(min=1)

        # Asked this way round, it is false for NaN as well, which a damaged predictor may give.
        if not bool((steps <= _LONGEST_UNIT).all()):
            raise CheckpointError(
                f"the '{self.language}' vocoder predicts a unit of more than an hour",
                hint="its duration predictor is damaged; give durations or another checkpoint",
            )
        return replace(merged, durations=steps.long().numpy())

    def synthesize(
        self,
        units: Units,
        speaker: Speaker,
        duration_scale: float = 1.0,
        progress: Progress = silent,
        *,
        pitch: Pitch | None = None,
    ) -> Speech:
        """Speak units in a voice.

        units: durations are taken as they are, or predicted if None. speaker: float [speaker_dim] of unit length, or with its
        pitch. duration_scale: applies to predicted durations only. progress: gets steps of 20 ms. pitch: instead of the
        speaker's; without either, it is the usual pitch of such a voice. Only a vocoder with `takes_pitch` uses it. Raises the
        errors of `predict_durations`, and InputError for a speaker vector of another length or with NaN in it.
        """
        timed = self._timed(require_units(units), duration_scale)
        samples = np.empty(units_to_samples(timed.num_steps), dtype=np.float32)
        filled = 0
        for piece in self.iter_synthesize(timed, speaker, pitch=pitch):
            samples[filled : filled + len(piece)] = piece
            filled += len(piece)
            progress("speech", samples_to_units(filled), timed.num_steps)
        return Speech(samples, timed)

    def iter_synthesize(
        self, units: Units, speaker: Speaker, piece_steps: int = PIECE_STEPS, *, pitch: Pitch | None = None, is_wide: bool = False
    ) -> Iterator[Samples]:
        """Speak units piece by piece: float32 [320 * n], n at most piece_steps, which join to the samples of `synthesize`.

        is_wide: at the vocoder's own `rate` instead of 16 kHz, with as many more samples. Each piece is computed with as many steps
        on both sides as its samples depend on. Memory does not grow with the number of units. Checks and errors are those of
        `synthesize`, raised at once.
        """
        # As many as samples depend on, so that the ends sound as in the middle of speech. It halves the wrong units at the ends of
        # a voice that was trained so (recipes/demo/NOTES.md).
        frames, edge = self._timed(units).frames(), self._edge(self.network.config.halo)
        rows = self._rows(np.concatenate((edge, frames, edge)))
        known = speaker if isinstance(speaker, SpeakerVoice) else SpeakerVoice(_row_of_numbers(speaker))
        require_own_encoder(known, self)
        voice, pitch = self._voice(known.vector), known.pitch if pitch is None else pitch

        first, end = len(edge), len(edge) + len(frames)
        speak = self._synthesizer(rows, voice, pitch, known.timbre)
        pieces = ((at, min(at + piece_steps, end)) for at in range(first, end, piece_steps))
        if not self.takes_pitch:
            return (speak(at, to) for at, to in pieces)

        rate = self.rate if is_wide else SAMPLE_RATE
        if rate != self.rate:
            speak = _resampled(speak, len(rows), self.rate)
        size = rate // UNIT_RATE
        total = len(frames) * size
        return (speak(at, to) * soft_ends((at - first) * size, (to - first) * size, total, rate) for at, to in pieces)

    @property
    def silence_row(self) -> int | None:
        """The row of pauses in the unit table; None: it is not known."""
        return None if self.edge_unit is None else self.edge_unit + self.unit_offset

    def _timed(self, units: Units, duration_scale: float = 1.0) -> Units:
        return self.predict_durations(units, duration_scale) if units.durations is None else self._checked(units)

    def _checked(self, units: Units) -> Units:
        if not len(require_units(units)):
            raise UnitError("there are no units to say", expected="one unit or more", found="an empty sequence")
        require_same_vocabulary(units.vocabulary, self.vocabulary, f"the '{self.language}' vocoder")
        return units.check_range(self.num_units)

    def _edge(self, steps: int) -> NDArray[np.int64]:
        """Return the units of context before and behind an utterance, which are not in its sound."""
        return np.full(0 if self.edge_unit is None else steps, self.edge_unit or 0, dtype=np.int64)

    def _rows(self, ids: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(ids + self.unit_offset)

    def _voice(self, speaker: NDArray[np.floating[Any]]) -> Tensor:
        vector = _row_of_numbers(speaker)
        if len(vector) != self.speaker_dim:
            raise InputError(
                "this speaker vector does not fit the vocoder", expected=f"{self.speaker_dim} values", found=len(vector)
            )
        if not np.isfinite(vector).all():
            raise InputError("the speaker vector has values that are no numbers", hint="take the voice from another recording")
        return torch.from_numpy(vector)[None]

    @torch.inference_mode()
    def _synthesizer(
        self, rows: Tensor, voice: Tensor, pitch: Pitch | None, timbre: Timbre | None
    ) -> Callable[[int, int], Samples]:
        """Return a function that gives the sound of steps `start` to `end` of an utterance: float32 [320 * (end - start)]."""
        network = self.network
        if isinstance(network, HarmonicVocoder):
            if pitch is not None and not (np.isfinite(pitch.median) and 0 < pitch.spread < np.inf):
                raise InputError("this is no pitch of a voice", expected="finite numbers, a spread above 0", found=pitch)
            return torch.inference_mode()(HarmonicUtterance(network, rows, self.silence_row, voice, pitch, timbre).piece)
        return lambda start, end: self._piece(network, rows, voice, start, end)

    @torch.inference_mode()
    def _piece(self, network: UnitHifiGan, rows: Tensor, voice: Tensor, start: int, end: int) -> Samples:
        halo = network.config.halo
        left = max(0, start - halo)
        sound = network(rows[None, left : end + halo], voice)[0]
        return np.asarray(sound[units_to_samples(start - left) : units_to_samples(end - left)].cpu().numpy())


def require_own_encoder(speaker: SpeakerVoice, voice: Voice) -> None:
    """Raise InputError if a speaker's voice was measured by another encoder than the vocoder's, as far as both name theirs."""
    if speaker.encoder and voice.speaker_encoder not in ("", speaker.encoder):
        what, hint = "this voice is of another speaker encoder than the vocoder's", "measure it again with that one"
        raise InputError(what, expected=voice.speaker_encoder, found=speaker.encoder, hint=hint)


def rate_of(voice: Voice) -> int:
    """Return the sample rate of a voice's own sound in Hz; a voice of another program speaks at 16 kHz.

    This reads an attribute rather than the class: a stand-in for a voice that is loaded later has another class.
    """
    return int(getattr(voice, "rate", SAMPLE_RATE))


def pieces_at_own_rate(voice: Voice, units: Units, speaker: Speaker) -> Iterator[Samples]:
    """Speak units piece by piece with all frequencies that the voice has, at its `rate_of`."""
    if rate_of(voice) == SAMPLE_RATE:
        return voice.iter_synthesize(units, speaker)
    return cast(UnitVocoder, voice).iter_synthesize(units, speaker, is_wide=True)


def _resampled(speak: Callable[[int, int], Samples], total: int, rate: int) -> Callable[[int, int], Samples]:
    """Return a function that speaks at 16 kHz what `speak` speaks at `rate`; pieces join as if they were resampled together.

    total: steps of the utterance.
    """

    def at_16_khz(start: int, end: int) -> Samples:
        left, right = max(0, start - 1), min(total, end + 1)  # a step is longer than the filter
        whole = resample(speak(left, right), rate, SAMPLE_RATE)
        return whole[units_to_samples(start - left) : units_to_samples(end - left)]

    return at_16_khz


def vocoder_for_inference(network: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """Make a vocoder ready to speak, its generator on `device`. It cannot be trained or stored any more.

    Units, durations and speaker stay on the CPU in float32: they cost next to nothing, and durations are then the same on every
    device. HiFi-GAN's last layer and the harmonic voice's filters, which give log amplitudes, are in float32 in every precision.
    """
    network.eval().requires_grad_(False)
    if isinstance(network, HarmonicVocoder):
        network.source.to(device)
        return network

    # The ReLU between the two convolutions of a pair goes into the first one's kernel, which is 1.07 times as quick. The residual
    # there too was slower (benchmarks/NOTES.md).
    for block in network.resblocks:
        assert isinstance(block, ResidualBlock)
        block.convs1 = nn.ModuleList(FlatConv1d(cast(WeightNormConv1d, conv), SLOPE) for conv in block.convs1)
        block.inner = nn.Identity()

    ready_for_inference(network)
    for part in (network.conv_pre, network.ups, network.resblocks):
        part.to(device, dtype)
    network.conv_post.to(device)
    return network


def _skeleton_of(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> Network:
    """Return the network of a vocoder's tensors, without weights. Raises CheckpointError if its sizes cannot be read."""
    with skeleton():
        if kind_of_voice(tensors) == HARMONIC:
            return HarmonicVocoder(harmonic_config(tensors, settings, path))
        return UnitHifiGan(vocoder_config(tensors, settings, path))


def _row_of_numbers(speaker: object) -> Samples:
    """Return a speaker vector as float32 [E]. Raises InputError if it does not hold numbers."""
    try:
        return np.array(speaker, dtype=np.float32).reshape(-1)
    except (TypeError, ValueError) as error:
        raise InputError("this is no voice", expected="a row of numbers", found=kind_of(speaker)) from error


_CONTRACT: type[Voice] = UnitVocoder
"""Checked by mypy: the class keeps the protocol."""

__all__ = ["Network", "Samples", "Speaker", "SpeakerVoice", "Speech", "UnitVocoder"]
