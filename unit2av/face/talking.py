"""Faces that a network draws, put into their pictures a batch at a time: what backends of patches share."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from avcore.arrays import Pixels
from avcore.faces.crop import Box, crop_face, visible_part
from avcore.timeline import Seconds
from unit2av.lipsync.lip_sync import Scene
from unit2av.renderer import in_batches

Paste = Callable[[Pixels, Pixels, Box], Pixels]
"""Puts a face patch into the box of a picture and returns a new picture: `paste_face`, or `paste_face_hard` as published."""


def drawn_pictures(
    draw: Callable[[Sequence[Pixels], Sequence[Seconds]], Pixels], scenes: Iterable[Scene], paste: Paste, batch_size: int
) -> Iterator[Pixels]:
    """Yield the scenes' pictures with what `draw` makes of their faces put into them.

    draw: takes face crops uint8 [96, 96, 3] and when they are shown (s), and gives uint8 [n, 96, 96, 3].
    """
    for batch in in_batches(scenes, batch_size):
        faces = [(scene.rgb, scene.box, scene.time) for scene in batch if scene.box is not None]
        crops = [crop_face(rgb, box) for rgb, box, _ in faces]
        patches = iter(draw(crops, [time for _, _, time in faces]) if faces else ())
        for scene in batch:
            yield scene.rgb if scene.box is None else _mixed(scene, paste(scene.rgb, next(patches), scene.box))


def _mixed(scene: Scene, pasted: Pixels) -> Pixels:
    """Return a new picture with a mouth in it uint8 [height, width, 3], or what lies between it and the scene's own, by its
    strength."""
    part = None if scene.box is None else visible_part(scene.box, *scene.rgb.shape[:2])
    if part is None or scene.strength >= 1:
        return pasted
    below = scene.rgb[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * scene.strength).astype(np.uint8)
    return pasted
