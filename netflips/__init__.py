"""NetfLips: dub people on video into another language, in their own voice, with lips that fit."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait

__version__ = "0.1.0"
