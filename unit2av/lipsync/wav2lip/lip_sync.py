"""The mouth that is drawn from sound by Wav2Lip's published network, 96 x 96 pixels."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from avcore.arrays import Pixels
from avcore.checkpoints.foreign import read_state_dict
from avcore.compute.device import resolve_device, resolve_precision
from avcore.errors import InputError
from avcore.faces.crop import paste_face, scale_face
from avcore.timeline import Seconds, frames_to_units, units_to_samples
from unit2av.face.model import FACE_SIZE
from unit2av.face.talking import Paste, drawn_pictures
from unit2av.lipsync.lip_sync import Said, Scene
from unit2av.lipsync.wav2lip.mel import Mel, chunks_at, mel_of
from unit2av.lipsync.wav2lip.model import Wav2Lip, Wav2LipSize
from unit2av.renderer import BATCH_PICTURES, first_row_of, network_input, to_pictures


def load_wav2lip(path: str | Path) -> Wav2Lip:
    """Read `wav2lip.pth` or `wav2lip_gan.pth`, which have one layout. Raises InputError or CheckpointError."""
    stored = read_state_dict(path, "lip sync generator (wav2lip.pth)", "audio_encoder.0.conv_block.0.weight")
    return stored.into(lambda tensors: Wav2Lip(Wav2LipSize.from_tensors(tensors)))


class SoundLipSync:
    """A `Mouth` over Wav2Lip's generator. Build it with `from_checkpoint`.

    paste, batch_size, upper: as in `UnitMouth`; is_published: the published timing, lips 40 ms early.
    """

    name, needs_units, needs_sound, needs_whole = "wav2lip", False, True, False

    def __init__(
        self,
        model: Wav2Lip,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        paste: Paste = paste_face,
        batch_size: int = BATCH_PICTURES,
        is_published: bool = False,
        upper: float = 0.0,
    ) -> None:
        """Take a model over: it is folded for inference."""
        self.device, self.dtype, self.is_published = device, dtype, is_published
        self._paste, self._batch_size, self._first_row = paste, batch_size, first_row_of(upper)
        self._model = model.eval().requires_grad_(False).fold().to(device)
        self._model.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "cpu",
        precision: str = "float32",
        paste: Paste = paste_face,
        batch_size: int = BATCH_PICTURES,
        is_published: bool = False,
        upper: float = 0.0,
    ) -> "SoundLipSync":
        """Read a published checkpoint. Raises InputError or CheckpointError for another file."""
        where = resolve_device(device)
        return cls(load_wav2lip(path), where, resolve_precision(precision, where), paste, batch_size, is_published, upper)

    def codes(self, said: Said) -> Mel:
        """Return the mel of the sound, float32 [80, L]; a picture's code is made of its chunk when it is drawn."""
        if said.samples is None:
            raise InputError("there is no sound to move the lips", expected="float32 [samples] at 16 kHz")
        if said.quiet is None:
            return mel_of(said.samples)
        heard = said.samples.copy()
        for picture in np.flatnonzero(said.quiet).tolist():
            start, stop = (units_to_samples(frames_to_units(edge)) for edge in (picture, picture + 1))
            heard[start:stop] = 0
        return mel_of(heard)

    def draw(self, codes: Mel, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """See `Mouth.draw`."""
        return drawn_pictures(lambda faces, times: self._faces(codes, faces, times), scenes, self._paste, self._batch_size)

    @torch.inference_mode()
    def _faces(self, mel: Mel, faces: Sequence[Pixels], times: Sequence[Seconds]) -> Pixels:
        """Draw face crops at times (s): uint8 [n, 96, 96, 3]."""
        chunks = torch.from_numpy(chunks_at(mel, times, self.is_published)).to(self.device, self.dtype)
        crops = torch.from_numpy(np.stack([scale_face(face, FACE_SIZE) for face in faces])).to(self.device)
        pictures = network_input(crops).to(self.dtype).contiguous(memory_format=torch.channels_last)
        return to_pictures(self._model(chunks, pictures, self._first_row)).cpu().numpy()
