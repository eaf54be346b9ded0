"""The machine of a run: fairseq, GPUs, processes, and memory, which limits the size of a batch.

The published batch of 1,024 tokens is too large for some devices and leaves others unused, so `max_tokens` and `update_freq` may be
`auto`.
"""

import os
from dataclasses import dataclass
from math import ceil
from typing import Any

from avcore.command import LOG
from avcore.compute.memory import machine_memory_bytes
from avcore.errors import UsageError
from avcore.notes import several
from unit2unit.training.config import AUTO, TrainingRun

GIB = 1 << 30
_OF_TABLE_WIDTH, _OF_ROW, _OF_HEAD, _OF_FFN = 24, 8, 12, 8
"""Bytes that a token keeps in float32: per channel of the embeddings, per row in loss and accuracy, per position that a head
attends to, and per channel of a layer's feed-forward width."""
_HALF = 0.6
"""Share of this in float16: measured with bfloat16 weights at the published size it is 0.59, and 0.56 for attention."""
_WEIGHT_BYTES = {False: 16, True: 20}
"""Bytes of a weight with gradient and Adam's two moments in float32; in float16 (True) with fairseq's float32 copies."""
_EXCHANGED_BYTES = 4
"""Further bytes of a weight where several processes exchange gradients."""
_USABLE = {False: 0.5, True: 0.9}
"""Usable share of memory: of a machine (False), of a GPU (True)."""
_BESIDE_BYTES = {False: GIB // 2, True: 3 * GIB // 2}
"""Memory of the program and its libraries."""
_STEP = 64
_VALID_TOKENS = 8192
"""Most tokens of a batch without gradients: larger ones are hardly faster."""
_ROWS = 1025
"""Rows of the published embedding; the size of another vocabulary matters little."""
_PUBLISHED = {"layers": 12, "embed_dim": 1024, "ffn_embed_dim": 4096, "attention_heads": 16}


def require_fairseq() -> None:
    """Raise UsageError with the hint `make fairseq` when fairseq, or a package that it needs, cannot be imported."""
    try:
        import fairseq  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "training unit2unit needs fairseq", found=str(error), hint="run `make fairseq` (translating does not need it)"
        ) from error


def is_launched() -> bool:
    """Return whether torchrun, or a program that sets the same variables, has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_main_process() -> bool:
    """Return whether this process is the first of those that were started together."""
    return int(os.environ.get("RANK", "0")) == 0


def has_gpu(run: TrainingRun) -> bool:
    """Return whether the run trains on GPUs."""
    import torch

    return torch.cuda.is_available() and not run.option("cpu")


def launched_options(run: TrainingRun) -> dict[str, Any]:
    """Return fairseq's options for a process that torchrun has started, {} for any other.

    fairseq reads the number of processes only where it expects several, and divides by the number of GPUs. On a CPU its processes
    therefore need options to find one another, and gradients are averaged by fairseq's own code, because torch's gets a GPU there.
    """
    if "WORLD_SIZE" not in os.environ:
        return {}

    options: dict[str, Any] = {"distributed_world_size": int(os.environ["WORLD_SIZE"])}
    if has_gpu(run) or not is_launched() or run.option("distributed_init_method"):
        return options

    return options | {
        "distributed_init_method": "env://",
        "distributed_rank": int(os.environ["RANK"]),
        "distributed_backend": "gloo",
        "distributed_no_spawn": True,
        "ddp_backend": "legacy_ddp",
    }


@dataclass(frozen=True)
class _Stack:
    """Memory of a stack's layers."""

    name: str
    attentions: int
    """attentions in a layer"""
    width: int
    """bytes of a layer and a position, per channel"""
    fixed: int
    """further bytes of a layer and a position"""


_STACKS = (_Stack("encoder", 1, 40, 16), _Stack("decoder", 2, 68, 24))


def follow_memory(run: TrainingRun) -> TrainingRun:
    """Return the run with numbers for `max_tokens`, `update_freq` and `max_tokens_valid` where they are `auto`.

    A batch has as many tokens as fit on the device if every pair is as long as the run's longest. An update has the run's
    `update_tokens` for any number of processes (0 = one batch of each). Raises UsageError for a number that cannot be used.
    """
    tokens, frequency = run.option("max_tokens"), run.option("update_freq")
    if AUTO not in (tokens, frequency, run.option("max_tokens_valid")):
        return run
    if isinstance(tokens, str) and tokens != AUTO:
        raise UsageError("--max-tokens must be a whole number, or auto", found=tokens)
    if run.update_tokens < 0:
        raise UsageError("update_tokens must be 0 or more", found=run.update_tokens)

    processes, has_cuda = processes_of(run), has_gpu(run)
    longest = max(int(run.option(f"max_{side}_positions", 1024)) for side in ("source", "target"))
    memory = device_bytes(has_cuda)
    fitting = tokens_that_fit(run, longest, memory, processes, has_cuda)

    if fitting < longest:
        LOG.warning(
            "a pair of %d tokens a side may not fit into %.1f GiB: leave long ones out, or train a smaller network",
            longest,
            memory / GIB,
        )

    if AUTO in (tokens, frequency):
        tokens, frequency = divide_update(run.update_tokens, processes, longest, fitting, tokens, frequency)
        run = run.changed("dataset", {"max_tokens": tokens}).changed("optimizer", {"update_freq": [frequency]})
        line = f"batches of {tokens} tokens ({fitting} would fit into {memory / GIB:.1f} GiB), "
        line += f"{several(frequency, 'batch', 'batches')} an update in {several(processes, 'process', 'processes')}"
        LOG.info("%s%s", line, f": {tokens * frequency * processes:,} tokens an update" if tokens else "")

    if run.option("max_tokens_valid") == AUTO:
        untrained = tokens_that_fit(run, longest, memory, processes, has_cuda, is_trained=False)
        run = run.changed("dataset", {"max_tokens_valid": max(longest, min(untrained, _VALID_TOKENS))})
    return run


