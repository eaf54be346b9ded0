"""Settings of a training run of a reader of units; hydra's yaml is checked against these."""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.errors import UsageError
from avtrain.config import BatchConfig, LoopConfig, OptimConfig, RunConfig
from unit2text.windows import WindowSettings


@dataclass(frozen=True)
class ReaderDataConfig:
    """What is trained on. train, valid: manifests with `text` and `language`, JSON lines; no valid = `hold_out` is taken out."""

    train: str = "???"
    lips: bool = False
    """Read the lips that the manifest names, with a reader of lips (`init`), in place of units."""
    units: str = ""
    """Units by id: JSON lines, Parquet or a folder of unit files; of lips, sound or both."""
    more_units: tuple[str, ...] = ()
    """Other units of the same utterances (as they are heard, seen, labelled), each of which is one more utterance."""
    sound_units: str = ""
    """Units of the sound beside those of the lips, by the same ids; "" = one stream of units."""
    valid: str = ""
    valid_units: str = ""
    """Of `valid`, "" = `units`."""
    valid_sound_units: str = ""
    hold_out: int = 50
    """Sentences that are taken out of `train` to validate on, each with all its utterances, where there is no `valid`."""
    at_most_valid: int = 400
    """Utterances that are validated on."""
    languages: tuple[str, ...] = ()
    """Only these; none = all that the manifest has."""
    balance: bool = False
    """Take utterances of rarer languages several times an epoch, so that each language has nearly as many."""
    num_units: int = 0
    """0 = up to the largest one."""
    first_unit: int = 0
    frame_level: bool = False
    max_seconds: float = 24.0
    """Longer utterances are left out."""
    units_vocabulary: str = ""
    """Fingerprint of the units' quantizer where they do not say it."""
    allow_missing: bool = False


@dataclass(frozen=True)
class ReaderNoiseConfig:
    """What happens to units before they are read, drawn anew each time. Shares are of the units of an utterance, repeats merged.

    stretch: each duration is multiplied by up to 1 + stretch, or divided by it. mask: share of the time that is hidden, in spans of
    mask_s on average. fade_sound: units of the sound are hidden more and more, all of them from 0.7 of the run on. join: share of
    the utterances behind which another one of their language is said, and behind that again, up to join_s in all, with pauses of up
    to pause_s: a reader that only ever saw single sentences cannot read two in a row.
    """

    substitute: float
    delete: float
    insert: float
    stretch: float
    mask: float
    mask_s: float
    fade_sound: bool
    join: float = 0.0
    join_s: float = 12.0
    pause_s: float = 0.6


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a fresh network; the published one has norms behind (norm_first false), and embeddings that are not scaled."""

    dim: int
    encoder_layers: int
    encoder_heads: int
    encoder_ffn: int
    conv_pos: int
    conv_pos_groups: int
    norm_first: bool
    decoder_layers: int
    decoder_heads: int
    decoder_ffn: int
    scale_embedding: bool
    dropout: float


@dataclass(frozen=True)
class ReaderInitConfig:
    """Where the weights come from: an exported reader, "" = fresh. Its text vocabulary and sizes hold then.

    av_hubert: `mavhubert.pt`: put in front of a published unit model (`unit_pretrained.pt`), whose unit tables go, to read lips; or
    what says how many heads a reader of lips has. frozen_steps: updates during which AV-HuBERT rests.
    """

    checkpoint: str = ""
    av_hubert: str = ""
    frozen_steps: int = 0
    allow_other_vocabulary: bool = False


@dataclass(frozen=True)
class ReadConfig:
    """How the exported reader reads unless it is told otherwise (see unit2text.search.ReadOptions). longest_s: of what is read at
    once; longer input is cut at pauses. A reader of single sentences reads one at a time best."""

    beam: int
    lenpen: float
    ctc_weight: float
    longest_s: float = WindowSettings.longest_s


@dataclass(frozen=True, kw_only=True)
class ReaderTrainConfig(RunConfig):
    """A training run."""

    PUBLISHED: ClassVar[str] = "unit2text/train"

    data: ReaderDataConfig = field(default_factory=ReaderDataConfig)
    noise: ReaderNoiseConfig
    model: ModelConfig
    init: ReaderInitConfig = field(default_factory=ReaderInitConfig)
    read: ReadConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    ctc_weight: float
    """Of CTC in the loss; the decoder has the rest."""
    label_smoothing: float
    check_only: bool = False
    """Read and check everything, and train nothing."""


def check_reader_config(config: ReaderTrainConfig) -> None:
    """Raise UsageError for settings that do not go together."""
    if config.data.lips and not config.init.checkpoint:
        raise UsageError("a reader of lips is not begun from nothing", expected="init.checkpoint, such as unit_pretrained.pt")
    if not config.data.lips and not config.data.units:
        raise UsageError("these settings are missing", expected="data.units, or data.lips=true")
    noise, model = config.noise, config.model
    shares = {
        "noise.substitute": noise.substitute, "noise.delete": noise.delete, "noise.insert": noise.insert, "noise.mask": noise.mask,
        "noise.join": noise.join,
        "ctc_weight": config.ctc_weight, "label_smoothing": config.label_smoothing, "read.ctc_weight": config.read.ctc_weight,
    }  # fmt: skip
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{name} is no share", expected="0 to 1", found=share)
    if noise.stretch < 0 or noise.mask_s <= 0 or noise.pause_s < 0:
        raise UsageError("the noise cannot be made", expected="noise.stretch and noise.pause_s of 0 or more, noise.mask_s above 0")
    for name in ("encoder_heads", "conv_pos_groups", "decoder_heads"):
        if getattr(model, name) < 1 or model.dim % getattr(model, name):
            raise UsageError(
                f"model.{name} does not divide model.dim", expected=f"a divisor of {model.dim}", found=getattr(model, name)
            )
    if config.data.hold_out < 0 or (not config.data.valid and not config.data.hold_out):
        raise UsageError("there is nothing to validate on", expected="data.valid, or data.hold_out above 0")
