"""The log of a running proposer as TensorBoard's event files: ``tensorboard --logdir runs``.

The only door to tensorboardX. The store holds the same numbers, and a resumed run writes the files again from it. Not
here: what the numbers mean (README, glossary).
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
    """Writes one scalar for each name and batch.

    Args:
        run: directory of the run; older event files in it are replaced.
        updates: batch -> numbers that the store already holds.
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
        """Write each finalist as a TensorBoard run with its properties (HParams), its results and its mean curve."""
        for entry in (one for one in board.entries if FINAL in one.records):
            values = row(board, entry)
            if values["score"] is None:
                continue
            folder = Path(self._writer.logdir) / "finalists" / f"{entry.position:02d} {entry.fingerprint[:8]}"
            with SummaryWriter(str(folder)) as writer:
                fields = {column.name: values[column.name] for column in shown_in("tensorboard")}
                results = {f"final/{name}": value for name, value in fields.items() if isinstance(value, float)}
                properties = {name: value for name, value in fields.items() if isinstance(value, (str, int))}
                for summary in hparams(properties, results):  # add_hparams would write a second file of this name
                    writer.file_writer.add_summary(summary)
                for name, value in results.items():
                    writer.add_scalar(name, value, 0)
                curves = [r.outcome.diagnostics.get(CURVE, []) for r in entry.records[FINAL]]
                for number, losses in enumerate(zip(*curves, strict=False), start=1):
                    writer.add_scalar("final/training_loss", sum(losses) / len(losses), number)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()
