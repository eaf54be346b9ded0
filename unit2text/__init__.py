"""Beside the road of units: units, or the video of a mouth, to text."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

guard_start()
