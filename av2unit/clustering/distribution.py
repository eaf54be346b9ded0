"""How labels are distributed: what tells good clusters from collapsed ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import UNIT_RATE


class LabelCounts:
    """Counts labels and runs of equal ones, clip after clip."""

    def __init__(self, num_clusters: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros(num_clusters, dtype=np.int64)
        self._runs = 0

    def add(self, ids: NDArray[np.int64]) -> None:
        """Count the labels of one clip, int64 [N]."""
        self.counts += np.bincount(ids, minlength=len(self.counts))
        self._runs += 1 + int((np.diff(ids) != 0).sum()) if len(ids) else 0

    def report(self, label_rate: int = UNIT_RATE) -> dict[str, Any]:
        """Counts, clusters without a label, the largest share, the perplexity, and the mean length of a run in ms."""
        total = int(self.counts.sum())
        shares = self.counts[self.counts > 0] / max(1, total)
        return {
            "labels": total,
            "perplexity": round(float(np.exp(-(shares * np.log(shares)).sum())), 2) if total else 0.0,
            "unused_clusters": int((self.counts == 0).sum()),
            "largest_share": round(float(shares.max()), 4) if total else 0.0,
            "mean_run_ms": round(1000 * total / label_rate / self._runs, 1) if self._runs else 0.0,
            "counts": self.counts.tolist(),
        }
