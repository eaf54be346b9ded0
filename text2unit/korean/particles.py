"""Korean particles that depend on the syllable before them: `학교(이/가)` becomes `학교가`."""

import re

from avcore.errors import InputError

_PARTICLE = re.compile(r"\((\S+?)/(\S+?)\)")
_FIRST_SYLLABLE, _LAST_SYLLABLE, _FINALS, _FINAL_RIEUL = 0xAC00, 0xD7A3, 28, 8
_TOWARDS = "으로"


def with_particles(korean: str) -> str:
    """Choose each particle, as (이/가), by the syllable before it: the first form after a final consonant.

    `으로/로` takes the second form after ㄹ as well. Raises InputError for a particle behind anything but a Hangul syllable.
    """
    while found := _PARTICLE.search(korean):
        final = _final(korean[: found.start()][-1:])
        is_open = final == 0 or (found[1] == _TOWARDS and final == _FINAL_RIEUL)
        korean = korean[: found.start()] + (found[2] if is_open else found[1]) + korean[found.end() :]
    return korean


def _final(syllable: str) -> int:
    """Return the number of a Hangul syllable's final consonant, 0 for none. Raises InputError for anything else."""
    code = ord(syllable) if syllable else 0
    if not _FIRST_SYLLABLE <= code <= _LAST_SYLLABLE:
        raise InputError("a particle must follow a Hangul syllable", found=syllable or "nothing before it")
    return (code - _FIRST_SYLLABLE) % _FINALS
