"""Where the models are, the bundle's or those that were given, for whoever dubs with them."""

from pathlib import Path
from typing import Any

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle, bundle_of, checkpoints_or_bundle, find_bundle, needed_stages
from avcore.errors import InputError
from netflips import stages
from netflips.model_paths import ModelPaths
from unit2av.stage import RENDERER


def require_bundle() -> Bundle:
    """Return the bundle that is used by default. Raises InputError when there is none."""
    bundle = find_bundle()
    if bundle is None:
        raise InputError("no models come with this installation", hint="`make train-demo` makes the demo bundle")
    return bundle


def bundle_paths(bundle: Bundle | None = None) -> ModelPaths:
    """Return the checkpoints of a bundle; None = the default one. Raises InputError when there is none."""
    bundle = bundle or require_bundle()
    return ModelPaths.of({stage: bundle.checkpoint(stage) for stage in needed_stages()}, None, _others(bundle))


def given_or_bundle(options: Any) -> ModelPaths:
    """Return the checkpoints that a command was given with the flags of the stages, or where none was, those of the bundle.

    A model that not every dub needs is taken from the bundle that the others lie in, unless it was given with a flag of its own.
    The cascade needs the renderer alone, and for speech that is given the unit encoder; such speech needs no translator.
    Raises UsageError as `avcore.checkpoints.bundle.checkpoints_or_bundle` does.
    """
    is_given = getattr(options, "speak_with", None) is not None or getattr(options, "speech_in", None) is not None
    needed = (RENDERER,) if getattr(options, "cascade", False) else needed_stages()
    if is_given and (len(needed) == 1 or (options.utut_path is None and options.av2unit_path is not None)):
        needed = (UNIT_ENCODER, RENDERER)
    found = checkpoints_or_bundle({stage: getattr(options, stage.option) for stage in needed})
    bundle = bundle_of(next(iter(found.values())))
    packed = {} if bundle is None else _others(bundle)
    given = {one.part: getattr(options, one.option, None) for one in stages.STAGES if one.place == "optional"}
    return ModelPaths.of(found, options.speaker_encoder_path, packed | {part: path for part, path in given.items() if path})


def _others(bundle: Bundle) -> dict[str, Path]:
    """Return the models of a bundle that not every dub needs, by name."""
    optional = (one for one in bundle.models if one.stage.place == "optional")
    return {one.part: bundle.folder / one.file for one in optional}
