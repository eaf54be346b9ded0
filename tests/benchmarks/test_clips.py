"""Parts of a recording, and how the benchmark switches off what is made ahead."""

import subprocess
import sys
from pathlib import Path

from avcore.media import read_pictures, read_speech
from benchmarks.clips import cut

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"


def test_a_part_has_its_pictures_and_its_sound(tmp_path: Path) -> None:
    cut(CLIP, tmp_path / "part.mp4", 0.4, 1.0)
    pictures = [picture.rgb for picture in read_pictures(CLIP)]
    found = list(read_pictures(tmp_path / "part.mp4"))
    assert abs(len(found) - 25) <= 1
    assert abs(found[0].rgb.astype(int) - pictures[10].astype(int)).mean() < 3
    assert abs(len(read_speech(tmp_path / "part.mp4")) - 16000) <= 640


def test_one_by_one_takes_effect_wherever_something_is_made_ahead() -> None:
    """In a process of its own: it changes modules."""
    code = (
        "import sys, threading\n"
        "from benchmarks.whole import one_by_one\n"
        "one_by_one()\n"
        "import netflips.pipeline\n"
        "ours = [m for n, m in list(sys.modules.items()) if n.split('.')[0] in ('avcore', 'netflips', 'unit2av')]\n"
        "users = [m for m in ours if callable(getattr(m, 'ahead', None)) and m.__name__ != 'avcore.compute.ahead']\n"
        "assert len(users) == 5, users\n"
        "assert all(m.ahead.__module__ == 'benchmarks.whole' for m in users), users\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CLIP.parents[1])
