"""Writing a file whole or not at all. Not here: the text of the file."""

import contextlib
import os
import shutil
from pathlib import Path

from actsearch.grammar.fault import UserFault


class BadTarget(UserFault):
    """The file cannot be written there; the message says why."""


def check_target(target: Path, *, force: bool) -> None:
    """Refuse a target that exists.

    Args:
        target: path of the file to write.
        force: whether an ordinary file there may be replaced.

    Raises:
        BadTarget: the target is no ordinary file, or it is one and ``force`` is not set.
    """
    if target.exists() and not target.is_file():
        raise BadTarget(f"'{target}' is no ordinary file; expected the name of a file, such as activation.py")
    if target.exists() and not force:
        raise BadTarget(f"'{target}' is there already; name another file, or say --force to replace it")


def put(content: str | bytes, target: Path) -> None:
    """Write the whole file at once; a failed write leaves no new file or directory behind.

    Raises:
        BadTarget: the file cannot be written there.
    """
    file = target.resolve()  # follow a link to its file
    absent = [directory for directory in file.parents if not directory.exists()]
    fresh = file.with_name(f".actsearch-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        if file.exists():
            shutil.copymode(file, fresh)
        fresh.replace(file)
    except OSError as fault:
        with contextlib.suppress(OSError):
            fresh.unlink()
        for directory in absent:
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise BadTarget(f"'{target}' cannot be written: {fault.strerror}") from fault
