"""Settings of a training run of the unit encoder; hydra's yaml is checked against these.

The published numbers are in configs/av2unit/train.yaml, with their sources. Settings given there have no default here; a yaml that
leaves one out gets it from there.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from msgspec import Meta

from av2unit.config import AvHubertConfig
from av2unit.extractor import Decoding
from av2unit.features import NUM_MELS
from avcore.bounds import Amount, Count, Number, Share, one_of, require, require_rising
from avcore.train.config import LoopConfig, OptimConfig, RunConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Training data."""

    train: str = "???"
    """Manifest, `.tsv` as published or JSON lines."""
    train_labels: tuple[str, ...] = ()
    """One .jsonl or folder of units by id; or one .km file; or two, the first for even steps of 20 ms, the second for odd."""
    valid: str = ""
    """Manifest of validation; "" = no validation."""
    valid_labels: tuple[str, ...] = ()
    root: str = ""
    """Folder that their paths start from; "" = as given."""
    label_rate: Count = 50
    """Labels a second of a single .km file: 50, or 25 = each is valid for two steps."""
    dictionaries: tuple[str, ...] = ()
    """dict.<name>.txt, one for each head or one for both; none = units 0..num_units - 1."""
    num_units: Number = 0
    """0 = up to the largest label."""
    min_frames: Count
    max_frames: Count
    """Clips of fewer or more steps of 40 ms are left out."""
    crop_frames: Number
    """Longer clips are cropped to so many steps at a random place; 0 = never."""
    cache_gb: Amount = 0.0
    """Memory (GB) for sound and lips that are decoded before the first step."""
    units_vocabulary: str = ""
    """Fingerprint of the labels' quantizer, if they do not state it."""
    allow_other_vocabulary: bool = False
    """Accept labels of several quantizers, or of another one than that of the checkpoint whose heads are kept."""

    def check(self) -> None:
        """Raise UsageError for bounds that exclude all clips."""
        require(self.min_frames <= self.max_frames, "no clip can be used", expected="data.min_frames <= data.max_frames")


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Masking of the encoder's input. Its probabilities are the shares of steps that spans would cover without overlaps."""

    mask_prob: float | None = None
    """For both sound and lips, in place of the two below; 0 = plain frame classification."""
    mask_prob_audio: Share
    mask_length_audio: Count
    """Steps of 40 ms."""
    mask_prob_image: Share
    mask_length_image: Count
    min_spans: Number
    modality_dropout: Share
    """Share of clips that lose one modality."""
    audio_dropout: Share
    """Share of these that lose the sound."""

    @property
    def audio_prob(self) -> float:
        """Share of sound to mask."""
        return self.mask_prob_audio if self.mask_prob is None else self.mask_prob

    @property
    def image_prob(self) -> float:
        """Share of lip frames to mask."""
        return self.mask_prob_image if self.mask_prob is None else self.mask_prob

    def check(self) -> None:
        """Raise UsageError for a mask_prob that is not a share."""
        require(0 <= (self.mask_prob or 0) <= 1, "masking.mask_prob cannot be used", expected="0 to 1", found=self.mask_prob)


@dataclass(frozen=True)
class NoiseConfig:
    """Noise mixed into the sound of training clips."""

    noise_prob: Share
    snr_db: tuple[float, float]
    """Range of the signal-to-noise ratio."""
    noise_wav: str = ""
    """A folder of sound files, a list of them, or a folder with the lists train.tsv and valid.tsv."""
    kinds: tuple[str, ...] = ("files",)
    """Each draw takes one of these: `files` (of noise_wav), `coloured` (generated, with a random slope from -6 to +6 dB an octave),
    `speech` (other clips of the corpus)."""

    def check(self) -> None:
        """Raise UsageError for a range that falls."""
        require_rising("noise.snr_db", self.snr_db)


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of training clips. The first two settings are the published recipe's, the others help small corpora."""

    random_crop: bool
    """Crop lip frames at a random place, the same for the whole clip, in place of the centre."""
    flip_prob: Share
    rotate_deg: Amount = 0.0
    """Largest rotation of lips, either way."""
    scale: Share = 0.0
    """Largest change in the size of lips, either way."""
    brightness: Amount = 0.0
    """Largest value that is added to lips in 0..1, either way."""
    contrast: Share = 0.0
    """Largest change in their gain, either way."""
    warp: Share = 0.0
    """Vocal tract length perturbation: frequencies are multiplied by 1 - warp .. 1 + warp (Jaitly and Hinton 2013)."""
    tilt: Amount = 0.0
    """Slope over the mel bands: up to so many nats up at one end and down at the other."""
    colour: Amount = 0.0
    """Waves over the mel bands, which imitate other voices and microphones: up to so many nats for each of four cosines."""
    smear_prob: Share = 0.0
    """Share of clips whose spectra are smoothed over bands, time or both, like those of some synthesisers."""
    hide_bands: Number = 0
    """Most neighbouring mel bands that are masked (frequency masks of SpecAugment: Park et al. 2019)."""
    pace: Share = 0.0
    """Largest change in pace, either way, at the same pitch, for sound, lips and labels."""


