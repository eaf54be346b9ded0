"""The stage of the unit-to-text model: its checkpoints and the kinds of input.

There are two published layouts of fairseq trainer files (multilingual visual speech recognition pre-trained on units):
`utut_seq2seq` for mouth video and `utut_model` for units of lips. Both keep dictionary and SentencePiece model in their task's
state. The configuration of all has takes, task, model, symbols and tokenizer; our own files may also have vocabulary, languages,
search and trained. Every command imports this module; it imports torch only where a file is read.
"""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.stages import Checkpoint, CheckpointLayout, Near, Stage
from avcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

LIPS, LIP_UNITS, UNITS = "lips", "lip units", "units"
"""Mouth video; the published units of lips (and sound), 25 a second; units as NetfLips has them."""
TAKES = (LIPS, LIP_UNITS, UNITS)
PUBLISHED_LANGUAGES = ("en", "it", "fr", "es", "pt")
"""Languages of the published model, in the order of the rows of its language table."""

_LIP_PREFIX = "unit_encoder.w2v_model."


def takes_of(names: Iterable[object]) -> str | None:
    """Return the input of a unit-to-text model with these tensor names, LIPS or LIP_UNITS; None for another model."""
    known = set(map(str, names))
    if "lip_unit_embedding.weight" in known:
        return LIP_UNITS
    return LIPS if any(name.startswith(_LIP_PREFIX) for name in known) else None


class UnitToTextLayout(CheckpointLayout):
    """A recognizer of lips or of units of lips: a fairseq trainer's file, {cfg, model, task_state, ...}."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        from avcore.checkpoints.layouts import trainer_tensors

        return takes_of(trainer_tensors(payload)) is not None

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], "dict[str, Tensor]"]:
        from avcore.checkpoints.layouts import plain_config, plain_tensors

        tensors = plain_tensors(payload["model"], "model", path)
        return _unit_to_text_config(payload, plain_config(payload, path), tensors, path), tensors

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Return the model's languages; the published ones if the file names none."""
        return list(checkpoint.config.get("starts") or PUBLISHED_LANGUAGES)


def _unit_to_text_config(
    payload: Mapping[str, Any], config: Mapping[str, Any], names: Iterable[object], path: Path
) -> dict[str, Any]:
    """Return the configuration of a published unit-to-text model: takes, task, model, symbols, tokenizer (base64 of a SentencePiece
    model).

    Raises CheckpointError where the file has no dictionary; without a tokenizer, text can be read but not written in pieces.
    """
    from avcore.checkpoints.pickles import Dictionary, brief

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
    """Return the SentencePiece model in fairseq's tokenizer: an entry in the processor's state of newer releases, the state itself
    in older ones."""
    from avcore.checkpoints.pickles import Placeholder

    state = stored.state if isinstance(stored, Placeholder) else None
    processor = state.get("sp") if isinstance(state, Mapping) else None
    inner = processor.state if isinstance(processor, Placeholder) else None
    proto = inner.get("model_proto") if isinstance(inner, Mapping) else inner
    return proto if isinstance(proto, bytes) and proto else None


UNIT2TEXT = Stage(
    kind="unit-to-text model",
    file="unit_to_text.safetensors",
    recognizes=lambda names: takes_of(names) is not None,
    name="unit2text",
    flag="--unit2text-path",
    example="finetuned.pt",
    needed=("takes", "model", "symbols"),
    make_layout=UnitToTextLayout,
)
STAGE = UNIT2TEXT
