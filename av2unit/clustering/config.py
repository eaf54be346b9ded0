"""Settings of clustering; hydra's yaml is checked against these.

Settings of fitting in configs/av2unit/kmeans.yaml, with their source, have no default here; a yaml that leaves one out gets it from
there.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from msgspec import Meta

from avcore.bounds import Positive, one_of, require
from avcore.timeline import FRAME_RATE, UNIT_RATE

MFCC, FBANK, ENCODER = "mfcc", "fbank", "encoder"
NOT, CLIP, CORPUS = "none", "clip", "corpus"


@dataclass(frozen=True)
class FeatureConfig:
    """Features to cluster."""

    kind: Annotated[str, one_of(MFCC, FBANK, ENCODER)] = MFCC
    """mfcc (13 with first and second differences: 39), fbank (26 log energies), or encoder (a layer of an AV-HuBERT)."""
    label_rate: int = UNIT_RATE
    """Labels a second: 50, or 25 = one for both heads."""
    normalise: Annotated[str, one_of(NOT, CLIP, CORPUS)] = NOT
    """Mean 0 and variance 1 in each column: none, clip (over each clip), or corpus (over all)."""
    layer: int | None = None
    """Layer of the encoder: n = the output of layer n, 0 = the input of the first, null = the normalised output of the last."""
    modalities: tuple[Annotated[str, one_of("audio", "video")], ...] = ("audio", "video")
    """Input of the encoder, if a clip has it."""

    def check(self) -> None:
        """Raise UsageError for another rate, and where the encoder has no input."""
        rates = UNIT_RATE, FRAME_RATE
        require(self.label_rate in rates, "features.label_rate cannot be used", f"{rates[0]} or {rates[1]}", self.label_rate)
        require(bool(self.modalities), "features.modalities cannot be used", "[audio,video], [audio], [video]", "none")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """MiniBatch k-means (Sculley 2010) on a sample of frames."""

    num_clusters: Annotated[int, Meta(ge=2)]
    sample_gb: Positive = 1.0
    """Memory for the sample of frames; all frames are equally likely to be in it."""
    sample_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Largest share of all frames in the sample."""
    batch_size: int
    max_iter: int
    n_init: int
    max_no_improvement: int
    seed: int = 1337


@dataclass(frozen=True, kw_only=True)
class KMeansConfig:
    """Clustering of a corpus: `fit` makes a model, `apply` labels the corpus with it."""

    PUBLISHED: ClassVar[str] = "av2unit/kmeans"

    manifest: str = "???"
    root: str = ""
    model: str = "???"
    """k-means model, file.safetensors: written by fit, read by apply."""
    out_dir: str = ""
    """Folder that apply writes labels to."""
    features: FeatureConfig = field(default_factory=FeatureConfig)
    """Used by fit; apply takes them from the model."""
    checkpoint: str = ""
    """The encoder, if features come from one."""
    device: str = "auto"
    precision: str = "float32"
    fit: FitConfig
    duration_penalty: float = 0.0
    """Cost of each change of label in apply, in mean squared distances of a frame from its centre (0 = the nearest centre)."""
    language: str = ""
    """Language of the speech, stored with the units."""
    num_workers: int = 2
    save_every: int = 500
    """Clips after which fit stores its sample, less often if storing takes long."""
    max_bad_share: float = 0.2


@dataclass(frozen=True)
class AlignConfig:
    """Transfer of labels from reference recordings to others of the same words."""

    manifest: str = "???"
    """All clips; those with the same words have an equal `sentence`, or equal `text` and `language`."""
    root: str = ""
    references: str = "???"
    """Units of the reference clips by id, .jsonl or a folder."""
    out_dir: str = "???"
    language: str = ""
    num_workers: int = 2
    max_bad_share: float = 0.2
