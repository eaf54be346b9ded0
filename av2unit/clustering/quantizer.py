"""A k-means model: centres, and what features they are centres of. Stored as `x.safetensors` and `x.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file

from av2unit.clustering.config import FeatureConfig
from av2unit.extractor import viterbi
from avcore.arrays import Floats
from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file, write_text
from avcore.texts import read_json
from avcore.units import fingerprint

_FORMAT = "netflips-kmeans-1"


@dataclass(frozen=True, eq=False)
class Quantizer:
    """centres: float32 [clusters, columns]. mean, scale: float32 [columns], taken off and divided by first.

    features: how its features are made (av2unit.clustering.features.feature_settings). inertia: mean squared distance of the
    frames that it was fitted to. report: what else is known of the fit.
    """

    centres: Floats
    mean: Floats
    scale: Floats
    features: dict[str, Any]
    inertia: float
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def vocabulary(self) -> str:
        """Fingerprint of the units that it names."""
        settings = json.dumps(self.features, sort_keys=True).encode()
        arrays = (np.ascontiguousarray(part, "<f4").tobytes() for part in (self.centres, self.mean, self.scale))
        return fingerprint(_FORMAT.encode(), settings, *arrays)

    @property
    def feature_config(self) -> FeatureConfig:
        """The settings of its features."""
        names = FeatureConfig.__dataclass_fields__
        values = {name: value for name, value in self.features.items() if name in names}
        return FeatureConfig(**values | ({"modalities": tuple(values["modalities"])} if "modalities" in values else {}))

    def distances(self, rows: Floats) -> Floats:
        """Return the squared distances of float32 [rows, columns] from all centres, float32 [rows, clusters]."""
        scaled = (rows - self.mean) / self.scale
        squares = (scaled**2).sum(axis=1)[:, None] + (self.centres**2).sum(axis=1)
        return np.asarray(np.maximum(squares - 2 * scaled @ self.centres.T, 0), dtype=np.float32)

    def assign(self, rows: Floats, duration_penalty: float = 0.0) -> tuple[NDArray[np.int64], float]:
        """Return the cluster of each of float32 rows of shape [N, columns], int64 [N], and the sum of the squared distances.

        duration_penalty: price of a change, in units of `inertia`: the path with the least sum of distances and prices
        (duration-penalised dynamic programming, Kamper and van Niekerk 2021); 0 = the nearest centre.
        """
        distances = self.distances(rows)
        if duration_penalty:
            ids = viterbi(-distances, duration_penalty * self.inertia)
        else:
            ids = distances.argmin(axis=1).astype(np.int64)
        return ids, float(distances[np.arange(len(ids)), ids].sum())

    def save(self, path: str | Path) -> None:
        """Write both files; path ends in .safetensors. Raises OutputError."""
        path = Path(path)
        content = {"format": _FORMAT, "vocabulary": self.vocabulary, "features": self.features, "inertia": self.inertia}
        with atomic_output(path) as temporary:
            save_file({"centres": self.centres, "mean": self.mean, "scale": self.scale}, temporary)
        write_text(path.with_suffix(".json"), json.dumps(content | {"report": self.report}, indent=1) + "\n")


def load_quantizer(path: str | Path) -> Quantizer:
    """Read a k-means model. Raises InputError when a file is missing, CheckpointError when one is damaged or no such model."""
    path = require_file(path, "the k-means model", hint="av2unit.kmeans fit makes one")
    beside, hint = path.with_suffix(".json"), f"keep them beside {path.name}"
    content = read_json(beside, "the settings of the k-means model", CheckpointError, hint)
    try:
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        with safetensors.safe_open(path, framework="np") as file:
            centres, mean, scale = (file.get_tensor(name) for name in ("centres", "mean", "scale"))
        quantizer = Quantizer(centres, mean, scale, content["features"], float(content["inertia"]), content["report"])
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError("this is no k-means model", path=path, expected=f"{_FORMAT} and its settings", found=error) from error
    if quantizer.vocabulary != content["vocabulary"]:
        raise CheckpointError("the k-means model and its settings do not belong together", path=path, hint="fit it again")
    return quantizer
