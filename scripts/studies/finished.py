"""What a study reads: runs that are finished. Not here: what it makes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actsearch.search.memory.store import Store, StoreError


@contextmanager
def finished_run(directory: Path) -> Iterator[Store]:
    """Open the store of a finished run.

    Raises:
        StoreError: there is no run, or it is not finished.
    """
    with Store(directory) as store:
        if not store.fact("finished"):
            raise StoreError(f"the run in '{directory}' is not finished: 'actsearch search' goes on with it")
        yield store
