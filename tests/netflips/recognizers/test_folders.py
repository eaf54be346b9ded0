"""A folder of a recognizer is known by what it holds, not by its name or size."""

from pathlib import Path

from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.needs import RECOGNIZER


def test_another_model_of_the_same_size_is_another(tmp_path: Path) -> None:
    for name in ("model.bin", "tokenizer.json", "README.md"):
        (tmp_path / name).write_bytes(b"as it was")
    found = [Judges(JudgePaths(tmp_path)).identity(RECOGNIZER)]
    for name in ("model.bin", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"another 1")
        found.append(Judges(JudgePaths(tmp_path)).identity(RECOGNIZER))
    assert len(set(found)) == 3
    (tmp_path / "README.md").write_bytes(b"of no matter")
    assert Judges(JudgePaths(tmp_path)).identity(RECOGNIZER) == found[-1]
