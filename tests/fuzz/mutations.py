"""Ways to damage a file: its bytes, its text, or the values that stand in its JSON."""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

_NUMBERS = ("-1", "0", "1e400", "-1e400", "9" * 5000, "99999999999", "1e-400", "NaN", "Infinity", "0.5", "2147483648", str(2**63))
_TEXTS = ("", "x\x00y", "\ud800", "a" * 5000, "../../x", "/etc/hostname", "\x1b[31mred", "a\nb", "\uff11\uff12", "-1", "nan")
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 10**12, 10**400, 2**63, 1e308, float("nan"), float("inf"), "", "1", "x\x00y", "\ud800",
    "a" * 5000, [], {}, [[]], [1, 2], {"a": 1}, [None],
)  # fmt: skip
_DEPTHS = (70, 900, 5_000, 100_000)


def flip_bits(rng: Random, data: bytes) -> bytes:
    """One to forty bits, half of the time among the first bytes, where headers are."""
    out = bytearray(data)
    end = len(out) if rng.random() < 0.5 else min(len(out), 400)
    for _ in range(rng.choice((1, 1, 3, 10, 40))):
        out[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(rng: Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] if rng.random() < 0.8 else data[place:]


def hole(rng: Random, data: bytes) -> bytes:
    """Zeros in the middle, as a broken download leaves them."""
    length = min(len(data), rng.choice((1, 16, 512, 8192)))
    place = rng.randrange(len(data) - length + 1)
    return data[:place] + bytes(length) + data[place + length :]


def insert(rng: Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.choice((1, 4, 100, 3000))) + data[place:]


def repeat(rng: Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice((1, 8, 200, 4000))]
    return data[:start] + piece * rng.choice((2, 2, 50)) + data[start:]


def set_field(rng: Random, data: bytes) -> bytes:
    """A field of 2, 4 or 8 bytes, such as a length or a rate, set to an extreme."""
    size = rng.choice((2, 4, 4, 8))
    if len(data) <= size:
        return b""
    end = len(data) - size if rng.random() < 0.4 else min(len(data) - size, 600)
    place = rng.randrange(max(end, 1))
    value = rng.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, rng.randrange(2 ** (8 * size))))
    return data[:place] + value.to_bytes(size, rng.choice(("little", "big"))) + data[place + size :]


def swap_blocks(rng: Random, data: bytes) -> bytes:
    size = max(1, min(len(data) // 3, rng.choice((4, 64, 4096))))
    first, second = sorted(rng.randrange(len(data) - size + 1) for _ in range(2))
    if second - first < size:
        return data[::-1]
    middle = data[first + size : second]
    return data[:first] + data[second : second + size] + middle + data[first : first + size] + data[second + size :]


def other_encoding(rng: Random, data: bytes) -> bytes:
    """The same text as other programs save it, or with letters that are none."""
    text = data.decode(errors="replace")
    odd = rng.choice(("é", "한", "\x00", "\x1b[2J", "\u2028", "\ufeff"))
    place = rng.randrange(len(text) + 1)
    changed = text[:place] + odd + text[place:]
    return changed.encode(rng.choice(("latin-1", "utf-16", "utf-8-sig", "utf-8", "cp949", "utf-32")), "replace")


def other_number(rng: Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found:
        return data + rng.choice(_NUMBERS).encode()
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(_NUMBERS).encode() + data[one.end() :]


def other_text(rng: Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"[A-Za-z_]+", data))
    if not found:
        return data + rng.choice(_TEXTS).encode(errors="surrogatepass")
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(_TEXTS).encode(errors="surrogatepass") + data[one.end() :]


def other_lines(rng: Random, data: bytes) -> bytes:
    """Lines doubled, lost, emptied, in another order, or all in one."""
    lines = data.splitlines(keepends=True)
    which = rng.randrange(6)
    if which == 0:
        return data * rng.choice((2, 100))
    if which == 1:
        return b"".join(line for line in lines if rng.random() < 0.6)
    if which == 2:
        return b"\n" * 20 + data
    if which == 3:
        return b"".join(rng.sample(lines, len(lines)))
    if which == 4:
        return data.replace(b"\n", b" ")
    return data.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\n\x0b\n")))


def deep(rng: Random, data: bytes) -> bytes:
    """Lists in lists, in place of the file or of a value of it."""
    depth = rng.choice(_DEPTHS)
    left, right = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = left * depth + b"1" + right * depth
    place = data.find(b":")
    return nested if place < 0 or rng.random() < 0.5 else data[: place + 1] + nested + data[place + 1 :]


def change_json(rng: Random, data: bytes) -> bytes:
    """One value of JSON, or of one line of it, with another type, name, size, or gone."""
    lines = data.splitlines() if _is_lines(data) else [data]
    number = rng.randrange(len(lines))
    content = json.loads(lines[number])
    holder, key = rng.choice(list(_places(content)) or [({"": content}, "")])
    which = rng.randrange(8)
    if which <= 4:
        holder[key] = rng.choice(_VALUES)
    elif which == 5 and isinstance(holder, dict):
        holder[rng.choice(("", "x", f"{key}s", "\ud800", "a" * 5000))] = holder.pop(key)
    elif which == 6:
        del holder[key]
    else:
        holder[key] = [holder[key]] * rng.choice((1, 2, 1000))
    lines[number] = json.dumps(content, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
    return b"\n".join(lines) + b"\n"


def _is_lines(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return True
    return False


def _places(value: Any) -> Any:
    """Every (container, key) of a JSON value; of a long list only a few."""
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for index in range(min(len(value), 4)):
            yield value, index
            yield from _places(value[index])


Mutation = Callable[[Random, bytes], bytes]
BYTES: tuple[Mutation, ...] = (flip_bits, flip_bits, cut, hole, insert, repeat, set_field, set_field, swap_blocks)
TEXT: tuple[Mutation, ...] = (flip_bits, cut, insert, hole, other_encoding, *(other_number,) * 2, other_text, other_lines, deep)
JSON: tuple[Mutation, ...] = (*TEXT, *(change_json,) * 12)
