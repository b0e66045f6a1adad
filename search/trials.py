"""A search whose trainings are a loop of the user's: it runs in a thread and offers what it wants on the board.

Whichever process comes first runs the search; all, this one included, take trainings from the board. When it goes,
another one goes on. Not here: the board (``memory.board``) and what a user sees of a trial (``actsearch.study``).
"""

import functools
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from actsearch.evaluators.outcome import Outcome, Request
from actsearch.evaluators.pools.pool import Pool
from actsearch.search.jobs import Busy, launch
from actsearch.search.memory.board import Board
from actsearch.search.memory.kept_settings import agrees
from actsearch.search.plan import Plan

LOOK = 0.005  # seconds between two looks at the board
BURIAL = 2.0  # seconds between two looks for processes that are gone


class _StopError(RuntimeError):
    """The user's loop has ended; the run is kept as it is."""


class BoardPool(Pool):
    """Has requests trained by whoever takes them from the board.

    Args:
        directory: of the run.
        owner: this process, as in ``memory.board.presence``.
        stop: is set when nobody of this process will take anything more.
    """

    def __init__(self, directory: Path, owner: str, stop: threading.Event) -> None:
        self.board, self.owner, self.stop = Board(directory), owner, stop

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Offer them all, and yield what comes of each."""
        self.board.offer(requests)
        left, buried = dict(enumerate(requests)), time.monotonic()
        while left:
            indices = list(left)
            for place, outcome in self.board.finished([left[index] for index in indices]).items():
                yield indices[place], outcome
                self.board.forget([left.pop(indices[place])])  # the store has it
            if self.stop.wait(LOOK):
                raise _StopError
            if time.monotonic() - buried > BURIAL:
                self.board.recall_the_dead(self.owner)
                buried = time.monotonic()

    def close(self) -> None:
        """Close the board."""
        self.board.close()


class Host:
    """Runs the search in a thread, for as long as no other process does.

    Args:
        plan: plan of the search.
        directory: directory of the run.
        owner: this process.
    """

    def __init__(self, plan: Plan, directory: Path, owner: str) -> None:
        self.plan, self.directory, self.owner = plan, directory, owner
        self.stop, self.began = threading.Event(), threading.Event()
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="actsearch", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            launch(self.plan, self.directory, begin=self.began.set, pool=self._pool)
        except _StopError:
            return
        except BaseException as fault:  # raised again where the user's loop is
            self.fault = fault

    def _pool(self, *_: object) -> Pool:
        return BoardPool(self.directory, self.owner, self.stop)

    @property
    def is_busy_elsewhere(self) -> bool:
        """Whether another process runs the search."""
        return isinstance(self.fault, Busy)

    def end(self) -> None:
        """Stop asking, and let go of the run."""
        self.stop.set()
        self.thread.join()


def requests_of(
    plan: Plan, directory: Path, owner: str
) -> Generator[tuple[Request, Callable[[Outcome], None]], None, None]:
    """Yield what is to be trained, with what is called when it is, until the run is finished.

    Args:
        plan: plan of the search; a run that is gone on with must have the same.
        directory: directory of the run.
        owner: this process, as in ``memory.board.presence``.

    Raises:
        UserFault: the run cannot be gone on with.
    """
    host, agreed = Host(plan, directory, owner), False
    try:
        with closing(Board(directory)) as board:
            while True:
                # what another study's search offers is not for this one
                agreed = agreed or host.began.is_set() or (host.is_busy_elsewhere and agrees(plan, directory))
                request = board.take(owner) if agreed else None
                if request is not None:
                    yield request, functools.partial(board.finish, request)
                elif host.thread.is_alive():
                    time.sleep(LOOK)
                elif host.is_busy_elsewhere:
                    time.sleep(LOOK)
                    host = Host(plan, directory, owner)
                elif host.fault is not None:
                    raise host.fault
                else:
                    return
    finally:
        host.end()
        with closing(Board(directory)) as board:
            board.give_back(owner)
