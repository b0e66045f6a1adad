"""The log of a running proposer as TensorBoard's event files: ``tensorboard --logdir runs``.

The only door to tensorboardX. The store holds the same numbers; the files are written anew from it whenever a run is
gone on with. Not here: what the numbers mean (README, glossary).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

FOLDER = "tensorboard"  # in the run's directory


class EventFiles:
    """Writes one scalar a name and batch.

    Args:
        run: directory of the run; event files of an earlier sitting are replaced.
        updates: what the store already holds, by batch.
    """

    def __init__(self, run: Path, updates: Mapping[int, Mapping[str, float]]) -> None:
        shutil.rmtree(run / FOLDER, ignore_errors=True)
        self._writer = SummaryWriter(str(run / FOLDER))
        for batch, metrics in updates.items():
            self.add(batch, metrics)

    def add(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Write the numbers of one update."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, batch)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
