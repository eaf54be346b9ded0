"""Sizes of a speller, as its checkpoint states them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoints.config import read_setting
from avcore.errors import CheckpointError
from text2unit.jamo import ALPHABETS

CTC, ALIGNED = "ctc", "aligned"
NETWORKS = (CTC, ALIGNED)
_OWNER = "the speller"
_MOST = {"num_units": 1 << 20, "width": 1 << 14, "kernel": 255, "layers": 100, "decoder_layers": 100, "places": 32, "heads": 256}


@dataclass(frozen=True)
class SpellerConfig:
    """Sizes of a speller's network.

    network: `ctc`: each letter has `places`, each of which holds a unit or none (CTC); small, units without durations, for units
    that are nearly phones. `aligned`: letters get durations, and every step of 20 ms its unit; for units by the hundred, such as
    1,000 k-means classes.
    num_units: names 0..num_units - 1. width: channels; kernel: of the convolutions, odd. layers: before the places or durations;
    decoder_layers: behind. heads: of self-attention in each layer, 0 = convolutions only. dropout: in training.
    alphabet: the language whose letters are read, `data.language` of a run. pronounced: Korean text is written as it is pronounced
    first (`text2unit.korean.pronunciation`), so that words that were never met are said by the rules.
    """

    network: str = CTC
    num_units: int = 1000
    width: int = 192
    kernel: int = 5
    layers: int = 2
    decoder_layers: int = 2
    places: int = 2
    heads: int = 0
    dropout: float = 0.1
    pronounced: bool = False
    alphabet: str = "ko"

    def misfit(self) -> str:
        """Return what is wrong with the sizes, "" for nothing."""
        if self.network not in NETWORKS:
            return f"network is {self.network}, not {' or '.join(NETWORKS)}"
        if min(self.num_units, self.width, self.kernel, self.layers, self.decoder_layers, self.places) < 1 or self.heads < 0:
            return "sizes must be 1 or more"
        if self.alphabet not in ALPHABETS:
            return f"alphabet is {self.alphabet}, not {' or '.join(ALPHABETS)}"
        if self.pronounced and self.alphabet != "ko":
            return "pronounced is for Korean"
        if self.kernel % 2 == 0:
            return f"kernel {self.kernel} is even"
        if self.heads and self.width % self.heads:
            return f"width {self.width} is no multiple of heads {self.heads}"
        return "" if 0 <= self.dropout < 1 else f"dropout is {self.dropout:g}"

    def to_config(self) -> dict[str, Any]:
        """Return what a checkpoint's configuration holds under `model`, with the letters that the rows of the table stand for."""
        return asdict(self) | {"symbols": "".join(ALPHABETS[self.alphabet])}


def read_speller_config(config: Mapping[str, Any], path: Path) -> SpellerConfig:
    """Read the sizes from a checkpoint's configuration. Raises CheckpointError naming what cannot be used."""
    stored = config.get("model")
    if not isinstance(stored, Mapping):
        raise CheckpointError("the configuration of a speller is incomplete", path=path, expected="model")
    alphabet = next((name for name, symbols in ALPHABETS.items() if stored.get("symbols") == "".join(symbols)), None)
    if alphabet is None:
        raise CheckpointError(
            "the speller reads other letters than these", path=path, expected=f"those of {' or '.join(ALPHABETS)}"
        )
    plain = SpellerConfig()
    sizes = {name: read_setting(stored, name, getattr(plain, name), _OWNER, path, (0, most)) for name, most in _MOST.items()}
    dropout = read_setting(stored, "dropout", plain.dropout, _OWNER, path)
    pronounced = stored.get("pronounced", plain.pronounced)  # checkpoints of before it was there read what is written
    if not isinstance(pronounced, bool):
        raise CheckpointError('"pronounced" of the speller is true or false', path=path, found=pronounced)
    read = SpellerConfig(network=str(stored.get("network")), dropout=dropout, pronounced=pronounced, alphabet=alphabet, **sizes)
    if misfit := read.misfit():
        raise CheckpointError("the speller's sizes cannot be used", path=path, found=misfit)
    return read
