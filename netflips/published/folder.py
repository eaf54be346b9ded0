"""A checkpoint of any stage as a folder for a model hub, with a card: `netflips convert FILE --to hub -o FOLDER`.

The folder is our own format under the names that hubs look for: `FOLDER/model.safetensors` works wherever a checkpoint does, and
`netflips convert FOLDER -o x.safetensors` is the way back.
"""

import shutil
from pathlib import Path

from avcore.checkpoints.checkpoint import HUB_CONFIG
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, UsageError
from avcore.files import HUB_WEIGHTS, write_text
from avcore.texts import read_json
from netflips.published.card import card_of
from unit2av.lipsync.backend import TABLE_FILE
from unit2av.stage import RENDERER
from unit2av.voice.named import FILE as VOICES_FILE

CARD = "README.md"
_BESIDE_RENDERER = (VOICES_FILE, TABLE_FILE)
"""Files that belong to a renderer and are looked for beside it."""


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder was completed by `complete_folder`, and is not one of transformers. Raises CheckpointError."""
    path = folder / HUB_CONFIG
    if not path.is_file():
        return False
    content = read_json(path, "the model's configuration", CheckpointError)
    return isinstance(content, dict) and {"format", "kind", "config"} <= content.keys()


def require_folder(folder: Path) -> None:
    """Raise UsageError for a folder with another model's configuration, which would be overwritten."""
    if (folder / HUB_CONFIG).is_file() and not is_model_folder(folder):
        raise UsageError("another model lies there", expected="a new folder", found=str(folder))


def complete_folder(written: Checkpoint, source: Path) -> None:
    """Complete the folder for a hub of a checkpoint that was just written as `FOLDER/model.safetensors`.

    The configuration gets the name that hubs look for, files that belong to a renderer are copied, and a card describes the model.
    source: the file or folder that it was made from, by which the licence is known. Raises OutputError.
    """
    folder, source = written.path.parent, source / HUB_WEIGHTS if source.is_dir() else source
    written.path.with_suffix(".json").replace(folder / HUB_CONFIG)
    beside = _BESIDE_RENDERER if written.stage is RENDERER else ()
    taken = [name for name in beside if source.with_name(name).is_file()]
    for name in taken:
        shutil.copyfile(source.with_name(name), folder / name)
    write_text(folder / CARD, card_of(written, source, taken))
