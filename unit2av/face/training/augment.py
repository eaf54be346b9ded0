"""Random changes of training faces, so that a renderer does not learn few heads by heart."""

import numpy as np

from avtrain.pictures import Pictures, relight, turn
from unit2av.face.training.config import FaceAugmentConfig

_WHITE = 255


def augment_faces(faces: Pictures, config: FaceAugmentConfig, rng: np.random.Generator) -> Pictures:
    """Change all faces alike: uint8 [F, 96, 96, 3] RGB in and out. The mouth moves as before, on another face."""
    return _relight(_turn(faces, config, rng), config, rng)


def _turn(faces: Pictures, config: FaceAugmentConfig, rng: np.random.Generator) -> Pictures:
    if not any((config.rotate_deg, config.scale, config.stretch, config.shift)):
        return faces
    factor, stretch = (1 + float(rng.uniform(-reach, reach)) for reach in (config.scale, config.stretch))
    right, down = (float(pixels) for pixels in rng.uniform(-config.shift, config.shift, 2))
    return turn(faces, float(rng.uniform(-config.rotate_deg, config.rotate_deg)), factor, stretch, (right, down))


def _relight(faces: Pictures, config: FaceAugmentConfig, rng: np.random.Generator) -> Pictures:
    if not any((config.brightness, config.contrast, config.tint)):
        return faces
    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    offset = rng.uniform(-config.brightness, config.brightness) + rng.uniform(-config.tint, config.tint, faces.shape[-1])
    return np.stack([relight(faces[..., channel], gain, _WHITE * more) for channel, more in enumerate(offset)], axis=-1)
