"""Text beside the units: Korean text to units of the target voice."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

guard_start()
