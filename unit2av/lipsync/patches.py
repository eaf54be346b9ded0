"""Lip-sync backends with a network that draws faces of 96 x 96 pixels, as published: the face renderer (units), Wav2Lip (sound).

Faces are drawn, and put into their frames, a batch at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Pixels
from avcore.checkpoints.checkpoint import read_state_dict
from avcore.compute.inference import resolve_device, resolve_precision
from avcore.errors import UnitError
from avcore.faces.crop import crop_face, paste_face, paste_face_hard, scale_face, visible_part
from avcore.faces.geometry import Box
from avcore.timeline import Seconds, frames_to_units, units_to_frames
from avcore.units import Units
from unit2av.face.model import FACE_SIZE, network_input, to_images
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.mesh.follow import MeshFinder, goes_on
from unit2av.lipsync.mesh.shape import neutral_in
from unit2av.lipsync.occlusion import Cover, Covering, covering
from unit2av.lipsync.wav2lip.model import Mel, Wav2Lip, Wav2LipSize, chunks_at, mel_of
from unit2av.renderer import BATCH_FRAMES, LipRenderer, draw_rows, first_row_of, in_batches, ready_to_draw

Paste = Callable[[Pixels, Pixels, Box], Pixels]
"""Puts a face patch into the box of a frame and returns a new frame: `paste_face`, or `paste_face_hard` as published."""
_LOOKED_AT, _EASE = 3, 0.35
"""One of so many frames is checked for something that hides the mouth, and how much each check counts."""
_FADE = 5
"""Frames over which a new mouth fades out when something hides it."""


def drawn_frames(
    draw: Callable[[Sequence[Pixels], Sequence[Seconds]], Pixels], scenes: Iterable[Scene], paste: Paste, batch_size: int
) -> Iterator[Pixels]:
    """Yield the scenes' frames with faces that `draw` drew.

    draw: takes face crops uint8 [96, 96, 3] and their times (s), and returns uint8 [n, 96, 96, 3]. A face keeps its own mouth
    while something hides it, except with hard patches, as published.
    """
    scenes = scenes if paste is paste_face_hard else uncovered(scenes)

    for batch in in_batches(scenes, batch_size):
        faces = [(scene.rgb, scene.box, scene.time) for scene in batch if scene.box is not None]
        crops = [crop_face(rgb, box) for rgb, box, _ in faces]
        patches = iter(draw(crops, [time for _, _, time in faces]) if faces else ())
        for scene in batch:
            yield scene.rgb if scene.box is None else mixed(scene, paste(scene.rgb, next(patches), scene.box))


def uncovered(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """Yield the scenes, fading the new mouth out while something hides it: less strength at first, then no box."""
    before: Scene | None = None
    cover, is_covered, strength = Cover(_EASE), False, 1.0
    with MeshFinder() as finder:
        for number, scene in enumerate(scenes):
            if scene.box is None:
                before = None
                yield scene
                continue

            begins = before is None or not goes_on(before, scene)
            before = scene
            if begins:
                cover, is_covered = Cover(_EASE), False

            if begins or number % _LOOKED_AT == 0:
                mesh = scene.mesh if scene.mesh is not None else finder.find(scene.rgb, scene.box)
                if mesh is not None:
                    look = covering(scene.rgb, mesh) if scene.cover is None else Covering(scene.cover)
                    is_covered = cover.step(cover.counted(look))
                elif begins:  # later, whatever hides a whole face from the mesh most likely hid the mouth before
                    is_covered = cover.step(covering(scene.rgb, neutral_in(scene.box), is_guess=True).unlike)

            # At a cut there is nothing to fade from: the mouth is there at once, or it is not.
            strength = float(np.clip(strength + (-1 if is_covered else 1) * (1 if begins else 1 / _FADE), 0, 1))
            yield replace(scene, box=scene.box if strength > 0 else None, strength=scene.strength * strength)


def mixed(scene: Scene, pasted: Pixels) -> Pixels:
    """Return the frame with its new mouth, uint8 [height, width, 3], blended with the scene's own by its strength."""
    part = None if scene.box is None else visible_part(scene.box, *scene.rgb.shape[:2])
    if part is None or scene.strength >= 1:
        return pasted

    # In place, as `paste` made a new frame.
    below = scene.rgb[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * scene.strength).astype(np.uint8)
    return pasted


_HALF_WINDOW = 5
"""Codes are made in windows of 10; the middle of one that holds a single unit is that unit's own shape."""


