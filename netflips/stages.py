"""The stages of this installation. A new one is a package with a module `stage`, and a line here."""

from itertools import chain
from pathlib import Path
from typing import Any

from avcore.checkpoints.stages import Stage, stages_of

PACKAGES = (
    "av2unit",  # sound and lips to units
    "unit2unit",  # units to units
    "unit2av",  # units to speech and lips; whose voice it is
    "unit2text",  # units, or lips, to text
    "text2unit",  # text to units
)
STAGES: tuple[Stage[Any], ...] = tuple(chain.from_iterable(map(stages_of, PACKAGES)))
"""In the order in which a dub needs them."""
SHIPPED = Path(__file__).with_name("bundle")
"""Where the models lie that come with NetfLips; a folder of files only."""
