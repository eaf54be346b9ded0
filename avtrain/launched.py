"""How many processes train a run, and how many a launcher was asked for."""

from collections.abc import Mapping

_ASKED = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Variables by which launchers tell a process how many of it they have started."""


def processes_line(number: int, device: str, number_format: str = "no") -> str:
    """What a run says of itself at its start."""
    computed = "" if number_format == "no" else f", in {number_format}"
    return f"training with {number} process{'' if number == 1 else 'es'} on {device}{computed}"


def missing_processes(number: int, environment: Mapping[str, str]) -> str | None:
    """What to tell a user whose launcher was asked for more processes than train this run together; None for nothing."""
    asked = max((int(environment[name]) for name in _ASKED if environment.get(name, "").isdecimal()), default=1)
    advice = "start it as torchrun --nproc_per_node N -m ..."
    if asked > number:
        return f"{asked} processes were started, but each trains by itself (processes of this run: {number}); {advice}"
    # accelerate starts one process where it finds no GPUs, whatever --num_processes says; this is all that it leaves behind.
    is_by_accelerate = "ACCELERATE_USE_CPU" in environment and "MASTER_PORT" in environment
    if is_by_accelerate and "WORLD_SIZE" not in environment and number == 1:
        return f"accelerate launch was asked for several processes, but starts them on GPUs only: this is the only one; {advice}"
    return None
