"""Names of number formats, for whoever reads options and loads no torch."""

from typing import Literal, get_args

Precision = Literal["float32", "bfloat16", "float16", "auto"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
"""To compute in."""
STORED_PRECISIONS = ("keep", "float32", "float16", "bfloat16", "int8")
"""To store weights in; `keep` leaves each as it is."""