_ReverbS = Annotated[float, Meta(ge=0.01, le=5)]
_Db = Annotated[float, Meta(ge=-40, le=60)]
_Ceiling = Annotated[float, Meta(ge=0.001, le=1)]
_BitRate = Annotated[float, Meta(ge=6_000, le=320_000)]
BANDS, CODECS = ("telephone", "narrow", "laptop"), ("aac", "opus", "mp3")


@dataclass(frozen=True)
class MicrophoneConfig:
    """Rooms, microphones and channels for the sound of training clips, drawn independently of each other."""

    room_prob: Share = 0.0
    reverb_s: tuple[_ReverbS, _ReverbS] = (0.1, 0.8)
    """Reverberation time: seconds in which the echo falls by 60 dB."""
    direct_db: tuple[_Db, _Db] = (-3.0, 15.0)
    """Level of the direct sound over the echo, from across the room to a hand's breadth away."""
    band_prob: Share = 0.0
    bands: tuple[Annotated[str, one_of(*BANDS)], ...] = BANDS
    """Pass band, one of these: 300 to 3,400 Hz, 50 to 4,000 Hz, 150 to 7,000 Hz."""
    clip_prob: Share = 0.0
    ceiling: tuple[_Ceiling, _Ceiling] = (0.1, 0.7)
    """Share of the peak above which the sound is clipped."""
    codec_prob: Share = 0.0
    codecs: tuple[Annotated[str, one_of(*CODECS)], ...] = CODECS
    bit_rate: tuple[_BitRate, _BitRate] = (16_000.0, 48_000.0)

    @property
    def is_used(self) -> bool:
        """Whether any probability is above 0."""
        return any((self.room_prob, self.band_prob, self.clip_prob, self.codec_prob))

    def check(self) -> None:
        """Raise UsageError for ranges that fall, and for empty lists of bands or codecs."""
        for name in ("reverb_s", "direct_db", "ceiling", "bit_rate"):
            require_rising(f"microphone.{name}", getattr(self, name))
        require(bool(self.bands and self.codecs), "microphone.bands and microphone.codecs cannot be empty")


@dataclass(frozen=True)
class MismatchConfig:
    """Lips that do not belong to the sound. Labels remain those of the sound."""

    prob: Share = 0.0
    """Share of the clips with sound and lips."""
    kinds: tuple[str, ...] = ("still", "grey", "swapped", "late")
    """Each draw takes one of these: a still mouth, a grey frame, lips of another clip, the clip's own too early or too late."""


@dataclass(frozen=True)
class LossConfig:
    """The loss at a step is the sum of the cross-entropies of both heads."""

    masked_weight: Amount
    unmasked_weight: Amount
    feature_penalty: Amount
    """Weight of the mean square of the front ends' outputs."""
    feature_grad_mult: Amount
    """Factor of the gradients of the front ends; 0 = they are not trained."""
    label_smoothing: Share = 0.0
    class_balance: Amount = 0.0
    """Classes are weighted by (1 / frequency) ** class_balance; 0 = equal weights."""

    def check(self) -> None:
        """Raise UsageError when both weights are 0."""
        counts = bool(self.masked_weight or self.unmasked_weight)
        require(counts, "nothing would be learnt", expected="loss.masked_weight or loss.unmasked_weight above 0")


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Initial weights."""

    checkpoint: str = ""
    """A unit encoder or a plain AV-HuBERT checkpoint, published or our own; "" = from scratch."""
    heads: Annotated[str, one_of("new", "keep")]
    """`new`: fresh class embeddings. `keep`: those of the checkpoint, whose dictionaries must be the same."""
    frozen: tuple[str, ...] = ()
    """Submodules that are not trained, such as feature_extractor_video.resnet."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """A training run of the unit encoder."""

    PUBLISHED: ClassVar[str] = "av2unit/train"

    # find_unused: a dropped layer, or a batch without lips, leaves parameters without a gradient.
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
    """Decoding of units in validation; stored in the export."""

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
