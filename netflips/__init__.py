"""NetfLips: dub people on video into another language, in their own voice, with lips that fit."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
from avcore.loading import guard_start

__version__ = "0.1.0"

guard_start()
