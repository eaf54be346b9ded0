"""Stage 3: units to speech and lips."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
