"""The processes of a run that accelerate has brought together: what each draws by chance, and what all must agree on."""

import logging
import os
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from avtrain.launched import missing_processes, processes_line

LOG = logging.getLogger("netflips.train")


def say_processes(accelerator: Accelerator, number_format: str) -> None:
    """Say how many processes train together, and warn where more were asked for."""
    number = int(accelerator.num_processes)
    if warning := missing_processes(number, os.environ):
        LOG.warning("%s", warning)
    if accelerator.is_main_process:
        LOG.info("%s", processes_line(number, str(accelerator.device), number_format))
        if number > 1:
            LOG.info("losses are means over the processes; they share the validation")


def of_all(accelerator: Accelerator, value: Any) -> list[Any]:
    """The plain values of all processes, in the order of their ranks; all must call it."""
    if accelerator.num_processes == 1:
        return [value]
    return list(gather_object([value]))


def of_first(accelerator: Accelerator, value: Any) -> Any:
    """The first process's plain value; all must call it."""
    if accelerator.num_processes == 1:
        return value
    box = [value]
    broadcast_object_list(box)
    return box[0]
