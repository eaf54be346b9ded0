"""Settings of a training run of the unit encoder; hydra's yaml is checked against these.

The published numbers stand in configs/av2unit/train.yaml with their sources: what it says has no default here, and a yaml that does
not name it gets it from there.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from av2unit.config import AvHubertConfig
from av2unit.extractor import Decoding
from av2unit.features import NUM_MELS
from avcore.bounds import Amount, Count, Number, OneOf, Rising, Share, require
from avtrain.config import LoopConfig, OptimConfig, RunConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Training data.

    train, valid: manifests, `.tsv` as published or JSON lines; no valid = no validation. root: where their paths start
    from, "" = as they say.
    """

    train: str = "???"
    train_labels: tuple[str, ...] = ()
    """One .jsonl or folder of units by id; or one .km file; or two, the first for even steps of 20 ms, the second for odd."""
    valid: str = ""
    valid_labels: tuple[str, ...] = ()
    root: str = ""
    label_rate: Count = 50
    """Labels a second of a single .km file: 50, or 25 = each holds for two steps."""
    dictionaries: tuple[str, ...] = ()
    """dict.<name>.txt, one for each head or one for both; none = units 0..num_units - 1."""
    num_units: Number = 0
    """0 = up to the largest label."""
    min_frames: Count
    max_frames: Count
    """Clips of fewer or more steps of 40 ms are left out."""
    crop_frames: Number
    """Longer clips are cut to a random stretch of so many steps; 0 = never."""
    cache_gb: Amount = 0.0
    """Sound and lips kept in memory, decoded before the first step, up to so many GB."""
    units_vocabulary: str = ""
    """Fingerprint of the labels' quantizer where they do not say it."""
    allow_other_vocabulary: bool = False
    """Take labels of several quantizers, or of another one than the checkpoint whose heads are kept."""

    def check(self) -> None:
        """Raise UsageError for bounds that no clip meets."""
        require(self.min_frames <= self.max_frames, "no clip can be used", expected="data.min_frames <= data.max_frames")


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Masking of the encoder's input. Probabilities of masking are shares of steps covered, were spans not to overlap."""

    mask_prob: float | None = None
    """For sound and lips alike, instead of the two below; 0 = plain frame classification."""
    mask_prob_audio: Share
    mask_length_audio: Count
    """Steps of 40 ms."""
    mask_prob_image: Share
    mask_length_image: Count
    min_spans: Number
    modality_dropout: Share
    """How often one modality of a clip is left out."""
    audio_dropout: Share
    """How often that is the sound."""

    @property
    def audio_prob(self) -> float:
        """Share of sound to mask."""
        return self.mask_prob_audio if self.mask_prob is None else self.mask_prob

    @property
    def image_prob(self) -> float:
        """Share of pictures to mask."""
        return self.mask_prob_image if self.mask_prob is None else self.mask_prob

    def check(self) -> None:
        """Raise UsageError for a share that is none."""
        require(0 <= (self.mask_prob or 0) <= 1, "masking.mask_prob cannot be used", expected="0 to 1", found=self.mask_prob)


@dataclass(frozen=True)
class NoiseConfig:
    """Noise mixed into the sound of training clips.

    kinds: `files` (wavs of noise_wav), `coloured` (made on the fly: a random slope from -6 to +6 dB an octave) and
    `speech` (other clips of the corpus); each draw takes one of them.
    """

    noise_prob: Share
    snr_db: Annotated[tuple[float, float], Rising()]
    """The ratio is drawn between the two."""
    noise_wav: str = ""
    """A folder of sound files, a list of them, or a folder with the lists train.tsv and valid.tsv."""
    kinds: tuple[str, ...] = ("files",)


@dataclass(frozen=True)
class AugmentConfig:
    """Changes of training clips. The first two are the published recipe's, the others help small corpora."""

    random_crop: bool
    """The square that is seen of a lip picture lies anywhere in it, not in its middle; the same for the whole clip."""
    flip_prob: Share
    rotate_deg: Amount = 0.0
    """Lips are turned by up to so many degrees either way."""
    scale: Share = 0.0
    """Lips are made larger or smaller by up to this share."""
    brightness: Amount = 0.0
    contrast: Share = 0.0
    """Added to and multiplied onto lips scaled to 0..1: up to this much either way."""
    warp: Share = 0.0
    """Vocal tract length perturbation: frequencies are multiplied by 1 - warp .. 1 + warp (Jaitly and Hinton 2013)."""
    tilt: Amount = 0.0
    """A slope over the mel bands: up to so many nats up at one end and down at the other."""
    colour: Amount = 0.0
    """Waves over the mel bands, as other voices and microphones have them: up to so many nats for each of four cosines."""
    smear_prob: Share = 0.0
    """Share of clips whose spectra are as smooth over bands, over time, or over both, as those of some synthesisers are."""
    hide_bands: Number = 0
    """Up to so many neighbouring mel bands say nothing (frequency masks of SpecAugment: Park et al. 2019)."""
    pace: Share = 0.0
    """Clips are said up to this share faster or slower, at the same pitch: sound, lips and labels alike."""


BANDS, CODECS = ("telephone", "narrow", "laptop"), ("aac", "opus", "mp3")


