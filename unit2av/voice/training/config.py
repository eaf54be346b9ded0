"""Settings of a vocoder training run, which the yaml files in configs/unit2av are checked against.

The published numbers are in unit2a.yaml and the groups that it names, with their sources. Settings given there have no default
here; a yaml that leaves one out gets it from there.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, ClassVar

from msgspec import Meta

from avcore.bounds import Amount, Count, Number, Share, one_of, require
from avcore.data.corpus import MOST_COMMON, UnitCorpusConfig
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT, UNIT_RATE
from avcore.train.config import LoopConfig, OptimConfig, RunConfig
from unit2av.voice.harmonic import HARMONIC, HIFIGAN, HarmonicConfig, SourceSizes
from unit2av.voice.source import samples_per_control
from unit2av.voice.training.losses import DiscriminatorConfig, MelConfig
from unit2av.voice.vocoder import TimedUnitsConfig, VocoderConfig

RATES = SAMPLE_RATE, 24_000
"""Sample rates (Hz) that a voice may be trained at."""


@dataclass(frozen=True, kw_only=True)
class VoiceDataConfig(UnitCorpusConfig):
    """Recordings, their units and their voices.

    train, valid: JSON lines with units beside them, or the published form (one Python dict literal a line).
    """

    root: str = ""
    """folder that relative paths start from; empty = the manifest's own"""
    more_units: tuple[str, ...] = ()
    """other units of the training utterances, such as those of the lips; each store adds one more utterance for each, so that the
    voice also learns to speak from worse units"""
    speakers: str = ""
    """voices by id, .npz or .jsonl; empty = those in the rows of units, or else computed once and kept in the run's folder"""
    pitch: str = ""
    """pitch.jsonl of another run, whose tracks are not measured again"""
    speaker_encoder: str = ""
    """encoder.pt or x.onnx; empty = resemblyzer's"""
    segment_units: Count
    """length of a training segment, in steps of 20 ms"""
    segments_per_item: Count = 1
    """segments drawn from an utterance in each epoch"""
    valid_units_at_most: Count = 500
    """most steps of a held-out utterance that are measured"""
    peak: Annotated[float, Meta(gt=0, le=1)]
    """highest sample after normalisation"""
    rate: int = SAMPLE_RATE
    """sample rate of recordings and voice, Hz"""
    max_mismatch_units: Number = 25
    """largest difference in length between units and sound"""
    preload: bool = False
    """keep all sound in memory"""
    edge_steps: Number = 0
    """voices with a pitch only: steps of silence around every utterance, spoken as edge_unit"""
    contour_items: Count = 2
    """voices with a pitch only: utterances of a batch that are used whole to learn the pitch contour"""

    @property
    def samples_per_unit(self) -> int:
        """Samples of a step of 20 ms."""
        return self.rate // UNIT_RATE

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        require(self.rate in RATES, "data.rate cannot be used", expected=" or ".join(map(str, RATES)), found=self.rate)
        require(
            bool(self.units or not self.more_units),
            "data.more_units stand beside data.units",
            expected="data.units of the same recordings",
            found="none",
        )
        require(
            self.valid_units_at_most >= self.segment_units,
            "held-out utterances must be as long as segments",
            expected=f"data.valid_units_at_most {self.segment_units} or more",
            found=self.valid_units_at_most,
        )


@dataclass(frozen=True, kw_only=True)
class VoiceModelConfig(VocoderConfig):
    """Sizes of a vocoder from scratch. num_units, speaker_dim: 0 = as in the data."""

    kind: Annotated[str, one_of(HIFIGAN, HARMONIC)] = HIFIGAN
    """hifigan, as published; or harmonic, a voice with a pitch (unit2av.voice.harmonic)"""
    source: SourceSizes = field(default_factory=SourceSizes)
    """further sizes of a voice with a pitch, which otherwise uses num_units to duration_dim only"""

    @property
    def harmonic(self) -> HarmonicConfig:
        """The sizes as the configuration of a harmonic voice."""
        return HarmonicConfig(**{one.name: getattr(self, one.name) for one in fields(TimedUnitsConfig)}, **vars(self.source))

    def check(self) -> None:
        """Raise UsageError for sizes that no vocoder can be built with."""
        if self.kind != HIFIGAN:
            self._check_pitched()
            return

        layers, blocks = len(self.upsample_rates), len(self.resblock_kernels)
        require(
            0 < layers == len(self.upsample_kernels), "one upsampling kernel a rate is needed", layers, len(self.upsample_kernels)
        )

        made = self.samples_per_unit
        require(made == SAMPLES_PER_UNIT, "the product of model.upsample_rates must be 20 ms", SAMPLES_PER_UNIT, made)
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernels, strict=True):
            fits = kernel >= rate and (kernel - rate) % 2 == 0
            require(fits, "an upsampling kernel does not fit its rate", found=f"kernel size {kernel}, rate {rate}")

        is_halved, found = self.channels % 2**layers == 0, f"{self.channels}, {layers} layers"
        require(is_halved, "model.channels must be halved by each upsampling layer", found=found)

        rows = len(self.resblock_dilations)
        require(0 < blocks == rows, "one row of dilations a residual block is needed", found=rows)
        are_odd = all(kernel % 2 for kernel in (*self.resblock_kernels, self.pre_kernel, self.post_kernel))
        require(are_odd, "convolution kernels must be odd", found=list(self.resblock_kernels))

    def _check_pitched(self) -> None:
        source, shortest = self.source, 2 * samples_per_control(self.source.rate)
        require(source.rate in RATES, "model.source.rate cannot be used", " or ".join(map(str, RATES)), source.rate)
        require(source.kernel % 2 == 1, "model.source.kernel must be odd", found=source.kernel)

        for name, size in (("fft", source.fft), ("noise_fft", source.noise_fft or source.fft)):
            is_even = size >= shortest and size % 2 == 0
            require(is_even, f"model.source.{name} must be an even number of samples", f"{shortest} or more", size)

        require(
            0 < source.lowest_hz < source.highest_hz < source.top_hz <= source.rate / 2,
            "the bounds of model.source in Hz do not rise",
            expected=f"lowest_hz < highest_hz < top_hz <= {source.rate // 2}",
            found=f"{source.lowest_hz:g}, {source.highest_hz:g}, {source.top_hz:g}",
        )


