"""Settings of a training run of a reader of units; hydra's yaml is checked against these."""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.bounds import Amount, Count, Number, Positive, Share, Size, require
from avdata.corpus import UnitCorpusConfig
from avtrain.config import BatchConfig, LoopConfig, OptimConfig, RunConfig
from unit2text.windows import WindowSettings


@dataclass(frozen=True, kw_only=True)
class UnitToTextDataConfig(UnitCorpusConfig):
    """Utterances as units, or as lips, and as text: train, valid are JSON lines with `text` and `language`. All utterances of a
    sentence are held out together. units may be of lips, of sound or of both."""

    lips: bool = False
    """Read the lips that the manifest names, with a reader of lips (`init`), in place of units."""
    more_units: tuple[str, ...] = ()
    """Other units of the same utterances (as they are heard, seen, labelled), each of which is one more utterance."""
    sound_units: str = ""
    """Units of the sound beside those of the lips, by the same ids; "" = one stream of units."""
    valid_sound_units: str = ""
    hold_out: Number = 50
    at_most_valid: Count = 400
    """Utterances that are validated on."""
    languages: tuple[str, ...] = ()
    """Only these; none = all that the manifest has."""
    balance: bool = False
    """Take utterances of rarer languages several times an epoch, so that each language has nearly as many."""
    num_units: Number = 0
    """0 = up to the largest one."""
    max_seconds: Positive = 24.0
    """Longer utterances are left out."""


@dataclass(frozen=True)
class UnitToTextNoiseConfig:
    """What happens to units before they are read, drawn anew each time. Shares are of the units of an utterance, repeats merged.

    stretch: each duration is multiplied by up to 1 + stretch, or divided by it. mask: share of the time that is hidden, in spans of
    mask_s on average. fade_sound: units of the sound are hidden more and more, all of them from 0.7 of the run on. join: share of
    the utterances behind which another one of their language is said, and behind that again, up to join_s in all, with pauses of up
    to pause_s: a reader that only ever saw single sentences cannot read two in a row.
    """

    substitute: Share
    delete: Share
    insert: Share
    stretch: Amount
    mask: Share
    mask_s: Positive
    fade_sound: bool
    join: Share = 0.0
    join_s: Amount = 12.0
    pause_s: Amount = 0.6


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a fresh network; the published one has norms behind (norm_first false), and embeddings that are not scaled."""

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
    """Where the weights come from: an exported reader, "" = fresh. Its text vocabulary and sizes hold then.

    av_hubert: `mavhubert.pt`: put in front of a published unit model (`unit_pretrained.pt`), whose unit tables go, to read lips; or
    what says how many heads a reader of lips has. frozen_steps: updates during which AV-HuBERT rests.
    """

    checkpoint: str = ""
    av_hubert: str = ""
    frozen_steps: Number = 0
    allow_other_vocabulary: bool = False


@dataclass(frozen=True)
class ReadConfig:
    """How the exported reader reads unless it is told otherwise (see unit2text.search.ReadOptions). longest_s: of what is read at
    once; longer input is cut at pauses. A reader of single sentences reads one at a time best."""

    beam: Count
    lenpen: float
    ctc_weight: Share
    longest_s: Positive = WindowSettings.longest_s


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
    """Of CTC in the loss; the decoder has the rest."""
    label_smoothing: Share

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        data, begins = self.data, bool(self.init.checkpoint)
        is_begun = begins or not data.lips
        require(is_begun, "a reader of lips is not begun from nothing", expected="init.checkpoint, such as unit_pretrained.pt")
        require(bool(data.lips or data.units), "these settings are missing", expected="data.units, or data.lips=true")
        data.require_validation()
