"""Make training labels for the unit encoder: cluster features of speech, or the output of an encoder's layer.

python -m av2unit.kmeans fit manifest=train.jsonl model=km/km100.safetensors
python -m av2unit.kmeans apply manifest=train.jsonl model=km/km100.safetensors out_dir=km
python -m av2unit.kmeans align manifest=all.jsonl references=km/reference.units.jsonl out_dir=labels
"""

import sys
from collections.abc import Sequence

from av2unit.clustering.config import ENCODER, AlignConfig, FeatureConfig, KMeansConfig
from av2unit.extractor import UnitExtractor
from avcore.bounds import require
from avcore.command import Parser
from avcore.errors import UsageError
from avcore.progress import bars
from avcore.train.entry import main_of

_PURPOSES = {
    "fit": "fit a k-means model to a sample of the frames of a corpus",
    "apply": "label a corpus with a k-means model",
    "align": "carry labels of some recordings to others of the same words",
}


def fit_centroids(config: KMeansConfig) -> None:
    """Fit a k-means model to a sample of the frames of a corpus."""
    # Loads scikit-learn and the media decoders, which --help and --cfg do without.
    from av2unit.clustering.fit import fit_quantizer

    with bars() as progress:
        fit_quantizer(config, _extractor(config, config.features), progress)


def apply(config: KMeansConfig) -> None:
    """Label a corpus with a k-means model."""
    from av2unit.clustering.labels import label_corpus, load_quantizer

    quantizer = load_quantizer(config.model)
    extractor = _extractor(config, quantizer.feature_config)
    wanted = quantizer.features.get("encoder", "")
    if extractor is not None and extractor.fingerprint != wanted:
        raise UsageError(
            "this is not the encoder whose features the model was fitted to",
            expected=wanted,
            found=f"{config.checkpoint} ({extractor.fingerprint})",
            hint="give that one as checkpoint=",
        )

    with bars() as progress:
        label_corpus(config, quantizer, extractor, progress)


def align_labels(config: AlignConfig) -> None:
    """Transfer labels from reference recordings to others of the same words."""
    from av2unit.clustering.align import carry_labels

    with bars() as progress:
        carry_labels(config, progress)


def _extractor(config: KMeansConfig, features: FeatureConfig) -> UnitExtractor | None:
    if features.kind != ENCODER:
        return None
    require(bool(config.checkpoint), "features of an encoder need one", expected="checkpoint=encoder.safetensors or .pt")
    return UnitExtractor.from_checkpoint(config.checkpoint, config.device, config.precision)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fit`, `apply` or `align`; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = Parser(
        prog="av2unit.kmeans", description="Make labels to train the unit encoder on.", epilog="`fit --help` and so on tell more."
    )
    parser.add_argument("action", choices=list(_PURPOSES), help="; ".join(f"{name}: {what}" for name, what in _PURPOSES.items()))
    action = parser.parse_args(arguments[:1]).action

    prog, purpose, rest = f"av2unit.kmeans {action}", _PURPOSES[action], arguments[1:]
    if action == "align":
        return main_of(AlignConfig, align_labels, "av2unit/align", prog, purpose, rest)
    return main_of(KMeansConfig, fit_centroids if action == "fit" else apply, "av2unit/kmeans", prog, purpose, rest)


if __name__ == "__main__":
    sys.exit(main())
