"""What fairseq 0.12 needs mended: reading its checkpoints with today's torch, today's hydra, and copies that are whole."""

import argparse
import os
import shutil
import warnings

import hydra.version
import torch
from fairseq.file_io import PathManager

_PART = ".part"


def repair_fairseq() -> None:
    """Mend it; safe to call again, and needed again after anything else has used hydra."""
    # torch.load is weights-only by default; a Namespace is the only other thing in what fairseq writes.
    torch.serialization.add_safe_globals([argparse.Namespace])
    # hydra keeps the last behaviour asked for; fairseq calls `hydra.experimental`, gone from 1.2's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hydra.version.setbase("1.1")
    PathManager.copy = staticmethod(copy_whole)


def copy_whole(src_path: str, dst_path: str, overwrite: bool = False) -> str:
    """Copy a file so that `dst_path` is the old file or the whole new one.

    fairseq copies `checkpoint_best.pt` over `checkpoint_last.pt` in place: a run that is killed in between has lost both
    the old and the new state.
    """
    if not overwrite and os.path.exists(dst_path):
        raise FileExistsError(dst_path)
    part = dst_path + _PART
    shutil.copyfile(src_path, part)
    os.replace(part, dst_path)
    return dst_path


def remove_parts(folder: str) -> None:
    """Remove what a killed run left half-written in its checkpoint folder."""
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.endswith((_PART, ".pt.tmp")):
            os.remove(os.path.join(folder, name))
