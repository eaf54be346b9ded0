"""Settings of clustering; hydra's yaml is checked against these.

What configs/av2unit/kmeans.yaml says of fitting, with its source, has no default here: a yaml that does not name it gets it from
there.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.errors import UsageError
from avcore.timeline import FRAME_RATE, UNIT_RATE

MFCC, FBANK, ENCODER = "mfcc", "fbank", "encoder"
NOT, CLIP, CORPUS = "none", "clip", "corpus"


@dataclass(frozen=True)
class FeatureConfig:
    """Features to cluster."""

    kind: str = MFCC
    """mfcc (13 with first and second differences: 39), fbank (26 log energies), or encoder (a layer of an AV-HuBERT)."""
    label_rate: int = UNIT_RATE
    """Labels a second: 50, or 25 = one for both heads."""
    normalise: str = NOT
    """Mean 0 and variance 1 in each column: none, clip (over each clip), or corpus (over all)."""
    layer: int | None = None
    """Of the encoder: n = the output of layer n, 0 = what enters the first, null = the normalised output of the last."""
    modalities: tuple[str, ...] = ("audio", "video")
    """What the encoder is given, of what a clip has."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """MiniBatch k-means (Sculley 2010) on a sample of frames."""

    num_clusters: int
    sample_gb: float = 1.0
    """Memory for the sample of frames; all frames are equally likely to be in it."""
    sample_share: float = 1.0
    """At most so large a share of all frames."""
    batch_size: int
    max_iter: int
    n_init: int
    max_no_improvement: int
    seed: int = 1337


@dataclass(frozen=True, kw_only=True)
class KMeansConfig:
    """Clustering of a corpus: `fit` makes the model, `apply` labels with it."""

    PUBLISHED: ClassVar[str] = "av2unit/kmeans"

    manifest: str = "???"
    root: str = ""
    model: str = "???"
    """k-means model, file.safetensors: written by fit, read by apply."""
    out_dir: str = ""
    """Folder that apply writes labels to."""
    features: FeatureConfig = field(default_factory=FeatureConfig)
    """For fit; apply takes them from the model."""
    checkpoint: str = ""
    """The encoder, where features are its own."""
    device: str = "auto"
    precision: str = "float32"
    fit: FitConfig
    duration_penalty: float = 0.0
    """Price of each change of label in apply, in mean squared distances of a frame from its centre (0 = the nearest centre)."""
    language: str = ""
    """Of the speech, noted with the units."""
    num_workers: int = 2
    save_every: int = 500
    """Clips after which fit stores its sample, unless that takes too long."""
    max_bad_share: float = 0.2


@dataclass(frozen=True)
class AlignConfig:
    """Carrying of labels from reference recordings to others of the same words."""

    manifest: str = "???"
    """All clips; those that say the same have an equal `sentence`, or equal `text` and `language`."""
    root: str = ""
    references: str = "???"
    """Units of the reference clips by id, .jsonl or a folder."""
    out_dir: str = "???"
    language: str = ""
    num_workers: int = 2
    max_bad_share: float = 0.2


def check_features(features: FeatureConfig, checkpoint: str) -> None:
    """Raises UsageError for a value that cannot be used."""
    choices = {"kind": (MFCC, FBANK, ENCODER), "normalise": (NOT, CLIP, CORPUS), "label_rate": (UNIT_RATE, FRAME_RATE)}
    for name, allowed in choices.items():
        if getattr(features, name) not in allowed:
            raise UsageError(
                f"features.{name} cannot be used", expected=", ".join(map(str, allowed)), found=getattr(features, name)
            )
    if not features.modalities or set(features.modalities) - {"audio", "video"}:
        raise UsageError(
            "features.modalities cannot be used", expected="[audio,video], [audio], [video]", found=features.modalities
        )
    if features.kind == ENCODER and not checkpoint:
        raise UsageError("features of an encoder need one", expected="checkpoint=encoder.safetensors or .pt")


def check_fit(fit: FitConfig) -> None:
    """Raises UsageError for a value that cannot be used."""
    if fit.num_clusters < 2:
        raise UsageError("fit.num_clusters cannot be used", expected="2 or more", found=fit.num_clusters)
    if not 0 < fit.sample_share <= 1 or fit.sample_gb <= 0:
        raise UsageError(
            "the sample cannot be taken",
            expected="fit.sample_share in 0..1 and fit.sample_gb above 0",
            found=f"{fit.sample_share} and {fit.sample_gb}",
        )
