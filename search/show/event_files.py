"""The log of a running proposer as TensorBoard's event files: ``tensorboard --logdir runs``.

The only door to tensorboardX. The store holds the same numbers; the files are written anew from it whenever a run is
gone on with. Not here: what the numbers mean (README, glossary).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from actsearch.evaluators.outcome import CURVE
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.columns import row, shown_in
from actsearch.search.ranking.leaderboard import Leaderboard

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

    def add_finalists(self, board: Leaderboard) -> None:
        """Write each finalist as a run of its own: what it is (HParams), what it came to, and its mean curve."""
        for entry in (one for one in board.entries if FINAL in one.records):
            values = row(board, entry)
            if values["score"] is None:
                continue
            folder = Path(self._writer.logdir) / "finalists" / f"{entry.position:02d} {entry.fingerprint[:8]}"
            with SummaryWriter(str(folder)) as writer:
                kept = {column.name: values[column.name] for column in shown_in("tensorboard")}
                found = {f"final/{name}": value for name, value in kept.items() if isinstance(value, float)}
                told = {name: value for name, value in kept.items() if isinstance(value, (str, int))}
                for summary in hparams(told, found):  # its own add_hparams would write a second file of the same name
                    writer.file_writer.add_summary(summary)
                for name, value in found.items():
                    writer.add_scalar(name, value, 0)
                curves = [r.outcome.diagnostics.get(CURVE, []) for r in entry.records[FINAL]]
                for number, losses in enumerate(zip(*curves, strict=False), start=1):
                    writer.add_scalar("final/training_loss", sum(losses) / len(losses), number)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
