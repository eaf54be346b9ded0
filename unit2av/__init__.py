"""Stage 3: units to speech and lips."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

guard_start()
