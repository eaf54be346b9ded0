"""Other libraries' hydra groups do not get in the way."""

from pathlib import Path

from hydra.core.config_store import ConfigStore

from avtrain.entry import read_config
from tests.avtrain.test_parts import ToyRun


def test_a_setting_may_be_called_like_another_librarys_group(tmp_path: Path) -> None:
    store = ConfigStore.instance()
    store.store(group="name", name="foreign", node={"x": 1})
    (tmp_path / "debug.yaml").write_text("width: 1\n")
    try:
        assert read_config(ToyRun, "debug", ["name=mine"], tmp_path).name == "mine"
        assert "name" in store.repo
    finally:
        del store.repo["name"]
