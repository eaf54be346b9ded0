"""What the classes of the heads mean, and which quantizer they belong to."""

import numpy as np
from numpy.typing import NDArray

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.errors import CheckpointError
from avcore.units.vocabulary import fingerprint, fingerprint_symbols

NO_UNIT = -1
_MOST_DIGITS = 6
_NUM_SPECIALS = 4
"""`<s>`, `<pad>`, `</s>`, `<unk>` at the head of each dictionary."""


def unit_of_class(checkpoint: Checkpoint) -> NDArray[np.int64]:
    """The unit that each class stands for, int64 of shape [classes]; NO_UNIT where a class stands for none.

    The first dictionary names the classes of both heads, as published; specials, symbols that are no whole number and
    classes beyond it stand for no unit. Raises CheckpointError when no class stands for a unit, or for one that cannot be.
    """
    dictionaries = checkpoint.config["dictionaries"]
    units = np.full(max(len(symbols) for symbols in dictionaries), NO_UNIT, dtype=np.int64)
    for class_id, symbol in enumerate(dictionaries[0]):
        if class_id >= _NUM_SPECIALS and symbol.isascii() and symbol.isdecimal():
            if len(symbol) > _MOST_DIGITS:
                raise CheckpointError(
                    "a unit of the label dictionary is larger than any quantizer's", path=checkpoint.path, found=symbol[:40]
                )
            units[class_id] = int(symbol)
    if not (units >= 0).any():
        raise CheckpointError(
            "the label dictionary holds no units",
            path=checkpoint.path,
            expected="decimal units after four special symbols",
            found=" ".join(dictionaries[0][:6]),
        )
    return units


def vocabulary_of(checkpoint: Checkpoint) -> str:
    """The fingerprint of the quantizer: that recorded with the model, or one over dictionaries and heads."""
    recorded = checkpoint.config.get("vocabulary")
    if recorded:
        return str(recorded)
    symbols = [fingerprint_symbols(symbols) for symbols in checkpoint.config["dictionaries"]]
    heads = [key for key in sorted(checkpoint.tensors) if key == "label_embs_concat" or key.startswith("final_proj.")]
    arrays = [checkpoint.tensors[key].float().contiguous().numpy() for key in heads]
    return fingerprint(*symbols, *(array.astype("<f4", copy=False).tobytes() for array in arrays))
