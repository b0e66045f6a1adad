"""Compile the C sources beside this file once per machine, keep the library in the user's cache, and load it.

Only this module calls the C compiler and ctypes' loader. Not here: the calls of the library (``child``).
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from actsearch.evaluators.data.dataset import cache_directory
from actsearch.evaluators.native.layout import declare

SOURCES = ("tape.c", "layers.c", "resnet1d.c", "training.c", "layout.c")
HEADERS = ("tape.h", "layers.h", "resnet1d.h")
# math functions set no errno and raise no signals, so that they may be vectorised; no flag changes a result
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=gnu11", "-fPIC", "-shared")
FURTHER = {"x86_64": ("-mprefer-vector-width=512",)}  # only gcc knows it; tried without it if the compiler refuses
SECONDS = 120  # time limit of one compilation


class NotNativeError(RuntimeError):
    """The kernel cannot be used; the message says why. Torch trains the same child, several times slower."""


def library() -> ctypes.CDLL:
    """Return the loaded kernel.

    Raises:
        NotNativeError: there is no C compiler, or it failed.
    """
    result = _attempt()
    if isinstance(result, str):
        raise NotNativeError(result)
    return result


@functools.cache
def _attempt() -> ctypes.CDLL | str:
    """Return the kernel, or the reason for its absence; the cache spares every child another failing try."""
    try:
        compiler = _compiler()
        directory, key = cache_directory(), _key(compiler)
        return declare(ctypes.CDLL(str(_kept(directory, key) or _compile(compiler, directory, key))))
    except NotNativeError as fault:
        return str(fault)
    except OSError as fault:
        return f"the kernel cannot be kept or loaded: {fault}"


def is_available() -> bool:
    """Whether this process can use the kernel."""
    try:
        library()
    except NotNativeError:
        return False
    return True


def kernel_key() -> str:
    """Return a key for everything that affects the kernel's last digits: its sources, the compiler, and the processor.

    Raises:
        NotNativeError: there is no C compiler.
    """
    return _key(_compiler())


def _compiler() -> str:
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)):
            return path
    raise NotNativeError("no C compiler found (cc, gcc, clang or the environment's CC)")


def _key(compiler: str) -> str:
    """Hash everything that the library depends on: sources, flags, compiler, and the processor of -march=native."""
    parts = [(Path(__file__).parent / name).read_bytes() for name in (*SOURCES, *HEADERS)]
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    cpuinfo = Path("/proc/cpuinfo")
    features = (
        [line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "Features"))][:1]
        if (cpuinfo.is_file())
        else [platform.processor()]
    )
    described = b"\0".join([*parts, version, str((FLAGS, FURTHER, features, platform.machine())).encode()])
    return hashlib.sha256(described).hexdigest()[:16]


def _kept(directory: Path, key: str) -> Path | None:
    """Return the library in the cache, if it is intact; its file name contains the hash of its contents.

    A damaged library is removed: it would end every process that calls it with a signal.
    """
    for path in sorted(directory.glob(f"kernel-{key}-*.so")):
        with contextlib.suppress(OSError):  # another process may just have removed it
            if path.name == _name(key, path.read_bytes()):
                return path
            path.unlink()
    return None


def _name(key: str, contents: bytes) -> str:
    return f"kernel-{key}-{hashlib.sha256(contents).hexdigest()[:32]}.so"


def _compile(compiler: str, directory: Path, key: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    sources = [str(Path(__file__).parent / name) for name in SOURCES]
    complaint = ""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        fresh = Path(scratch) / "kernel.so"
        for further in dict.fromkeys((FURTHER.get(platform.machine(), ()), ())):
            command = [compiler, *FLAGS, *further, *sources, "-o", str(fresh), "-lm"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            except (OSError, subprocess.TimeoutExpired) as fault:
                raise NotNativeError(f"'{compiler}' could not be run: {fault}") from fault
            if done.returncode == 0:
                path = directory / _name(key, fresh.read_bytes())
                with fresh.open("rb") as written:
                    os.fsync(written.fileno())  # the name must not outlive the contents when the power fails
                return fresh.replace(path)  # an atomic step, because workers may compile at the same time
            complaint = (done.stderr.strip().splitlines() or ["no message"])[0]
    raise NotNativeError(f"'{compiler}' failed: {complaint}")
