"""Locks between processes: one driver a run, and who of a study is still there.

POSIX record locks: they go when their process does, a child that was forked does not inherit them, and looking takes
none. Not here: what is locked (``search.jobs``, ``board``).
"""

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLOCK = "hhqqi4x" if os.uname().sysname == "Linux" else "qqihh"  # struct flock of fcntl(2)
_OURS: set[Path] = set()  # a process does not lock itself out, and lets go when it closes any handle of the file
_GUARD = threading.Lock()


class Held(RuntimeError):
    """Somebody else holds the lock."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock while something is done.

    Args:
        path: of its file, which is made and stays.

    Raises:
        Held: another process holds it, or another thread of this one.
        OSError: the file cannot be made.
    """
    path = path.resolve()
    with _GUARD:
        if path in _OURS:
            raise Held(str(path))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            os.close(handle)
            raise Held(str(path)) from fault
        _OURS.add(path)
    try:
        yield
    finally:
        with _GUARD:
            _OURS.discard(path)
            os.close(handle)


def is_held(path: Path) -> bool:
    """Return whether somebody holds a lock, without taking it; False where the file is absent or cannot be opened."""
    path = path.resolve()
    with _GUARD:
        if path in _OURS:
            return True
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return _asked(handle)
        finally:
            os.close(handle)


def _asked(handle: int) -> bool:
    if os.uname().sysname == "Linux":
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    else:
        asked = struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        *_, kind, _ = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    return bool(kind != fcntl.F_UNLCK)
