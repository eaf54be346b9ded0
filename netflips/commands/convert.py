"""`netflips convert`: published checkpoints to our own format, safetensors and a readable JSON configuration.

Optimizer state is left out (with it, a published translator is three times the size of its model). A table that is stored under
several names is written once. A vocoder's training checkpoint can be put into a renderer.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import (
    cast_weights,
    from_eight_bits,
    read_checkpoint,
    require_numbers,
    to_eight_bits,
    write_checkpoint,
)
from avcore.checkpoints.layouts import is_same
from avcore.checkpoints.stages import STORED_PRECISIONS, Checkpoint, Stage
from avcore.command import LOG
from avcore.errors import CheckpointError, UsageError
from avcore.files import HUB_WEIGHTS, keep_apart, require_place
from avcore.units import normalise_language
from netflips import stages
from netflips.commands.options import ConvertOptions
from netflips.published.folder import complete_folder, is_model_folder, require_folder
from unit2av.stage import RENDERER, RendererCheckpoint, read_vocoder, with_vocoder
from unit2av.transformers_folder import CLASS as VOICE_CLASS
from unit2av.transformers_folder import write_transformers as write_voice
from unit2unit.learnt import carry_learnt
from unit2unit.stage import TRANSLATOR
from unit2unit.transformers_folder import read_transformers, write_transformers

_SUFFIX = ".safetensors"
DTYPES: dict[str, torch.dtype | None] = {name: None if name == "keep" else getattr(torch, name) for name in STORED_PRECISIONS}


def convert(options: ConvertOptions) -> None:
    """Convert the checkpoint that the options name. Raises what `convert_checkpoint` raises."""
    if options.to != "netflips" and (options.out_path.is_file() or options.out_path.suffix):
        raise UsageError(f"--to {options.to} writes a folder", found=options.out_path.name)

    require_place(options.out_path if options.to == "netflips" else options.out_path / HUB_WEIGHTS, "the output")
    if options.to == "transformers":
        if options.add_vocoder or options.dtype != "keep":
            raise UsageError("--add-vocoder and --dtype are for our own format", hint="leave them out")
        there = write_for_transformers(read_checkpoint(options.in_path, None), options)
        LOG.info("%s: for transformers, %s", options.out_path, there)
        return

    vocoders = dict[str, Path]()
    for text in options.add_vocoder:
        language, _, path = text.partition("=")
        if not language or not path:
            raise UsageError("--add-vocoder takes LANGUAGE=PATH", found=text)
        vocoders[language] = Path(path)

    wanted = next((stage for stage in stages.STAGES if stage.part == options.kind), None)
    out_path = options.out_path
    if options.to == "hub":
        require_folder(out_path)
        out_path = out_path / HUB_WEIGHTS
    written = convert_checkpoint(options.in_path, out_path, wanted, DTYPES[options.dtype], vocoders)
    if options.to == "hub":
        complete_folder(written, options.in_path)

    # A folder of transformers has its weights in one file among small ones.
    read = options.in_path.rglob("*") if options.in_path.is_dir() else [options.in_path]
    before, after = (sum(path.stat().st_size for path in paths) / 1e6 for paths in (read, [written.path]))
    figures = written.kind, len(written.tensors), after, before, written.fingerprint
    LOG.info("%s: %s, %d tensors, %.1f MB (was %.1f MB), %s", written.path, *figures)


def write_for_transformers(checkpoint: Checkpoint, options: ConvertOptions) -> str:
    """Write a checkpoint as a folder of transformers, and return the name of its class there.

    Raises UsageError for a stage that transformers has no class for, CheckpointError for weights that are no numbers, and what the
    writers raise.
    """
    require_numbers(checkpoint.tensors, checkpoint.path, checkpoint.kind)
    if checkpoint.stage is TRANSLATOR:
        write_transformers(checkpoint, options.out_path, options.source_lang, options.target_lang)
        return "M2M100ForConditionalGeneration"
    if checkpoint.stage is not RENDERER:
        raise UsageError(
            f"transformers has no class for a {checkpoint.kind}",
            expected="a unit translator, or a renderer with a HiFi-GAN voice",
            found=options.in_path.name,
            hint="--to hub writes a folder of any model",
        )
    write_voice(RendererCheckpoint(checkpoint), options.out_path, options.target_lang)
    return VOICE_CLASS


def convert_checkpoint(
    in_path: str | Path,
    out_path: str | Path,
    stage: Stage | None = None,
    dtype: torch.dtype | None = None,
    vocoders: Mapping[str, str | Path] | None = None,
) -> Checkpoint:
    """Convert a checkpoint into `out_path` (.safetensors) and a .json file beside it; returns what was written.

    in_path: a published or own checkpoint, a folder for a hub, or a translator's folder of transformers. stage: the stage it must
    be of; None takes any. dtype: number format of all weights; None keeps each as it is, int8 is for matrices and kernels only
    (`to_eight_bits`). vocoders: vocoder training checkpoints (g_XXXXXXXX) by language, to put into a renderer; each replaces the
    one that is there. The result is read back and compared bit for bit. Raises CheckpointError, InputError, OutputError, or
    UsageError when the paths do not fit.
    """
    in_path, out_path = Path(in_path), Path(out_path)
    if is_model_folder(in_path):
        in_path = in_path / HUB_WEIGHTS
    if out_path.suffix != _SUFFIX:
        raise UsageError(f"the output's name must end in {_SUFFIX}", found=out_path.name)
    keep_apart({"the output": out_path}, {"the checkpoint": in_path, "a vocoder": list((vocoders or {}).values())})

    wanted = RENDERER if vocoders else stage
    is_folder = in_path.is_dir() and wanted in (None, TRANSLATOR)
    source = read_transformers(in_path) if is_folder else read_checkpoint(in_path, wanted)

    require_numbers(source.tensors, source.path, source.kind)
    tensors, config = dict(source.tensors), source.config
    for language, path in (vocoders or {}).items():
        tensors = with_vocoder(tensors, language, read_vocoder(path))
        replaced = normalise_language(language)
        for name in {"vocoders", "unit_offsets"} & config.keys():
            config = {**config, name: {key: value for key, value in config[name].items() if key != replaced}}

    if dtype is not None and (vocabulary := source.stage.layout.vocabularies(source).get("")):
        # Where it is not recorded, it may be computed from tensors, which are about to be rounded.
        config = {**config, "vocabulary": vocabulary}
    eight_bits = dtype is torch.int8
    if dtype is not None and not eight_bits:
        tensors = cast_weights(tensors, dtype, source.path)

    path = write_checkpoint(out_path, source.stage, config, tensors, eight_bits)
    if source.stage is TRANSLATOR:
        carry_learnt(source.path, path)
    written = read_checkpoint(path, source.stage)
    _compare(from_eight_bits(to_eight_bits(tensors)) if eight_bits else tensors, written)
    return written


def _compare(tensors: Mapping[str, Tensor], written: Checkpoint) -> None:
    same = {name for name in tensors.keys() & written.tensors.keys() if is_same(tensors[name], written.tensors[name])}
    differing = (tensors.keys() | written.tensors.keys()) - same
    if differing:
        raise CheckpointError(
            "what was written does not read back the same", path=written.path, found=", ".join(sorted(differing)[:8])
        )
