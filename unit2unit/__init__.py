"""Stage 2: units of one language to units of another."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
