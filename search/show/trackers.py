"""Log to MLflow or Weights & Biases; their own environment variables say where.

MLflow writes to MLFLOW_TRACKING_URI; Weights & Biases follows WANDB_MODE (``offline`` keeps all on this machine). A
tracker that fails is dropped, and the search goes on. The only door to both. Not here: TensorBoard's files, which
are always written (``event_files``).
"""

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from actsearch.grammar.fault import fault_text
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.columns import row, shown_in
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import verdict_of

Name = Literal["mlflow", "wandb"]
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Defaults for settings of the clients: a server that does not answer must not hold up a search."""


class Tracker(Protocol):
    """Logs the proposer's numbers after each batch, and the result at the end."""

    def add(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Log the numbers of one update of the proposer."""

    def finish(self, board: Leaderboard) -> None:
        """Log the answer and the finalists, and close the tracker."""


def tracker(name: Name, run: str, settings: Mapping[str, Any], say: Callable[[str], None]) -> Tracker:
    """Return the tracker of a run.

    Args:
        name: ``mlflow`` or ``wandb``.
        run: name of the run.
        settings: settings of the run, nested.
        say: function that prints a message, called once if the tracker fails and is dropped.
    """
    for variable, value in IMPATIENT.items():
        os.environ.setdefault(variable, value)

    def make() -> Tracker:
        client = importlib.import_module(name)
        return MLflow(client, run, settings) if name == "mlflow" else WeightsAndBiases(client, run, settings)

    return Dispensable(name, make, say)


class Dispensable:
    """A tracker that is dropped at its first failure, so that the search goes on.

    Args:
        name: name of the tracker in the message.
        make: function that makes the tracker.
        say: function that prints the message.
    """

    def __init__(self, name: str, make: Callable[[], Tracker], say: Callable[[str], None]) -> None:
        self.name, self.say = name, say
        self.tracker: Tracker | None = None
        self._try(lambda: setattr(self, "tracker", make()))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as fault:  # clients raise many kinds: no server, a full disk
            self.tracker = None
            self.say(f"{self.name} failed and is told nothing more, the search goes on: {fault_text(fault)}")

    def add(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Log the numbers of one update of the proposer."""
        if (tracker := self.tracker) is not None:
            self._try(lambda: tracker.add(batch, metrics))

    def finish(self, board: Leaderboard) -> None:
        """Log the answer and the finalists, and close the tracker."""
        if (tracker := self.tracker) is not None:
            self._try(lambda: tracker.finish(board))


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return flat


def _finalists(board: Leaderboard) -> list[dict[str, Any]]:
    rows = (row(board, entry) for entry in board.entries if FINAL in entry.records)
    return [{column.name: values[column.name] for column in shown_in("tracker")} for values in rows]


class MLflow:
    """Logs to MLflow: a run with the settings, and a nested run for each finalist."""

    def __init__(self, client: Any, run: str, settings: Mapping[str, Any]) -> None:
        self.client = client
        client.set_experiment("actsearch")
        client.start_run(run_name=run)
        client.log_params({key: str(value)[:500] for key, value in _flat(settings).items()})

    def add(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Log the numbers of one update of the proposer."""
        self.client.log_metrics({name.replace("/", "."): value for name, value in metrics.items()}, step=batch)

    def finish(self, board: Leaderboard) -> None:
        """Log the answer and the finalists, and close the tracker."""
        self.client.set_tag("verdict", " ".join(sentences(verdict_of(board), board, "RUN")))
        for values in _finalists(board):
            with self.client.start_run(run_name=values["expression"], nested=True):
                numbers = {key: one for key, one in values.items() if isinstance(one, float)}
                self.client.log_params({key: one for key, one in values.items() if key not in numbers})
                self.client.log_metrics(numbers)
        self.client.end_run()


class WeightsAndBiases:
    """Logs to Weights & Biases: a run with the settings, and a table of the finalists."""

    def __init__(self, client: Any, run: str, settings: Mapping[str, Any]) -> None:
        self.client = client
        self.run = client.init(project="actsearch", name=run, config=dict(settings))

    def add(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Log the numbers of one update of the proposer."""
        self.run.log(dict(metrics), step=batch)

    def finish(self, board: Leaderboard) -> None:
        """Log the answer and the finalists, and close the tracker."""
        self.run.summary["verdict"] = " ".join(sentences(verdict_of(board), board, "RUN"))
        rows = _finalists(board)
        if rows:
            self.run.log({"finalists": self.client.Table(columns=[*rows[0]], data=[[*row.values()] for row in rows])})
        self.run.finish()
