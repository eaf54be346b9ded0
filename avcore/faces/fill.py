"""What is done with pictures that have no face box; for whoever reads options and loads no OpenCV."""

from typing import Literal, get_args

FillPolicy = Literal["keep", "forward", "nearest"]
FILL_POLICIES: tuple[str, ...] = get_args(FillPolicy)
