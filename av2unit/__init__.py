"""Stage 1: audio and lips to discrete units."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

guard_start()
