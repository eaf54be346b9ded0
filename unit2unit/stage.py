"""The stage of the unit translator. Its checkpoints are files of fairseq's trainer, as published, or our own.

Our own store the table, which has three names, once. Every command imports this module; it imports torch only where a file is read.

| of | config | tensors |
| --- | --- | --- |
| published | task, model, generation (fairseq's settings) | state dict |
| our own | the same, and entries of training or calibration (vocabulary, domain, unit_offset, ...) | the same, the table once |
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.stages import Checkpoint, CheckpointLayout, Near, Stage
from avcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

SHARED_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
"""The three names of the embedding table in a translator's file."""


class TranslatorLayout(CheckpointLayout):
    """The unit translator: a fairseq trainer's file, {cfg, model, task_state, ...}."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        from avcore.checkpoints.layouts import trainer_tensors

        return self.recognizes(trainer_tensors(payload).keys())

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], "dict[str, Tensor]"]:
        from avcore.checkpoints.layouts import plain_config, plain_tensors

        tensors = plain_tensors(payload["model"], "model", path)
        config: dict[str, Any] = dict(plain_config(payload, path))
        # Our own trainers name the quantizer of the units among the options of the task.
        if stated := config["task"].get("units_vocabulary"):
            config["vocabulary"] = str(stated)
        return config, share_tables(tensors, path)

    def whole(self, tensors: "Mapping[str, Tensor]", path: Path) -> "dict[str, Tensor]":
        return share_tables(tensors, path)

    def stored(self, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        return {name: tensor for name, tensor in tensors.items() if name not in SHARED_TABLES[1:]}

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Return the languages of the bundle, if the translator belongs to one and it states them; else those with a tag."""
        from avcore.checkpoints.bundle import bundle_of
        from unit2unit.model import TranslatorConfig

        bundle = bundle_of(checkpoint.path)
        if bundle is not None and bundle.languages is not None:
            return list(bundle.languages)
        return list(TranslatorConfig.from_checkpoint(checkpoint).vocabulary.languages)


def share_tables(tensors: "Mapping[str, Tensor]", path: Path) -> "dict[str, Tensor]":
    """Return tensors with the embedding table, [rows, dim], under all three names. Raises CheckpointError when copies differ."""
    from avcore.checkpoints.layouts import is_same

    present = [name for name in SHARED_TABLES if name in tensors]
    if not present:
        raise CheckpointError("the translator has no embedding table", path=path, expected=SHARED_TABLES[0])

    table = tensors[present[0]]
    for name in present[1:]:
        if not is_same(table, tensors[name]):
            raise CheckpointError(
                "the translator's embedding table is stored under three names with different content",
                path=path,
                expected=f"{name} equal to {present[0]}",
                hint="the file is damaged or was edited by hand; get it again",
            )

    return {**tensors, **dict.fromkeys(SHARED_TABLES, table)}


TRANSLATOR = Stage(
    kind="unit translator",
    file="translator.safetensors",
    recognizes=lambda names: SHARED_TABLES[0] in names,
    name="unit2unit",
    flag="--utut-path",
    example="utut_ko.pt or utut_sts_ft.pt",
    needed=("task", "model"),
    place="needed",
    make_layout=TranslatorLayout,
)
STAGE = TRANSLATOR
