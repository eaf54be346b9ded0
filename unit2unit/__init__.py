"""Stage 2: units of one language to units of another."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

guard_start()
