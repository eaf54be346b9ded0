"""Settings of a training run of a unit-to-text model; hydra's yaml is checked against these."""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.bounds import Amount, Count, Number, Positive, Share, Size, require
from avcore.data.corpus import UnitCorpusConfig
from avcore.train.config import BatchConfig, LoopConfig, OptimConfig, RunConfig
from unit2text.windows import WindowSettings


@dataclass(frozen=True, kw_only=True)
class UnitToTextDataConfig(UnitCorpusConfig):
    """Utterances as units or lips, and their text. train, valid: JSON lines with `text` and `language`. Units may be of lips, of
    sound or of both. All utterances of a sentence are held out together."""

    lips: bool = False
    """Train on the lips that the manifest names, from a recognizer of lips (`init`), in place of units."""
    more_units: tuple[str, ...] = ()
    """Other units of the same utterances (of sound, of lips, labels); each store adds one more utterance for each."""
    sound_units: str = ""
    """Units of the sound beside those of the lips, by the same ids; "" = one stream of units."""
    hold_out: Number = 50
    at_most_valid: Count = 400
    """Most utterances in a validation."""
    languages: tuple[str, ...] = ()
    """Languages to use; none = all in the manifest."""
    balance: bool = False
    """Repeat utterances of rarer languages in an epoch, so that languages have nearly equal numbers."""
    num_units: Number = 0
    """0 = up to the largest one."""
    max_seconds: Positive = 24.0
    """Longer utterances are left out."""


@dataclass(frozen=True)
class UnitToTextNoiseConfig:
    """Noise on training units, drawn anew each time. Shares refer to merged units of an utterance."""

    substitute: Share
    delete: Share
    insert: Share
    stretch: Amount
    """each duration is multiplied or divided by up to 1 + stretch"""
    mask: Share
    """share of the time that is masked"""
    mask_s: Positive
    """mean length of a masked span"""
    fade_sound: bool
    """mask more and more units of the sound, and all of them after 0.7 of the run"""
    join: Share = 0.0
    """share of utterances that get another one of their language after them, and again after that; a model trained on single
    sentences cannot recognize two in a row"""
    join_s: Amount = 12.0
    """most seconds of joined utterances"""
    pause_s: Amount = 0.6
    """longest pause between them"""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a fresh network. The published one is post-norm (norm_first false), and does not scale its embeddings."""

    dim: Size
    encoder_layers: Size
    encoder_heads: Size
    encoder_ffn: Size
    conv_pos: Size
    conv_pos_groups: Size
    norm_first: bool
    decoder_layers: Size
    decoder_heads: Size
    decoder_ffn: Size
    scale_embedding: bool
    dropout: Share

    def check(self) -> None:
        """Raise UsageError for a width that heads or groups do not divide."""
        for name in ("encoder_heads", "conv_pos_groups", "decoder_heads"):
            parts = getattr(self, name)
            require(self.dim % parts == 0, f"model.{name} does not divide model.dim", f"a divisor of {self.dim}", parts)


@dataclass(frozen=True)
class UnitToTextInitConfig:
    """Initial weights."""

    checkpoint: str = ""
    """exported unit-to-text model, whose text vocabulary and sizes are taken; "" = fresh weights"""
    av_hubert: str = ""
    """`mavhubert.pt`, to be put before a published unit model (`unit_pretrained.pt`) in place of its unit tables, or to state the
    number of heads of a recognizer of lips"""
    frozen_steps: Number = 0
    """updates in which AV-HuBERT is frozen"""
    allow_other_vocabulary: bool = False


@dataclass(frozen=True)
class ReadConfig:
    """Default search settings of the exported model (see unit2text.search.ReadOptions)."""

    beam: Count
    lenpen: float
    ctc_weight: Share
    longest_s: Positive = WindowSettings.longest_s
    """longer input is cut at pauses; a model of single sentences works best on one at a time"""


@dataclass(frozen=True, kw_only=True)
class UnitToTextTrainConfig(RunConfig):
    """A training run."""

    PUBLISHED: ClassVar[str] = "unit2text/train"

    data: UnitToTextDataConfig = field(default_factory=UnitToTextDataConfig)
    noise: UnitToTextNoiseConfig
    model: ModelConfig
    init: UnitToTextInitConfig = field(default_factory=UnitToTextInitConfig)
    read: ReadConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    ctc_weight: Share
    """Weight of CTC in the loss; the rest is the decoder's."""
    label_smoothing: Share

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        data, begins = self.data, bool(self.init.checkpoint)
        is_begun = begins or not data.lips
        require(is_begun, "a reader of lips is not begun from nothing", expected="init.checkpoint, such as unit_pretrained.pt")
        require(bool(data.lips or data.units), "these settings are missing", expected="data.units, or data.lips=true")
        data.require_validation()
