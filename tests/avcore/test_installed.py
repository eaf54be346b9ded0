"""How avcore finds the list of stages: in what is installed, or not at all."""

from pathlib import Path

import pytest

from avcore.checkpoints import stages as installed
from netflips import stages
from netflips.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_installation_says_it_in_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed.stages() is stages.STAGES
    assert installed.shipped_bundle() == ROOT / "netflips" / "bundle"
    folder = tmp_path / "netflips-9.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: netflips\nVersion: 9.0\n")
    (folder / "entry_points.txt").write_text("[console_scripts]\nnetflips = netflips.cli:main\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed._house.__wrapped__() is None
    (tmp_path / "a_list.py").write_text("STAGES, SHIPPED = (), 'here'\n")
    (folder / "entry_points.txt").write_text("[netflips.house]\nstages = a_list\n")
    assert installed._house.__wrapped__().SHIPPED == "here"


def test_the_ground_floor_alone_has_no_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_house", lambda: None)
    assert installed.stages() == ()
    assert installed.shipped_bundle() is None


def test_the_ground_floor_names_no_flag_of_a_stage_and_no_room_above_it() -> None:
    flags = [stage.flag for stage in stages.STAGES]
    rooms = [f'"{name}' for name in stages.PACKAGES] + ["netflips.stages", '/ "netflips"']
    for path in (ROOT / "avcore").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert [word for word in (*flags, *rooms) if word in text] == [], path


def test_a_command_of_a_folder_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installed, "_house", lambda: None)
    assert main(["info", "none.pt"]) == 2
    assert "NetfLips is not installed; run `pip install --no-deps -e .` in its folder" in capsys.readouterr().err
