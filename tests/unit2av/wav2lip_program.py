"""Wav2Lip's network as its published program runs it, for --lips-with: CHECKPOINT VIDEO AUDIO BOX OUT.

Each frame's box, widened and averaged, as a face of 96 x 96 pixels; chunks of 16 columns of a mel that has 80 a second, at 25 fps;
batches; the drawn face in place of the box, with hard edges. It ends three frames before the sound.
"""

import sys
from itertools import islice
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from avcore.faces.crop import crop_face, paste_face_hard
from avcore.media import read_speech
from tests.parity.published_wav2lip import padded_boxes, published_starts, restarted, smoothed_boxes
from tests.unit2av.lip_programs import write
from unit2av.face.model import network_input, to_images
from unit2av.lipsync.patches import load_wav2lip
from unit2av.lipsync.wav2lip.model import CHUNK, mel_of

BATCH = 128


@torch.inference_mode()
def main(checkpoint: str, video: str, audio: str, box: str, out: str) -> None:
    torch.set_num_threads(1)
    model = load_wav2lip(checkpoint).eval()
    with av.open(video) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    boxes = smoothed_boxes(padded_boxes([np.array(box.split(","), np.float32)] * len(frames), frames[0].shape[:2]))

    mel = mel_of(read_speech(audio))
    starts = published_starts(mel.shape[1], 25)
    work = iter(zip(starts.tolist(), restarted(len(starts), len(frames)), strict=True))
    made = []
    while batch := list(islice(work, BATCH)):
        faces = torch.from_numpy(np.stack([crop_face(frames[place], boxes[place].astype(np.float32)) for _, place in batch]))
        chunks = torch.from_numpy(np.stack([mel[None, :, start : start + CHUNK] for start, _ in batch]))
        for drawn, face, (_, place) in zip(
            to_images(model(chunks, network_input(faces))).numpy(), faces.numpy(), batch, strict=True
        ):
            drawn[:48] = face[:48]  # as a trained network gives it back
            made.append(paste_face_hard(frames[place], drawn, boxes[place].astype(np.float32)))
    write(out, made)


if __name__ == "__main__":
    main(*sys.argv[1:])