@dataclass(frozen=True, kw_only=True)
class VoiceLossConfig:
    """Weights of the losses; 0 leaves one out."""

    mel: Amount
    duration: Amount
    length: Amount = 0.0
    """for the total length of a batch's speech, which `duration` alone makes too short"""
    onset: Amount = 0.0
    """added weight of the mel distance at onsets after silence or a closure"""
    adversarial: Amount
    """needs discriminators"""
    feature: Amount
    """needs discriminators"""
    stft: Amount = 0.0
    """multi-resolution STFT loss"""
    stft_sizes: tuple[int, ...] = (512, 1024, 2048)
    """its window lengths, samples"""
    stft_drawn: Number = 0
    """window lengths that each step draws at random; 0 = all"""
    adversarial_from: Share = 0.0
    """share of the run after which the discriminators start"""
    contour: Amount = 1.0
    """pitch contour of a voice with a pitch"""
    voicing: Amount = 1.0
    """voicing of a voice with a pitch"""

    def check(self) -> None:
        """Raise UsageError for weights that do not go together."""
        trains_sound = self.mel + self.stft + self.adversarial > 0
        require(trains_sound, "these losses train no sound", found=self, hint="give losses.mel a weight above 0")
        sizes, drawn = len(self.stft_sizes), self.stft_drawn
        require(drawn <= sizes, "losses.stft_drawn is a number of losses.stft_sizes", expected=f"0..{sizes}", found=drawn)


@dataclass(frozen=True)
class VoiceInitConfig:
    """Initial weights of the vocoder."""

    checkpoint: str = ""
    """a renderer checkpoint, a vocoder training checkpoint g_XXXXXXXX, or one of our own runs; empty = from scratch. Its sizes are
    taken, except for the number of unit rows (common rows are copied) and for strides and dilations that a g_XXXXXXXX lacks"""
    language: str = "en"
    """which vocoder of a renderer"""
    unit_offset: int = -1
    """row of unit 0 in its table; -1 = as the checkpoint states or shows"""
    allow_other_vocabulary: bool = False
    """train on units of another quantizer than the checkpoint's"""


@dataclass(frozen=True, kw_only=True)
class Unit2aConfig(RunConfig):
    """A run that trains the vocoder of one language. With check_only, missing voices are computed."""

    PUBLISHED: ClassVar[str] = "unit2av/unit2a"

    language: str
    edge_unit: str = ""
    """neighbour of an utterance's first and last unit (unit2av.voice.speech): a unit's number, "auto" for the unit that most
    utterances begin or end with, or empty for none, as published. It is stored with the voice and not taken from init.checkpoint"""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="mel"))
    data: VoiceDataConfig
    model: VoiceModelConfig
    discriminators: DiscriminatorConfig
    losses: VoiceLossConfig
    mel: MelConfig
    init: VoiceInitConfig = field(default_factory=VoiceInitConfig)
    generator_optim: OptimConfig
    discriminator_optim: OptimConfig
    unit_encoder: str = ""
    """checkpoint that encodes the spoken units again in validation (unit_error_rate); empty = none"""
    num_samples: Number = 4
    """held-out utterances in the log, as sound and as spectrogram"""

    @property
    def is_adversarial(self) -> bool:
        """Whether there are discriminators."""
        own = self.discriminators
        has_any = bool(own.periods or own.resolutions) or own.scales > 0
        return has_any and (self.losses.adversarial > 0 or self.losses.feature > 0)

    @property
    def is_pitched(self) -> bool:
        """Whether it trains a voice with a pitch."""
        return self.model.kind != HIFIGAN

    def check(self) -> None:
        """Raise UsageError for settings that do not go together; the edge unit is checked once the size of the table is known."""
        data, losses, known = self.data, self.losses, range(self.model.num_units)
        is_unit = not known or self.edge_unit in ("", MOST_COMMON, *map(str, known))
        require(is_unit, "edge_unit is no unit", f"0..{len(known) - 1}, {MOST_COMMON} or nothing", self.edge_unit)

        longest = max((self.mel.fft, *(losses.stft_sizes if losses.stft else ())))
        require(
            data.segment_units * data.samples_per_unit > longest,
            "a segment is shorter than a window of the spectrogram",
            expected=f"more than {longest} samples",
            found=f"{data.segment_units} units",
            hint="raise data.segment_units",
        )

        own = self.model.source.rate if self.is_pitched else SAMPLE_RATE
        require(data.rate == own, "recordings are read at another rate than the voice has", f"data.rate={own}", data.rate)
        if self.is_pitched:
            is_speech, size = bool(self.edge_unit or not data.edge_steps), self.batch.batch_size
            require(is_speech, "data.edge_steps are said as edge_unit", "edge_unit=auto, or a unit", "none")
            is_part = data.contour_items <= size
            require(is_part, "data.contour_items is a part of a batch", expected=f"1..{size}", found=data.contour_items)
