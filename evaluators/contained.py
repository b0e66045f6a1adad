"""Run code of the user's so that nothing of it outlives the call: the process is afterwards what it was before.

A training may change the directory, the default type, the threads, draw from any generator, or end the program; the
next child of the same process must not feel it. What the user's file sets while it is imported is theirs to set: it
holds whenever their code runs, and only then. Not here: what is run (``own``, ``training``).
"""

import contextlib
import gc
import os
import random
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from actsearch.evaluators import patches
from actsearch.grammar.fault import fault_text

Setting = tuple[Callable[[], Any], Callable[[Any], object]]  # how it is read, how it is written
_IMPORTED: dict[str, dict[str, Any]] = {}  # by file of the user's: what it has set while it was imported


class Exited(RuntimeError):
    """The user's code meant to end the program; the message says how."""


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _set_environment(value: dict[str, str]) -> None:
    for name in set(os.environ) - set(value):
        del os.environ[name]
    os.environ.update(value)


def _set_handlers(value: dict[signal.Signals, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in value.items():
            if handler is not None:  # one that was not set from Python cannot be set again from here
                signal.signal(number, handler)


def _set_alarm(was_set: bool) -> None:
    if not was_set:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


def _set_directory(value: str | None) -> None:
    if value:
        os.chdir(value)


def _set_cudnn(value: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = value


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _limits() -> dict[int, tuple[int, int]]:
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {getattr(resource, name): resource.getrlimit(getattr(resource, name)) for name in names}


def _set_limits(value: dict[int, tuple[int, int]]) -> None:
    for limit, pair in value.items():
        if resource.getrlimit(limit) != pair:
            resource.setrlimit(limit, pair)


SETTINGS: dict[str, Setting] = {
    "directory": (_directory, _set_directory),
    "environment": (lambda: dict(os.environ), _set_environment),
    "umask": (_umask, os.umask),
    "signals": (
        lambda: {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)},
        _set_handlers,
    ),
    "alarm": (lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0, _set_alarm),
    "recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "garbage collection": (gc.isenabled, lambda value: gc.enable() if value else gc.disable()),
    "streams": (lambda: (sys.stdout, sys.stderr), lambda value: sys.__dict__.update(stdout=value[0], stderr=value[1])),
    "numpy's errors": (np.geterr, lambda value: np.seterr(**value)),
    "default type": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, _set_device),
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "matmul precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "determinism": (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        _set_deterministic,
    ),
    "autocast": (
        lambda: (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")),
        lambda value: [torch.set_autocast_enabled(kind, on) for kind, on in zip(("cpu", "cuda"), value, strict=True)],
    ),
    "cudnn": (
        lambda: (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        _set_cudnn,
    ),
    "fast path of attention": (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    "generators": (
        lambda: (random.getstate(), np.random.get_state(), torch.get_rng_state()),  # noqa: NPY002  the user may draw
        lambda value: _set_generators(*value),
    ),
}
"""What a training can change for the whole process, by name."""
_SPOILT: list[str] = []  # of these, what could not be put back
SETTINGS["functions of torch and Python"] = (patches.Functions, patches.set_functions)
SETTINGS["limits of the process"] = (_limits, _set_limits)
SETTINGS["hooks"] = (patches.hooks, patches.set_hooks)
if sys.platform == "linux":
    SETTINGS["cores"] = (lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value))


def _set_generators(python: Any, numpy: Any, of_torch: torch.Tensor) -> None:
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002  the generator that the user's code draws from
    torch.set_rng_state(of_torch)


def _state() -> dict[str, Any]:
    return {name: read() for name, (read, _) in SETTINGS.items()}


def _restore(before: dict[str, Any]) -> None:
    for name, value in before.items():
        read, write = SETTINGS[name]
        if not _same(read(), value):
            try:
                write(value)
            except (OSError, ValueError):  # a hard limit cannot be raised again, nor a lost core taken back
                _SPOILT.append(name)


def spoilt() -> str:
    """Return what code of the user's changed in this process for good, so that no other child may be trained in it."""
    return _SPOILT[0] if _SPOILT else ""


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def seed_every_generator(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators, of all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  the generator that the user's code draws from
    torch.manual_seed(seed)


@contextlib.contextmanager
def contained(seed: int, file: str = "") -> Iterator[None]:
    """Run code of the user's with every generator seeded, and put the process back afterwards.

    Attention is computed layer by layer: torch's fast path for evaluation takes the activation for a rectifier or a
    GELU by what it was when the layer was made, whatever stands in its place now. Of cuDNN's ways to convolve, those
    are taken that repeat to the last bit. What is printed goes to the standard error stream.

    Args:
        seed: of every generator.
        file: of the user's, as in ``OwnSettings.file``: what it set while it was imported holds meanwhile.

    Raises:
        Exited: the code called ``sys.exit``, or raised what is no ``Exception``.
    """
    before = _state()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
            torch.random.fork_rng(range(torch.cuda.device_count())),
        ):
            _set_cudnn((torch.backends.cudnn.enabled, False, True))  # a GPU's sums in one order
            for name, value in _IMPORTED.get(file, {}).items():
                SETTINGS[name][1](value)
            torch.backends.mha.set_fastpath_enabled(False)
            if "torch._dynamo" in sys.modules:  # what was compiled for earlier children changes last digits
                sys.modules["torch._dynamo"].reset()
            seed_every_generator(seed)
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as fault:
        raise Exited(f"the code called sys.exit({'' if fault.code is None else repr(fault.code)})") from fault
    except BaseException as fault:  # an exception that is made to pass through everything
        raise Exited(f"the code raised {fault_text(fault)}") from fault
    finally:
        _restore(before)
        torch.set_flush_denormal(False)  # it cannot be read


OURS: dict[str, Any] = {
    "default type": torch.float32, "gradients": True,
    "autocast": (False, False), "anomalies": False, "threads": 1, "determinism": (False, False),
    "hooks": [{} for _ in patches.hooks()],
}  # fmt: skip
"""Settings that a program begins with, one thread apart: a controller's last bits depend on their number."""


@contextlib.contextmanager
def uncontained() -> Iterator[None]:
    """Run code of this project within a program of the user's: with its own settings of torch, put back afterwards.

    A loop of the user's may call it without gradients, in inference mode, or with another default type. No generator of
    theirs moves on.
    """
    names = (*OURS, "generators")
    before = {name: SETTINGS[name][0]() for name in names}
    with torch.inference_mode(False), torch.device("cpu"):
        try:
            for name, value in OURS.items():
                if not _same(before[name], value):
                    SETTINGS[name][1](value)
            yield
        finally:
            _restore(before)


@contextlib.contextmanager
def importing(file: str) -> Iterator[None]:
    """Import a file of the user's: as ``contained``, and what it sets holds whenever its code runs."""
    with contained(0):
        before = _state()
        yield
        after = _state()
        transient = {"generators", "streams", "directory", "fast path of attention"}
        changed = {name: value for name, value in after.items() if not _same(before[name], value)}
        _IMPORTED[file] = {name: value for name, value in changed.items() if name not in transient}
