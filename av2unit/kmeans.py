"""Make labels to train the unit encoder on: cluster features of the speech, or of a layer of an encoder.

python -m av2unit.kmeans fit --config av2unit/kmeans manifest=train.jsonl model=runs/km/km100.safetensors
python -m av2unit.kmeans apply --config av2unit/kmeans manifest=train.jsonl model=runs/km/km100.safetensors out_dir=runs/km/labels
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from av2unit.clustering.config import ENCODER, FeatureConfig, KMeansConfig, check_features
from av2unit.extractor import UnitExtractor
from avcore.errors import UsageError
from avcore.progress import bars
from avtrain.entry import main_of

_DEFAULT = "av2unit/kmeans"


def fit(config: KMeansConfig) -> None:
    """Fit a model to a corpus."""
    # Loads scikit-learn and the media decoders, which --help and --print-config do without.
    from av2unit.clustering.fit import fit as fit_model

    check_features(config.features, config.checkpoint)
    with bars() as progress:
        fit_model(config, _extractor(config, config.features), progress)


def apply(config: KMeansConfig) -> None:
    """Label a corpus with a model."""
    from av2unit.clustering.apply import apply as apply_model
    from av2unit.clustering.quantizer import load_quantizer

    quantizer = load_quantizer(config.model)
    check_features(quantizer.feature_config, config.checkpoint)
    extractor = _extractor(config, quantizer.feature_config)
    wanted = quantizer.features.get("encoder", "")
    if extractor is not None and extractor.fingerprint != wanted:
        raise UsageError(
            "this is not the encoder whose features the model was fitted to",
            expected=wanted, found=f"{config.checkpoint} ({extractor.fingerprint})", hint="give that one as checkpoint=",
        )  # fmt: skip
    with bars() as progress:
        apply_model(config, quantizer, extractor, progress)


def _extractor(config: KMeansConfig, features: FeatureConfig) -> UnitExtractor | None:
    if features.kind != ENCODER:
        return None
    return UnitExtractor.from_checkpoint(config.checkpoint, config.device, config.precision)


_ACTIONS: dict[str, tuple[Callable[[KMeansConfig], None], str]] = {
    "fit": (fit, "Fit a k-means model to a sample of the frames of a corpus."),
    "apply": (apply, "Label a corpus with a k-means model."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fit` or `apply`; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="av2unit.kmeans", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=list(_ACTIONS), help="fit a model, or label with one; `fit --help` tells more")
    action = parser.parse_args(arguments[:1]).action
    work, purpose = _ACTIONS[action]
    return main_of(KMeansConfig, work, _DEFAULT, f"av2unit.kmeans {action}", purpose, arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
