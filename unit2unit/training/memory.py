"""How large a batch a device holds: `max_tokens` and `update_freq` of a run that says `auto`.

New, since fairseq takes both as given: the published 1,024 tokens a batch neither fit every device nor fill any.
"""

import os
from dataclasses import dataclass
from math import ceil

from avcore.command import LOG
from avcore.compute.memory import machine_memory_bytes
from avcore.errors import UsageError
from avcore.notes import several
from unit2unit.training.config import AUTO, TrainingRun
from unit2unit.training.machine import has_gpu

GIB = 1 << 30
_OF_TABLE_WIDTH, _OF_ROW, _OF_HEAD, _OF_FFN = 24, 8, 12, 8
"""Bytes in float32 for each of the width of the embeddings, of the rows that loss and accuracy look at, of the positions that
a head looks at, and of a layer's feed-forward width."""
_HALF = 0.6
"""float16 keeps that much: with bfloat16 weights at the published size it is 0.59, and 0.56 of attention."""
_WEIGHT_BYTES = {False: 16, True: 20}
"""Of a weight with its gradient and Adam's two moments in float32; in float16 with fairseq's float32 copies."""
_EXCHANGED_BYTES = 4
"""Of a weight, where several processes exchange gradients."""
_USABLE = {False: 0.5, True: 0.9}
"""Share of a device's memory that a run counts on: of a machine's, of a GPU's."""
_BESIDE_BYTES = {False: GIB // 2, True: 3 * GIB // 2}
"""Of the program and its libraries."""
_STEP = 64
_ROWS = 1025
"""Of the published table of tokens; another vocabulary changes little."""
_PUBLISHED = {"layers": 12, "embed_dim": 1024, "ffn_embed_dim": 4096, "attention_heads": 16}


@dataclass(frozen=True)
class _Stack:
    """A stack as memory has it. width, fixed: bytes for each of its width and besides, of a layer and a position."""

    name: str
    attentions: int
    width: int
    fixed: int


_STACKS = (_Stack("encoder", 1, 40, 16), _Stack("decoder", 2, 68, 24))


def follow_memory(run: TrainingRun) -> TrainingRun:
    """Return the run with numbers for `max_tokens` and `update_freq` where they are `auto`.

    A batch has the tokens that `update_tokens` asks of each process (0 = any), if the device holds them with every pair as long as
    the run's longest; else several smaller batches make an update. Raises UsageError for a number that makes no sense.
    """
    tokens, frequency = run.option("max_tokens"), run.option("update_freq")
    if AUTO not in (tokens, frequency):
        return run
    if run.update_tokens < 0:
        raise UsageError("update_tokens must be 0 or more", found=run.update_tokens)
    processes = int(os.environ.get("WORLD_SIZE", run.option("distributed_world_size", 1) or 1))
    has_cuda, asked = has_gpu(run), ceil(run.update_tokens / processes)
    longest = max(int(run.option(f"max_{side}_positions", 1024)) for side in ("source", "target"))
    memory = device_bytes(has_cuda)
    fitting = tokens_that_fit(run, longest, memory, processes, has_cuda)
    if fitting < longest:
        LOG.warning(
            "a pair of %d tokens a side may not fit into %.1f GiB: leave long ones out, or train a smaller network",
            longest,
            memory / GIB,
        )
    if tokens == AUTO:
        most = max(fitting, longest)
        batches = ceil(asked / most) if frequency == AUTO else _first(frequency)
        tokens = max(ceil(asked / batches), longest) if asked else most
    if frequency == AUTO:
        frequency = [max(1, ceil(asked / tokens)) if isinstance(tokens, int) and tokens > 0 else 1]
    LOG.info(
        "batches of %s tokens (%s would fit into %.1f GiB), %s an update in %s",
        tokens, fitting, memory / GIB, several(_first(frequency), "batch", "batches"), several(processes, "process", "processes"),
    )  # fmt: skip
    return run.changed("dataset", {"max_tokens": tokens}).changed("optimizer", {"update_freq": frequency})


def _first(frequency: object) -> int:
    """Return the batches of an update in the first epoch, as fairseq's option has it; what it refuses counts as one."""
    first = frequency[0] if isinstance(frequency, list) and frequency else frequency
    return first if isinstance(first, int) and first > 0 else 1


def tokens_that_fit(run: TrainingRun, length: int, memory: int, processes: int, has_cuda: bool) -> int:
    """Return how many tokens a batch may have, 0 where the network alone is too large."""
    left = memory * _USABLE[has_cuda] - _BESIDE_BYTES[has_cuda] - bytes_of_weights(run, processes)
    return max(0, int(left / bytes_of_token(run, length)) // _STEP * _STEP)


def _size(run: TrainingRun, name: str, stack: str = "encoder") -> int:
    return int(run.option(f"{stack}_{name}", _PUBLISHED[name]))


def bytes_of_weights(run: TrainingRun, processes: int) -> int:
    """Return what a run's weights, gradients and moments take in each process."""
    dim = _size(run, "embed_dim")
    number = _ROWS * dim
    for stack in _STACKS:
        ffn = _size(run, "ffn_embed_dim", stack.name)
        number += _size(run, "layers", stack.name) * (4 * stack.attentions * dim * dim + 2 * dim * ffn)
    return number * (_WEIGHT_BYTES[bool(run.option("fp16"))] + (_EXCHANGED_BYTES if processes > 1 else 0))


def bytes_of_token(run: TrainingRun, length: int) -> float:
    """Return what autograd keeps of one source and one target position of a batch of pairs that are `length` tokens long.

    Counted on the CPU with `saved_tensors_hooks`, to the byte in float32; a GPU's fused attention keeps less.
    """
    dim = _size(run, "embed_dim")
    total = float(_OF_TABLE_WIDTH * dim + _OF_ROW * _ROWS)
    for stack in _STACKS:
        ffn, heads = _size(run, "ffn_embed_dim", stack.name), _size(run, "attention_heads", stack.name)
        attention = stack.attentions * heads * _OF_HEAD * length
        total += _size(run, "layers", stack.name) * (stack.width * dim + _OF_FFN * ffn + stack.fixed + attention)
    return total * (_HALF if run.option("fp16") else 1.0)


def device_bytes(has_cuda: bool) -> int:
    """Return the memory of the GPU that this process trains on, or this process's part of the machine's."""
    if has_cuda:
        import torch

        return int(torch.cuda.get_device_properties(int(os.environ.get("LOCAL_RANK", 0))).total_memory)
    return machine_memory_bytes() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
