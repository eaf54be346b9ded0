"""Fixtures and hooks of all tests. Only those marked `gpu`, `cpu` or `local` may skip, and those without fairseq."""

import gc
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

os.environ["NETFLIPS_LANGUAGE"] = "en"  # whatever the locale is

NO_FAIRSEQ = "" if find_spec("fairseq") else "needs fairseq, which training the translator needs: make fairseq builds it"
_WITHOUT: set[Path] = set()
"""Modules in which a test was skipped since fairseq is missing; later ones may need its results."""

_ALLOWED = {"gpu", "cpu", "local"}
_SKIPPED: dict[str, tuple[str, bool]] = {}

_SLOW = (
    "test_losing_cluster.py", "test_data_pages.py", "test_recipes.py", "test_other_pages.py", "test_python_pages.py",
    "test_notebook.py", "test_wheel.py", "test_slurm_scripts.py", "test_fuzz.py", "test_device_path.py",
    "test_exam.py", "test_bench_clips.py", "test_small_model.py", "test_material.py", "test_head.py",
    "test_trained_chain.py",
)  # fmt: skip
"""Modules of `make test-slow`: the pages' commands, recipes, the wheel, a cluster, damaged files, all trainings in a row: not each
time."""
_LONGEST = (
    *_SLOW, "test_contract.py", "test_utut_runs.py", "test_golden.py", "test_browser.py",
    "test_extraction.py", "test_recordings.py", "test_spoken.py", "test_over_text.py", "test_loop.py", "test_scripts.py",
)  # fmt: skip
"""Modules that take longest: they begin first, so that no process is left with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first, those of many lines before others of which no more is known, and mark the slow ones."""
    place = {name: number for number, name in enumerate(_LONGEST)}
    size = {path: path.stat().st_size for path in {item.path for item in items}}
    items.sort(key=lambda item: (place.get(item.path.name, len(place)), -size[item.path], item.path))
    for item in items:
        if item.path.name in _SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave all that is loaded out of searches for garbage, which took a third of the time that tests are collected in."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


class _Module(pytest.Module):
    """A module of tests; one that imports fairseq is skipped where there is none."""

    def collect(self) -> Iterable[Any]:
        try:
            return super().collect()
        except self.CollectError as error:
            if NO_FAIRSEQ and "No module named 'fairseq" in str(error):
                pytest.skip(NO_FAIRSEQ, allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return _Module.from_parent(parent, path=module_path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Call a test skipped in which a command said that fairseq is missing, or that a result of such a command is."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    said = f"{report.capstderr}{report.longrepr}"
    is_first = "needs fairseq" in said or "No module named 'fairseq" in said
    if NO_FAIRSEQ and report.failed and (is_first or (item.path in _WITHOUT and ("is not there" in said or "is_file" in said))):
        _WITHOUT.add(item.path)
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"Skipped: {NO_FAIRSEQ}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each skip with its reason and whether its marks allow it (also of tests that other processes ran)."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _SKIPPED[report.nodeid] = (reason, bool(_ALLOWED & set(report.keywords)) or (bool(NO_FAIRSEQ) and NO_FAIRSEQ in reason))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test skipped that may not."""
    if any(not allowed for _, allowed in _SKIPPED.values()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the skips."""
    for node, (reason, allowed) in sorted(_SKIPPED.items()):
        verdict = "skipped" if allowed else "SKIPPED WITHOUT LEAVE (mark it gpu, cpu or local)"
        terminalreporter.write_line(f"{verdict}: {node}: {reason}")


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """The folder of numeric fixtures; its README says what is in it."""
    return Path(__file__).parent / "parity"


@pytest.fixture(scope="session", autouse=True)
def no_disk_is_waited_for() -> Iterator[None]:
    """No test cuts the power, so nothing needs to have reached the disk; a dub waits for it a hundred times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands note in a user's cache goes into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in ("NETFLIPS_MODELS", "NETFLIPS_CATALOGUE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def transformers_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that can import transformers, which is installed into a folder of its own, beside the lock."""
    there, packages = tmp_path_factory.mktemp("there"), ("transformers==4.57.3", "huggingface_hub==0.36.0", "tokenizers==0.22.1")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(there), "--no-deps", *packages]
    if subprocess.run(install, check=False).returncode:
        pytest.skip(f"needs {packages[0]}, which could not be installed")
    paths = os.pathsep.join([str(there), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


_FACES = dict[tuple[object, ...], Any]()
"""What was found in each frame."""


@pytest.fixture(scope="module")
def each_frame_is_searched_once() -> Iterator[None]:
    """Tests dub the same few frames again and again: to find their faces is most of a dub with small models."""
    from avcore.faces.detect import BlazeFace, FaceMesh

    def once(search: Callable[..., Any]) -> Callable[..., Any]:
        def found(finder: Any, frame: Any) -> Any:
            content = hashlib.blake2b(frame.tobytes(), digest_size=16).digest()
            key = search.__qualname__, getattr(finder, "_layout", None), frame.shape, content
            if key not in _FACES:
                _FACES[key] = search(finder, frame)
            return _FACES[key]

        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlazeFace, "detect", once(BlazeFace.detect))
        patch.setattr(FaceMesh, "landmarks", once(FaceMesh.landmarks))
        yield


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """SVT-AV1 gives whoever calls it real-time priority, where it may, which starves all other processes."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def packs_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models are laid out for the CPU as those of published size are."""
    monkeypatch.setattr("avcore.compute.kernels._LEAST_PACKED", 0)
