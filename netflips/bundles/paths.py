"""Where the bundle's models are, for whoever dubs with them."""

from avcore.checkpoints.bundle import Bundle, find_bundle
from avcore.checkpoints.kinds import Kind
from avcore.errors import InputError
from netflips.options import ModelPaths


def require_bundle() -> Bundle:
    """The bundle that is used by default. Raises InputError when there is none."""
    bundle = find_bundle()
    if bundle is None:
        raise InputError("no models come with this installation", hint="`make train-demo` makes the demo bundle")
    return bundle


def bundle_paths(bundle: Bundle | None = None) -> ModelPaths:
    """The checkpoints of a bundle; None = the default one. Raises InputError when there is none."""
    bundle = bundle or require_bundle()
    return ModelPaths(*(bundle.checkpoint(kind) for kind in (Kind.UNIT_ENCODER, Kind.TRANSLATOR, Kind.RENDERER)))
