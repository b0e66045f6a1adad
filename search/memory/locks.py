"""Locks between processes: one driver a run, and who of a study is still there.

Locks of an open file, where the system has them: other handles of the same file, such as those of a backup that this
process makes, let none of them go; they go when their process does, a child that was forked closes its handles first,
and looking takes none. Elsewhere the process's record locks. Not here: what is locked (``jobs``, ``loop``).
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
PRESENT = "trials"  # the folder of one lock a process


def _let_the_parent_hold() -> None:
    """Close the handles that a forked child has of its parent's locks: the lock lives as long as one of them."""
    for handle in _OURS.values():
        os.close(handle)
    _OURS.clear()


os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_let_the_parent_hold)
os.register_at_fork(after_in_child=_GUARD.release)


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
            fcntl.fcntl(handle, _SET, _wanted())
        except OSError as fault:
            os.close(handle)
            raise Held(str(path)) from fault
        _OURS[path] = handle
    try:
        yield
    finally:
        with _GUARD:
            if _OURS.pop(path, None) is not None:  # else this is a forked child, which holds nothing
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


def _wanted() -> bytes:
    """Return a lock of the whole file, as a struct flock."""
    if os.uname().sysname == "Linux":
        return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)


def _asked(handle: int) -> bool:
    found = struct.unpack(_FLOCK, fcntl.fcntl(handle, _GET, _wanted()))
    kind = found[0] if os.uname().sysname == "Linux" else found[-2]
    return bool(kind != fcntl.F_UNLCK)


@contextmanager
def presence(directory: Path) -> Iterator[str]:
    """Hold a lock that says that this process is there, and yield its name; the lock goes when the process does.

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
        if os.getpid() == mine:  # a forked child lets its parent be there
            path.unlink(missing_ok=True)


def is_there(directory: Path, name: str) -> bool:
    """Return whether a process that holds such a lock is still there; the file of one that is gone is removed."""
    path = _presence_of(directory, name)
    if is_held(path):
        return True
    path.unlink(missing_ok=True)
    return False


def is_running(directory: Path) -> bool:
    """Return whether a process works on a run: a search, or a loop of the user's."""
    return is_held(directory / LOCK_NAME) or any(is_held(path) for path in (directory / PRESENT).glob("*.lock"))


def _presence_of(directory: Path, name: str) -> Path:
    return directory / PRESENT / f"{name}.lock"
