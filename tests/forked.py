"""Work in a process of its own that need not load the libraries again: forked from one that has, and is nothing else."""

import os
import sys
from collections.abc import Callable
from multiprocessing import get_context, set_start_method
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

_CONTEXT = get_context("forkserver")


def start(work: Callable[..., int | None], *given: object, told: Path) -> BaseProcess:
    """Start work in a process, and a group of processes, of its own. told: the file for what it prints."""
    _CONTEXT.set_forkserver_preload([work.__module__])  # of the first that is started in this process
    process = _CONTEXT.Process(target=_work, args=(work, given, told))
    process.start()
    return process


def run(work: Callable[..., int | None], *given: object, told: Path) -> str:
    """Wait for its good end; returns what it printed."""
    process = start(work, *given, told=told)
    process.join(200)
    assert process.exitcode == 0, told.read_text()[-3000:]
    return told.read_text()


def _work(work: Callable[..., int | None], given: tuple[object, ...], told: Path) -> None:
    os.setsid()
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    torch.set_num_threads(1)
    set_start_method("fork", force=True)  # as commands have it: its own processes see when it is gone, and end
    sys.exit(work(*given))
