"""`netflips evaluate --ray`: cases go to workers, and their records are kept as they come."""

import json
from pathlib import Path

import numpy as np

from avcore.media import write_speech
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate import records
from netflips.evaluate.command import main


def test_cases_are_measured_by_workers(tmp_path: Path, ray_here: None) -> None:
    rng, lines = np.random.default_rng(0), []
    for number, seconds in enumerate((1.0, 0.9, 1.2)):
        for name, length in ((f"{number}.wav", 1.0), (f"{number}_ko.wav", seconds)):
            write_speech(tmp_path / name, (0.1 * rng.standard_normal(int(length * SAMPLE_RATE))).astype(np.float32))
        lines.append(json.dumps({"id": f"c{number}", "source": f"{number}.wav", "dub": f"{number}_ko.wav"}))
    (tmp_path / "cases.jsonl").write_text("\n".join(lines))
    words = ["dubs", str(tmp_path / "cases.jsonl"), "--out-dir", str(tmp_path / "out"), "--measures", "duration_ratio", "--ray"]
    assert main([*words, "--worst", "0", "--quiet", "--cpu"]) == 0
    found = {place[0]: one.figures["duration_ratio"] for place, one in records.read(tmp_path / "out").items() if place[1] == "dub"}
    assert found == {"c0": 1.0, "c1": 0.9, "c2": 1.2}
