"""What a text reader's file says of itself: settings, dictionary and tokenizer, as plain values.

Published are two layouts of fairseq trainer files (multilingual visual speech recognition pre-trained on units): `utut_seq2seq`
reads mouth video, `utut_model` units of lips. Both keep their dictionary and the SentencePiece model among their task's state.
"""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avcore.checkpoints.pickles import Dictionary, Placeholder, brief
from avcore.errors import CheckpointError

LIPS, LIP_UNITS, UNITS = "lips", "lip units", "units"
"""What a text reader takes: mouth video; the published units of lips (and sound), 25 a second; units as NetfLips has them."""
TAKES = (LIPS, LIP_UNITS, UNITS)

_LIP_PREFIX = "unit_encoder.w2v_model."
_UNIT_TABLE = "lip_unit_embedding.weight"


def takes_of(names: Iterable[object]) -> str | None:
    """What the text reader with tensors of these names takes, LIPS or LIP_UNITS; None where they are of another model."""
    known = set(map(str, names))
    if _UNIT_TABLE in known:
        return LIP_UNITS
    return LIPS if any(name.startswith(_LIP_PREFIX) for name in known) else None


def reader_config(payload: Mapping[str, Any], config: Mapping[str, Any], names: Iterable[object], path: Path) -> dict[str, Any]:
    """The configuration of a published text reader: takes, task, model, symbols, tokenizer (base64 of a SentencePiece model).

    Raises CheckpointError where the file has no dictionary; without a tokenizer, text can be read but not written in pieces.
    """
    state = payload.get("task_state")
    state = state if isinstance(state, Mapping) else {}
    dictionary = state.get("target_dictionary")
    if not isinstance(dictionary, Dictionary) or not dictionary.symbols:
        raise CheckpointError(
            "the dictionary of the text cannot be read", path=path, expected="task_state.target_dictionary", found=brief(dictionary)
        )
    proto = _tokenizer_bytes(state.get("s2s_tokenizer"))
    return {
        "takes": takes_of(names),
        "task": config["task"],
        "model": config["model"],
        "symbols": list(dictionary.symbols),
        "tokenizer": None if proto is None else base64.b64encode(proto).decode("ascii"),
    }


def _tokenizer_bytes(stored: object) -> bytes | None:
    """The SentencePiece model in fairseq's tokenizer: in the state of newer releases' processor by name, of older ones bare."""
    state = stored.state if isinstance(stored, Placeholder) else None
    processor = state.get("sp") if isinstance(state, Mapping) else None
    inner = processor.state if isinstance(processor, Placeholder) else None
    proto = inner.get("model_proto") if isinstance(inner, Mapping) else inner
    return proto if isinstance(proto, bytes) and proto else None
