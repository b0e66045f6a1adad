"""Locks between processes: one driver for each run, and which processes of a study are still alive.

Where the system has them, these are locks of an open file description. Closing another handle of the same file, such as
that of a backup by this process, does not release them; the end of their process does. A forked child first closes its
handles. Checking a lock does not take it. On other systems they are the record locks of the process. Not here: the
things that are locked (``jobs``, ``loop``).
"""

import fcntl
import os
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLOCK = "hhqqi4x" if os.uname().sysname == "Linux" else "qqihh"  # struct flock of fcntl(2)
_SET = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
_GET = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
_OURS: dict[Path, int] = {}  # path -> handle
_GUARD = threading.RLock()
LOCK_NAME = "lock"  # the file that the driver of a run holds
PRESENT = "trials"  # folder with one lock file for each process


def _let_the_parent_hold() -> None:
    """Close a forked child's handles of its parent's locks: a lock lives as long as one of its handles."""
    for handle in _OURS.values():
        os.close(handle)
    _OURS.clear()


os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_let_the_parent_hold)
os.register_at_fork(after_in_child=_GUARD.release)


class Held(RuntimeError):
    """Another process or thread holds the lock."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock during a ``with`` block.

    Args:
        path: path of the lock's file, which is created and stays.

    Raises:
        Held: another process, or this one, holds the lock already.
        OSError: the file cannot be created.
    """
    path = path.resolve()
    with _GUARD:
        if path in _OURS:
            raise Held(str(path))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.fcntl(handle, _SET, _write_lock())
        except OSError as fault:
            os.close(handle)
            raise Held(str(path)) from fault
        _OURS[path] = handle
    try:
        yield
    finally:
        with _GUARD:
            if _OURS.pop(path, None) is not None:  # otherwise this is a forked child, which holds nothing
                os.close(handle)


def is_held(path: Path) -> bool:
    """Return whether any process holds a lock, without taking it; False if the file cannot be opened."""
    path = path.resolve()
    with _GUARD:
        if path in _OURS:
            return True
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return _is_locked(handle)
        finally:
            os.close(handle)


def _write_lock() -> bytes:
    """Return a write lock of the whole file as a ``struct flock``."""
    if os.uname().sysname == "Linux":
        return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)


def _is_locked(handle: int) -> bool:
    """Return whether another process holds a lock of the file."""
    fields = struct.unpack(_FLOCK, fcntl.fcntl(handle, _GET, _write_lock()))
    kind = fields[0] if os.uname().sysname == "Linux" else fields[-2]
    return bool(kind != fcntl.F_UNLCK)


@contextmanager
def presence(directory: Path) -> Iterator[str]:
    """Hold a lock that marks this process as alive, and yield the lock's name; the lock ends with the process.

    Args:
        directory: directory of the run.
    """
    name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    path = _presence_of(directory, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = os.getpid()
    try:
        with held(path):
            yield name
    finally:
        if os.getpid() == mine:  # a forked child must not remove its parent's file
            path.unlink(missing_ok=True)


def is_there(directory: Path, name: str) -> bool:
    """Return whether the process of a presence lock is still alive; if not, remove its file."""
    path = _presence_of(directory, name)
    if is_held(path):
        return True
    path.unlink(missing_ok=True)
    return False


def is_running(directory: Path) -> bool:
    """Return whether a process works on a run: a search, or a user's own loop."""
    return is_held(directory / LOCK_NAME) or any(is_held(path) for path in (directory / PRESENT).glob("*.lock"))


def _presence_of(directory: Path, name: str) -> Path:
    return directory / PRESENT / f"{name}.lock"
