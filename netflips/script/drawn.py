"""In how many frames of a dub its lips were drawn, and why not in the others: the second thing to know of it, after its verdict."""

from collections import Counter

from avcore.notes import Note, NoteKind, Translate, Values
from netflips.script.types import Script

_WHY = {
    "no_face": "no face was found",
    "out_of_sight": "nobody in sight seems to speak",
    "not_wanted": "no face was wanted",
    "profile": "the face is turned away",
    "blurred": "the face is blurred",
    "brief": "the face is seen too briefly",
    "hidden": "something is before the mouth",
    "cut_off": "the edge cuts the mouth off",
    "failed": "the program failed",
}
"""Why a frame stays as it is, by `SeenFaces.absent` and by `DrawnFrames.left`."""


def _drawn(values: Values, say: Translate) -> str:
    why = ", ".join(f"{say(_WHY.get(code, code))} ({count})" for code, count in values["left"])
    return say("lips drawn in {drawn} of {frames} frames") + (f": {why}" if why else "")


LIPS_DRAWN = NoteKind("lips_drawn", _drawn)
"""Values: drawn, frames, left (pairs of a reason and the number of its frames, the most frequent first)."""


def lips_drawn(script: Script) -> Note | None:
    """Return in how many of the frames with speech the lips were drawn; None where none were to be."""
    made = script.made
    if made is None or not made.frames or made.lips in ("", "none"):
        return None
    left = Counter[str]()
    drawn = frames = 0
    for utterance in script.processed:
        if utterance.drawn is None:
            continue
        count = utterance.drawn.frames or round(utterance.place.seconds * made.frames / max(made.duration_s, 1e-9))
        drawn, frames = drawn + utterance.drawn.drawn, frames + count
        absent = "" if utterance.seen is None else utterance.seen.absent
        left.update({absent: count} if absent and not utterance.drawn.drawn else utterance.drawn.left)
    return LIPS_DRAWN(drawn=drawn, frames=frames, left=[list(pair) for pair in left.most_common()])
