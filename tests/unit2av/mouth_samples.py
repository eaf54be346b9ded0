"""A mouth table of four units, and what is said with them."""

from functools import cache

import numpy as np

from avcore.units import Units
from unit2av.mouths.mesh.fit import Examples, learn_table
from unit2av.mouths.mesh.table import MouthTable
from unit2av.mouths.mouth import Said

VOCABULARY = "sha256:0000000000000001"


@cache
def table() -> MouthTable:
    """Four units: closed, half open, wide open, round."""
    wanted = np.array([[0, 0, 0], [0.5, 0, 0], [1.0, 0.2, 0], [0.3, -0.9, 0]])
    rng = np.random.default_rng(0)
    examples = Examples(len(wanted))
    for _ in range(8):
        frames = np.repeat(rng.integers(0, len(wanted), 60), 2 * rng.integers(2, 5, 60))
        examples.add(frames, wanted[frames[::2]])
    return learn_table(examples, VOCABULARY)


def said(*units: int) -> Said:
    return Said(Units(np.array(units), np.full(len(units), 20), "ko", VOCABULARY))