@dataclass(frozen=True)
class MicrophoneConfig:
    """Rooms, microphones and channels for the sound of training clips; each is drawn by itself and may meet the others."""

    room_prob: Share = 0.0
    reverb_s: Annotated[tuple[float, float], Rising(0.01, 5)] = (0.1, 0.8)
    """Seconds in which the echo falls by 60 dB."""
    direct_db: Annotated[tuple[float, float], Rising(-40, 60)] = (-3.0, 15.0)
    """The direct sound over the echo: a hand's breadth away, or across the room."""
    band_prob: Share = 0.0
    bands: tuple[Annotated[str, OneOf(*BANDS)], ...] = BANDS
    """What passes, one of these: 300 to 3,400 Hz, 50 to 4,000 Hz, 150 to 7,000 Hz."""
    clip_prob: Share = 0.0
    ceiling: Annotated[tuple[float, float], Rising(0.001, 1)] = (0.1, 0.7)
    """Share of the peak above which the sound is cut off."""
    codec_prob: Share = 0.0
    codecs: tuple[Annotated[str, OneOf(*CODECS)], ...] = CODECS
    bit_rate: Annotated[tuple[float, float], Rising(6_000, 320_000)] = (16_000.0, 48_000.0)

    @property
    def is_used(self) -> bool:
        """Whether anything ever happens."""
        return any((self.room_prob, self.band_prob, self.clip_prob, self.codec_prob))

    def check(self) -> None:
        """Raise UsageError where there is nothing to draw from."""
        require(bool(self.bands and self.codecs), "microphone.bands and microphone.codecs cannot be empty")


@dataclass(frozen=True)
class MismatchConfig:
    """Lips that do not belong to the sound; the sound's labels stay."""

    prob: Share = 0.0
    """Share of the clips with sound and lips."""
    kinds: tuple[str, ...] = ("still", "grey", "swapped", "late")
    """A still mouth, no picture, the lips of another clip, the clip's own too early or too late; each draw takes one."""
    late_frames: tuple[int, int] = (4, 15)
    """Pictures by which the lips are late, or early."""


@dataclass(frozen=True)
class LossConfig:
    """The loss of a head at a step is the cross-entropy of its class; both heads are added up."""

    masked_weight: Amount
    unmasked_weight: Amount
    feature_penalty: Amount
    """On the mean square of what the front ends give."""
    feature_grad_mult: Amount
    """Gradients of the front ends are scaled by this; 0 = they do not learn."""
    label_smoothing: Share = 0.0
    class_balance: Amount = 0.0
    """Classes are weighted by (1 / frequency) ** class_balance; 0 = all alike."""

    def check(self) -> None:
        """Raise UsageError for weights of nothing."""
        counts = bool(self.masked_weight or self.unmasked_weight)
        require(counts, "nothing would be learnt", expected="loss.masked_weight or loss.unmasked_weight above 0")


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Initial weights."""

    checkpoint: str = ""
    """A unit encoder or a plain AV-HuBERT checkpoint, published or own; "" = from scratch."""
    heads: Annotated[str, OneOf("new", "keep")]
    """`new`: class embeddings are made anew. `keep`: go on with the checkpoint's units; dictionaries must be the same."""
    frozen: tuple[str, ...] = ()
    """Parts of the model that do not learn, such as feature_extractor_video.resnet."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """A training run of the unit encoder."""

    PUBLISHED: ClassVar[str] = "av2unit/train"

    # A dropped layer, or a batch without lips, leaves parameters without a gradient.
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(find_unused=True, best_metric="uer"))
    data: DataConfig
    model: AvHubertConfig = field(default_factory=AvHubertConfig)
    masking: MaskingConfig
    noise: NoiseConfig
    augment: AugmentConfig
    microphone: MicrophoneConfig = field(default_factory=MicrophoneConfig)
    mismatch: MismatchConfig = field(default_factory=MismatchConfig)
    loss: LossConfig
    init: InitConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    decoding: Decoding = field(default_factory=Decoding)
    """The choice of units in validation; stored in the export."""

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        masking, loss, model, data = self.masking, self.loss, self.model, self.data
        is_masked = bool(loss.unmasked_weight or masking.audio_prob or masking.image_prob)
        require(is_masked, "nothing would be learnt", "masking, or loss.unmasked_weight above 0", "no masked step")
        require(bool(data.valid) == bool(data.valid_labels), "data.valid and data.valid_labels go together")
        dim, heads, groups = model.encoder_embed_dim, model.encoder_attention_heads, model.conv_pos_groups
        require(
            dim % heads == dim % groups == 0,
            "the model cannot be built",
            expected="model.encoder_embed_dim divisible by encoder_attention_heads and conv_pos_groups",
            found=f"{dim}, {heads} and {groups}",
        )
        require(model.final_dim > 0, "the model cannot be built", expected="model.final_dim of 1 or more")
        width = NUM_MELS * model.stack_order_audio
        require(
            model.audio_feat_dim == width,
            "model.audio_feat_dim is not that of the sound",
            expected=f"{NUM_MELS} * model.stack_order_audio = {width}",
            found=model.audio_feat_dim,
        )
