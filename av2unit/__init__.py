"""Stage 1: audio and lips to discrete units."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