class UnitLipSync:
    """Lip sync by the face renderer. paste: puts patches into frames. batch_size: frames drawn together.

    upper: share of a patch, from its top, that `paste` leaves out, so that it is not drawn.
    """

    name, needs_units, needs_sound, needs_whole = "units", True, False, False

    def __init__(
        self, renderer: LipRenderer, paste: Paste = paste_face, batch_size: int = BATCH_FRAMES, upper: float = 0.0
    ) -> None:
        self._renderer, self._paste, self._batch_size = renderer, paste, batch_size
        self._first_row = first_row_of(upper)

    def codes(self, spoken: SpokenUnits) -> Tensor:
        """Return one code for each frame of 40 ms, float32 [n, width]; see `LipRenderer.codes`."""
        if spoken.units is None or not len(spoken.units):
            raise UnitError("there are no units to move the lips", expected="1 unit or more", found="0")
        if spoken.quiet is None:
            return self._renderer.codes(spoken.units)
        return resting_codes(self._renderer, spoken.units, spoken.quiet, spoken.rest)

    def draw(self, codes: Tensor, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """See `LipSync.draw`; codes: float [n, width], one for each 40 ms."""
        return drawn_frames(partial(self._drawn, codes), scenes, self._paste, self._batch_size)

    def _drawn(self, codes: Tensor, faces: Sequence[Pixels], times: Sequence[Seconds]) -> Pixels:
        return self._renderer.draw(codes, faces, times, self._first_row)


def resting_codes(renderer: LipRenderer, spoken: Units, quiet: NDArray[np.bool_], rest: int | None) -> Tensor:
    """Return codes [T, width] in which the mouth holds one shape while it is quiet; the last code is that shape.

    spoken: units with durations. quiet: bool [n]. rest: the unit of silence; None = the last unit of `spoken`.
    """
    # Cut to the speech: the codes behind it only fill the last window.
    codes = renderer.codes(spoken)[: max(units_to_frames(spoken.num_steps), 1)].clone()
    silence = int(spoken.ids[-1]) if rest is None or rest >= renderer.num_units else rest
    still = Units.from_frames(np.full(frames_to_units(2 * _HALF_WINDOW), silence), spoken.language, spoken.vocabulary)

    resting = renderer.codes(still)[_HALF_WINDOW]
    silent = torch.from_numpy(quiet[: len(codes)].copy()).to(codes.device)
    codes[: len(silent)][silent] = resting
    return torch.cat([codes, resting[None]])


def load_wav2lip(path: str | Path) -> Wav2Lip:
    """Read `wav2lip.pth` or `wav2lip_gan.pth`, which have the same layout. Raises InputError or CheckpointError."""
    stored = read_state_dict(path, "lip sync generator (wav2lip.pth)", "audio_encoder.0.conv_block.0.weight")
    return stored.into(lambda tensors: Wav2Lip(Wav2LipSize.from_tensors(tensors)))


class SoundLipSync:
    """Lip sync by Wav2Lip's generator. Build it with `from_checkpoint`.

    paste, batch_size, upper: as in `UnitLipSync`. is_published: the published timing, lips 40 ms early.
    """

    name, needs_units, needs_sound, needs_whole = "wav2lip", False, True, False

    def __init__(
        self,
        model: Wav2Lip,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        paste: Paste = paste_face,
        batch_size: int = BATCH_FRAMES,
        is_published: bool = False,
        upper: float = 0.0,
    ) -> None:
        """Make a model ready for inference; it can't be trained any more."""
        self.device, self.dtype, self.is_published = device, dtype, is_published
        self._paste, self._batch_size, self._first_row = paste, batch_size, first_row_of(upper)
        self._model = model.eval().to(device)
        ready_to_draw([model], dtype)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "cpu",
        precision: str = "float32",
        paste: Paste = paste_face,
        batch_size: int = BATCH_FRAMES,
        is_published: bool = False,
        upper: float = 0.0,
    ) -> "SoundLipSync":
        """Read a published checkpoint. Raises InputError or CheckpointError for another file."""
        where = resolve_device(device)
        return cls(load_wav2lip(path), where, resolve_precision(precision, where), paste, batch_size, is_published, upper)

    def codes(self, spoken: SpokenUnits) -> Mel:
        """Return the mel spectrogram of the sound, float32 [80, L]; a frame's code is made from its chunk when it is drawn."""
        return mel_of(spoken.silenced())

    def draw(self, codes: Mel, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """See `LipSync.draw`."""
        return drawn_frames(lambda faces, times: self._faces(codes, faces, times), scenes, self._paste, self._batch_size)

    @torch.inference_mode()
    def _faces(self, mel: Mel, faces: Sequence[Pixels], times: Sequence[Seconds]) -> Pixels:
        """Draw face crops at times (s): uint8 [n, 96, 96, 3]."""
        chunks = torch.from_numpy(chunks_at(mel, times, self.is_published)).to(self.device, self.dtype)
        crops = torch.from_numpy(np.stack([scale_face(face, FACE_SIZE) for face in faces])).to(self.device)
        frames = network_input(crops).to(self.dtype).contiguous(memory_format=torch.channels_last)
        return to_images(draw_rows(self._model, self._model.encode_sound(chunks), frames, self._first_row)).cpu().numpy()
