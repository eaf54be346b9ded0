"""Programs for --lips-with that stand in for those of others: HOW VIDEO AUDIO MASK OUT DIR BOX, or HOW alone, which answers lines.

Good ones darken the mouth as loud as the sound is at that time. The bad ones do what their name says. They use PyAV alone, as
somebody else would, and write a line into the file that LIPS_LOG names for each clip.
"""

import json
import os
import shlex
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
from PIL import Image

GOOD = "mouth", "images", "copy", "tinted", "early"
"""Those that leave the rest of the face as it is. Of a copy a person is told."""
LIP = np.array([70, 12, 20])
"""The colour of an open mouth."""
FREE = " {video} {audio} {mask} {out} {dir} {box}"


def command(how: str, places: str = FREE) -> str:
    """The command line of a program; places "": it answers lines."""
    return shlex.join([sys.executable, __file__, how]) + places


def loudness(audio: str | Path, count: int) -> np.ndarray:
    """How loud each 40 ms are, 0 to 1: [count]."""
    with wave.open(str(audio)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16000, 1)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    assert len(sound) == 640 * count
    return np.minimum(6 * np.sqrt(np.square(sound).reshape(count, 640).mean(axis=1)), 1)


def opened(frame: np.ndarray, box: list[int], loud: float) -> np.ndarray:
    """A frame uint8 [size, size, 3] with a dark, soft ellipse in the place of the mouth."""
    left, top, right, bottom = box
    y, x = np.mgrid[: len(frame), : len(frame)]
    across, down = (x - (left + right) / 2) / (0.2 * (right - left)), (y - top - 0.8 * (bottom - top)) / (0.13 * (bottom - top))
    share = loud * np.clip(1.4 - np.square(across) - np.square(down), 0, 1)[..., None]
    return np.rint(frame * (1 - share) + share * LIP).astype(np.uint8)


def write(path: str | Path, frames: list[np.ndarray], rate: int = 25) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "10", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode())


def draw(how: str, video: str, audio: str, mask: str, out: str, folder: str, box: list[int]) -> None:
    if log := os.environ.get("LIPS_LOG"):
        with open(log, "a") as file:
            file.write(f"{how}\n")
    with av.open(video) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 25
    whole = [line == "1" for line in Path(mask).read_text().split()]
    assert len(whole) == len(frames)
    assert not os.listdir(folder)
    loud = loudness(audio, len(frames))
    made = frames if how == "copy" else [opened(frame, box, share) for frame, share in zip(frames, loud, strict=True)]

    if how == "exit":
        print("CUDA out of memory", file=sys.stderr)
        sys.exit(3)
    if how == "slow":
        time.sleep(60)
    if how == "nothing":
        return
    if how == "elsewhere":
        out = str(Path(out).with_name("result.mp4"))
    if how == "text":
        Path(out).write_text("done")
        return
    if how == "images":
        for number, frame in enumerate(made):
            Image.fromarray(frame).save(Path(folder) / f"frame_{number}.png")
        return
    if how == "torn image":
        Image.fromarray(made[0]).save(Path(folder) / "0.png")
        (Path(folder) / "1.png").write_bytes((Path(folder) / "0.png").read_bytes()[:40])
        return
    if how == "two":
        write(Path(folder) / "a.mp4", made)
        out = str(Path(folder) / "b.mp4")
    if how == "early":
        made = made[:-13]
    if how == "few":
        made = made[: len(made) // 2]
    if how == "many":
        made = made * 2
    if how == "small":
        made = [frame[::2, ::2] for frame in made]
    if how == "tinted":
        made = [np.clip(frame * [0.9, 1.0, 0.95] + [18, -9, 4], 0, 255).astype(np.uint8) for frame in made]
    if how == "black":
        made = [np.zeros_like(frame) for frame in made]
    if how == "half black":
        made[5:] = [np.zeros_like(frame) for frame in made[5:]]
    if how == "green":
        made = [np.full_like(frame, (0, 136, 0)) for frame in made]
    if how == "upside down":
        made = [frame[::-1] for frame in made]
    if how == "moved":
        made = [np.roll(frame, len(frame) // 4, 1) for frame in made]
    if how == "late":
        made = made[13:]
    if how == "frozen":
        made = [made[0]] * len(made)
    if how in ("24", "30", "30 as 25"):
        rate = int(how[:2])
        made = [made[min(number * 25 // rate, len(made) - 1)] for number in range(len(made) * rate // 25)]
    write(out, made, int(how) if how in ("24", "30") else 25)
    if how == "torn":
        Path(out).write_bytes(Path(out).read_bytes()[:300])


def main(how: str, *places: str) -> None:
    if places:
        draw(how, *places[:5], [int(edge) for edge in places[5].split(",")])
        return
    for line in sys.stdin:
        asked = json.loads(line)
        if how == "sorry":
            print(json.dumps({"error": "no face in frame 3"}), flush=True)
            continue
        draw(how, *(asked[name] for name in ("video", "audio", "mask", "out", "dir")), asked["box"])
        assert asked["size"] == 4 * round(asked["size"] / 4)
        print(json.dumps({"ok": True, "number": asked["number"]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
