"""Settings of a vocoder training run, which the yaml files in configs/unit2av are checked against.

The published numbers stand in unit2a.yaml and the groups that it names, with their sources: what they say has no default here, and
a yaml that does not name it gets it from there.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, ClassVar

from avcore.bounds import Amount, Bounds, Count, Number, OneOf, Share, require
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT, UNIT_RATE
from avdata.corpus import UnitCorpusConfig
from avtrain.config import LoopConfig, OptimConfig, RunConfig
from unit2av.voice.bandwidth import WIDE_RATE
from unit2av.voice.harmonic import HarmonicConfig, SourceSizes
from unit2av.voice.source import samples_per_control
from unit2av.voice.training.losses import DiscriminatorConfig, MelConfig
from unit2av.voice.vocoder import TimedUnitsConfig, VocoderConfig
from unit2av.voice.vocos import VocosConfig

EDGE_AUTO = "auto"
RATES = SAMPLE_RATE, WIDE_RATE
"""Hz that a voice may be trained at."""
HIFIGAN, HARMONIC, VOCOS = "hifigan", "harmonic", "vocos"


@dataclass(frozen=True, kw_only=True)
class VoiceDataConfig(UnitCorpusConfig):
    """Recordings, their units and their voices.

    train, valid: JSON lines with units beside them, or the published form (one Python dict literal a line). root: folder that
    relative paths start from, empty = the manifest's own. more_units: other
    units of what is trained on, as they were seen on the lips: each makes one more utterance, so that a voice learns to speak
    from worse units. speakers: voices by id, .npz or .jsonl; empty = those of the units' rows, else computed once and kept in
    the run's folder. pitch: the pitch.jsonl of another run, whose tracks are not measured again. speaker_encoder: encoder.pt
    or x.onnx, empty = resemblyzer's.

    segment_units: length of a training segment in steps of 20 ms. segments_per_item: segments drawn from an utterance in
    each epoch. valid_units_at_most: how much of a held-out utterance is measured. peak: highest sample after
    normalisation. rate: Hz in which recordings are read, which is the voice's. max_mismatch_units: by how much units and sound may
    differ in length. preload: keep all sound in memory.
    voice_noise: how far a segment's voice is moved at random, as a share of its length. A dub gives the vocoder voices that it
    met in no recording, taken from another language: with 0.3 it learns to speak as clearly in the neighbourhood of each.

    Only for a harmonic voice: edge_steps: steps of silence around every utterance, said as edge_unit; contour_items: utterances
    of a batch from which, whole, the contour of pitch is learnt.
    """

    root: str = ""
    more_units: tuple[str, ...] = ()
    speakers: str = ""
    pitch: str = ""
    speaker_encoder: str = ""
    segment_units: Count
    segments_per_item: Count = 1
    valid_units_at_most: Count = 500
    peak: Annotated[float, Bounds(0, 1, is_open=True)]
    rate: Annotated[int, OneOf(*RATES)] = SAMPLE_RATE
    max_mismatch_units: Number = 25
    preload: bool = False
    voice_noise: Share = 0.0
    edge_steps: Number = 0
    contour_items: Count = 2

    @property
    def samples_per_unit(self) -> int:
        """Samples of a step of 20 ms."""
        return self.rate // UNIT_RATE

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
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
    """Sizes of a vocoder from scratch.

    num_units, speaker_dim: 0 = as the data have them. kind: hifigan, as published, or a voice with a pitch, of which num_units to
    duration_dim and `source` say the sizes: harmonic (unit2av.voice.harmonic) or vocos (unit2av.voice.vocos).
    """

    kind: Annotated[str, OneOf(HIFIGAN, HARMONIC, VOCOS)] = HIFIGAN
    source: SourceSizes = field(default_factory=SourceSizes)

    @property
    def pitched(self) -> HarmonicConfig:
        """The same as a voice with a pitch takes it."""
        form = VocosConfig if self.kind == VOCOS else HarmonicConfig
        return form(**{one.name: getattr(self, one.name) for one in fields(TimedUnitsConfig)}, **vars(self.source))

    def check(self) -> None:
        """Raise UsageError for sizes of which no vocoder can be built."""
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
    """Weights of the losses; 0 leaves one out.

    onset: how many times more the mel distance counts where sound sets in after silence or a closure.
    length: of a batch's speech as a whole, which `duration` leaves too short. adversarial, feature: both need
    discriminators. stft: the multi-resolution STFT loss, at the window lengths stft_sizes (samples), of which each step takes
    stft_drawn by lot (0 = all). adversarial_from: share of the run, 0..1, after which the discriminators start. contour,
    voicing: of a harmonic voice's pitch.
    """

    mel: Amount
    duration: Amount
    length: Amount = 0.0
    onset: Amount = 0.0
    adversarial: Amount
    feature: Amount
    stft: Amount = 0.0
    stft_sizes: tuple[int, ...] = (512, 1024, 2048)
    stft_drawn: Number = 0
    adversarial_from: Share = 0.0
    contour: Amount = 1.0
    voicing: Amount = 1.0

    def check(self) -> None:
        """Raise UsageError for weights that do not go together."""
        trains_sound = self.mel + self.stft + self.adversarial > 0
        require(trains_sound, "these losses train no sound", found=self, hint="give losses.mel a weight above 0")
        sizes, drawn = len(self.stft_sizes), self.stft_drawn
        require(drawn <= sizes, "losses.stft_drawn is a number of losses.stft_sizes", expected=f"0..{sizes}", found=drawn)


@dataclass(frozen=True)
class VoiceInitConfig:
    """Where the vocoder starts from.

    checkpoint: a renderer checkpoint, a vocoder training checkpoint g_XXXXXXXX or one of our own runs'; empty = from
    scratch. The sizes are then the checkpoint's, but for the rows of the unit table, of which the common ones are
    copied, and the strides and dilations of a g_XXXXXXXX, which does not state them. language: which vocoder of a
    renderer. unit_offset: row of unit 0 in its table, -1 = as the checkpoint states or shows. allow_other_vocabulary:
    train on units of another quantizer than the checkpoint's.
    """

    checkpoint: str = ""
    language: str = "en"
    unit_offset: int = -1
    allow_other_vocabulary: bool = False


@dataclass(frozen=True, kw_only=True)
class Unit2aConfig(RunConfig):
    """A run that trains the vocoder of one language.

    edge_unit: what the voice takes for the neighbour of an utterance's first unit and of its last (unit2av.voice.speech): a unit's
    number, "auto" for the one that most utterances begin or end with, or empty: no neighbour, as published. It is stored with
    the voice and not taken over from init.checkpoint; training itself does not need it.
    unit_encoder: a checkpoint that hears in validation whether what is said are the units that were to be said (unit_error_rate);
    empty = none. num_samples: held-out utterances that are heard and seen in the log. With check_only the voices that are
    missing are computed.
    """

    PUBLISHED: ClassVar[str] = "unit2av/unit2a"

    language: str
    edge_unit: str = ""
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
    num_samples: Number = 4

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
        """Raise UsageError for settings that do not go together; of the edge unit once the size of the table is known."""
        data, losses, known = self.data, self.losses, range(self.model.num_units)
        is_unit = not known or self.edge_unit in ("", EDGE_AUTO, *map(str, known))
        require(is_unit, "edge_unit is no unit", f"0..{len(known) - 1}, {EDGE_AUTO} or nothing", self.edge_unit)
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
