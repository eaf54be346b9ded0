"""Ray inside this process, or a cluster that runs already: started quietly, and nothing of it left afterwards.

Workers on a cluster stand in folders of their own: paths are made such that they mean the same in every process.
"""

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from avcore.command import Terminated, stopped_by_sigterm
from avcore.errors import EXIT_FAILED, NetflipsError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


Settings = TypeVar("Settings", bound="DataclassInstance")
_PREFIX = "netflips-ray-"
_LONGEST_FOLDER = 24
"""Letters; Ray's sockets lie 80 letters deeper, and the system takes 107."""
_SHORT_FOLDER = Path("/tmp")
_STORE_BYTES = 512 << 20
"""Of shared memory for what is read and not yet used; more is put on the disk."""
_SECRET_BYTES = 32
_PATIENCE_S = 10.0
_TRIES = 4
"""Ray gives its own processes 30 s to come up, which a busy machine may not grant at the first try."""

_FULL_SHARE = 0.95
"""Of a disk: from there on Ray puts nothing more on it, and waits for ever (its local_fs_capacity_threshold)."""

_HOLD_RAY = ("gcs_server", "raylet")

_OWN_FOLDER: list[Path] = []
"""Of the Ray that this process started, while it runs."""

WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MKL_NUM_THREADS": "1"}
"""One thread a worker: more workers make better use of the cores than more threads in each."""

_RAY_ENVIRONMENT = {
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # deaths of workers are told by us
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default, of which Ray would warn
    "RAY_gcs_server_port_wait_time_s": "120",  # on a busy machine 30 may be too few
}


def with_full_paths(settings: Settings) -> Settings:
    """Settings, a dataclass, with every path in it absolute, those of dataclasses inside it too."""
    return replace(settings, **{field.name: full_paths(getattr(settings, field.name)) for field in fields(settings) if field.init})


def full_paths(value: object) -> object:
    """Return what is sent to other machines, with every path in it absolute, in whatever dataclass, dict, tuple or list it
    stands."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {name: full_paths(one) for name, one in value.items()}
    if isinstance(value, tuple | list) and type(value) in (tuple, list):  # no named tuples
        return type(value)(full_paths(one) for one in value)
    return with_full_paths(value) if is_dataclass(value) and not isinstance(value, type) else value


class RayStartError(NetflipsError):
    """Ray's own processes do not come up."""

    exit_code = EXIT_FAILED


@contextmanager
def ray_session(num_readers: int, address: str | None = None) -> Iterator[dict[str, float]]:
    """Start Ray for a block, or join the cluster at `address` (host:port or `auto`); within another session, use that.

    num_readers: tasks that run at a time in a session started here, model workers not counted. Such a session obeys those
    alone who have a secret of this process. Yields what there is: `CPU`, `GPU` and more. Raises UsageError when Ray is not
    installed or the cluster cannot be reached, RayStartError when it does not start. Ray reads its environment when it is
    imported, so `pool`, which imports it, is imported inside the block.
    """
    _settle_environment(is_own=address is None)
    try:
        import ray
    except ImportError as error:
        hint = "pip install 'ray>=2.50' 'pyarrow>=18,<26' (`make env` has both)"
        raise UsageError("bulk work needs Ray", found=error, hint=hint) from error
    if ray.is_initialized():
        yield ray.cluster_resources()
    elif address is not None:
        yield from _joined(address)
    else:
        yield from _started(num_readers)


def _joined(address: str) -> Iterator[dict[str, float]]:
    import ray

    _require_listening(address)
    try:
        ray.init(
            address=address,
            logging_level="error",
            log_to_driver=False,
            configure_logging=False,
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
        )
    except Exception as error:
        what = "the Ray cluster cannot be joined"
        raise UsageError(what, expected="--address host:port or auto", found=str(error).splitlines()[0]) from error
    try:
        with stopped_by_sigterm():  # Ray's own handler would abort the process
            yield ray.cluster_resources()
    finally:
        ray.shutdown()


def _require_listening(address: str) -> None:
    """Raise UsageError when nothing listens at host:port; Ray itself would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # `auto`: Ray knows where
    try:
        socket.create_connection((host, int(port)), _PATIENCE_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError("there is no Ray cluster", expected="--address host:port or auto", found=f"{address}: {error}") from error


def _started(num_readers: int) -> Iterator[dict[str, float]]:
    import ray

    # A folder for Ray's sockets and logs, named after this process.
    remove_stale_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_temporary_folder()))
    try:
        _start(num_readers, folder)
        _OWN_FOLDER.append(folder)
        with stopped_by_sigterm():  # Ray's own handler would abort the process
            yield ray.cluster_resources()
    finally:
        _OWN_FOLDER.clear()
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _start(num_readers: int, folder: Path) -> None:
    """Start Ray, again when it fails: on a busy machine its processes may find each other too late."""
    import ray

    for left in reversed(range(_TRIES)):
        try:
            with _signals_wait():
                ray.init(
                    address="local",
                    num_cpus=num_readers,
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    logging_level="error",
                    log_to_driver=False,
                    configure_logging=False,
                    _temp_dir=str(folder),
                )
            return
        except SystemExit as error:  # Ray's own handler of SIGTERM
            raise Terminated from error
        except Exception as error:  # Ray raises bare ones
            ray.shutdown()
            if not left:
                raise RayStartError("Ray cannot be started", found=str(error).splitlines()[0], hint="try again") from error


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let the first Ctrl-C wait until the block ends: half of a Ray ends the process by signal 11, or waits for ever. SIGTERM too,
    until Ray handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = list[int]()

    def keep(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, keep) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for one in came:
            signal.raise_signal(one)


def _settle_environment(is_own: bool) -> None:
    """Set what Ray reads from the environment once, when it is imported; it stays set for the rest of this process.

    is_own: this process will start Ray itself, and needs a secret for it unless the user has seen to that.
    """
    os.environ.update({**_RAY_ENVIRONMENT, **WORKER_ENVIRONMENT})
    if is_own and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(_SECRET_BYTES)})


def is_own_ray_gone() -> bool:
    """Return whether Ray was started by this process and one of the two that hold it together has died: nobody starts it again."""
    import ray

    node = ray._private.worker._global_node if _OWN_FOLDER else None  # asking Ray itself may wait for ever
    return node is not None and any(kind in _HOLD_RAY for kind, _ in node.dead_processes())


def full_disk_of_own_ray() -> Path | None:
    """Return the folder of the Ray that this process started where its disk is full, so that nothing read can be put aside."""
    for folder in _OWN_FOLDER:
        usage = shutil.disk_usage(folder)
        if usage.used >= _FULL_SHARE * usage.total:
            return folder.parent
    return None


def remove_stale_folders() -> None:
    """Remove what sessions left behind whose process was killed; their last helpers end by themselves within a minute."""
    for folder in _temporary_folder().glob(f"{_PREFIX}*"):
        if not _is_running(folder.name.removeprefix(_PREFIX).split("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir())
    return folder if len(str(folder)) <= _LONGEST_FOLDER else _SHORT_FOLDER


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass  # it runs, as somebody else's
    return True