def processes_of(run: TrainingRun) -> int:
    """Return the number of processes that train the run."""
    return int(os.environ.get("WORLD_SIZE", run.option("distributed_world_size", 1) or 1))


def divide_update(
    asked: int, processes: int, longest: int, fitting: int, tokens: object = AUTO, frequency: object = AUTO
) -> tuple[Any, int]:
    """Return the tokens of a batch and the batches of an update in each process, so that an update has the tokens asked for.

    asked: tokens of an update in all processes, 0 = one batch of each. longest: tokens of the longest pair; fitting: tokens that
    fit into memory. tokens, frequency: stated values, which are kept. Raises UsageError if the processes would exceed the tokens
    asked for.
    """
    most, share = max(fitting, longest), asked // processes
    batches = 0 if frequency == AUTO else _first(frequency)
    least = (tokens if isinstance(tokens, int) else longest) * max(1, batches)
    if asked and tokens is not None and share < least:
        raise UsageError(
            "an update cannot be divided among the processes",
            expected=f"update_tokens={least * processes} or more, or 0: each of {several(processes, 'process', 'processes')} has "
            f"{several(max(1, batches), 'batch', 'batches')} of {least // max(1, batches)} tokens or more",
            found=f"update_tokens={asked}",
            hint="a larger update asks for another rate and fewer updates, as in unit2unit/finetune_large_batch",
        )

    if tokens != AUTO:
        return tokens, max(1, ceil(share / tokens)) if isinstance(tokens, int) and tokens > 0 else 1
    if not asked:
        return most, max(1, batches)
    if not batches:  # the fewest that fit; preferably one that divides the update without remainder
        fewest, largest = ceil(share / most), share // longest
        exact = (number for number in range(fewest, largest + 1) if not asked % (processes * number))
        batches = next(exact, min(fewest, largest))
        return min(ceil(asked / processes / batches), most), batches

    return ceil(asked / processes / batches), batches


def _first(frequency: object) -> int:
    """Return the batches of an update in the first epoch by fairseq's option; 1 for a value that fairseq refuses."""
    first = frequency[0] if isinstance(frequency, list) and frequency else frequency
    return first if isinstance(first, int) and first > 0 else 1


def tokens_that_fit(run: TrainingRun, length: int, memory: int, processes: int, has_cuda: bool, is_trained: bool = True) -> int:
    """Return the most tokens of a batch, 0 if the network alone is too large. is_trained: whether gradients are computed."""
    left = memory * _USABLE[has_cuda] - _BESIDE_BYTES[has_cuda] - bytes_of_weights(run, processes)
    return max(0, int(left / bytes_of_token(run, length, is_trained)) // _STEP * _STEP)


def _size(run: TrainingRun, name: str, stack: str = "encoder") -> int:
    return int(run.option(f"{stack}_{name}", _PUBLISHED[name]))


def bytes_of_weights(run: TrainingRun, processes: int) -> int:
    """Return the bytes of a run's weights, gradients and moments in each process."""
    dim = _size(run, "embed_dim")
    number = _ROWS * dim
    for stack in _STACKS:
        ffn = _size(run, "ffn_embed_dim", stack.name)
        number += _size(run, "layers", stack.name) * (4 * stack.attentions * dim * dim + 2 * dim * ffn)
    return number * (_WEIGHT_BYTES[bool(run.option("fp16"))] + (_EXCHANGED_BYTES if processes > 1 else 0))


def bytes_of_token(run: TrainingRun, length: int, is_trained: bool = True) -> float:
    """Return the bytes that autograd keeps for one source and one target position, in a batch of pairs of `length` tokens.

    Measured on the CPU with `saved_tensors_hooks`, exact in float32; a GPU's fused attention keeps less. Without gradients it is at
    most the memory of one layer of each stack.
    """
    dim, has_text = _size(run, "embed_dim"), float(run.option("text_weight") or 0) > 0
    total = float(_OF_TABLE_WIDTH * dim + _OF_ROW * _ROWS * (2 if has_text else 1))  # letters: more rows, and fewer positions
    for stack in _STACKS:
        ffn, heads = _size(run, "ffn_embed_dim", stack.name), _size(run, "attention_heads", stack.name)
        attention = stack.attentions * heads * _OF_HEAD * length
        layers = _size(run, "layers", stack.name) if is_trained else 1
        layers += has_text and stack.name == "decoder"
        total += layers * (stack.width * dim + _OF_FFN * ffn + stack.fixed + attention)
    return total * (_HALF if run.option("fp16") else 1.0)


def device_bytes(has_cuda: bool) -> int:
    """Return the memory (bytes) of this process's GPU, or its part of the machine's."""
    if has_cuda:
        import torch

        return int(torch.cuda.get_device_properties(int(os.environ.get("LOCAL_RANK", 0))).total_memory)
    return machine_memory_bytes() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
