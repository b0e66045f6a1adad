"""Run the user's code and restore the state of the process afterwards.

A training may change the directory, the default type or the threads, draw from any generator, or end the program. The
next child in the same process must not be affected. Settings that the user's file changes while it is imported are
intended: they apply whenever the user's code runs, and only then. Not here: the code that runs (``own``, ``training``).
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

Setting = tuple[Callable[[], Any], Callable[[Any], object]]  # functions that read and write it
_IMPORTED: dict[str, dict[str, Any]] = {}  # the user's file -> settings that it changed while it was imported


class Exited(RuntimeError):
    """The user's code tried to end the program; the message says how."""


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
            if handler is not None:  # None is a handler that was not set from Python, which Python cannot set again
                signal.signal(number, handler)


def _set_alarm(was_set: bool) -> None:
    if not was_set:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _umask() -> int:
    mask = os.umask(0o022)  # only setting a mask returns the old one
    os.umask(mask)
    return mask


def _set_directory(value: str | None) -> None:
    if value:
        os.chdir(value)


def _set_cudnn(value: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = value


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed
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
"""Name -> setting of the whole process that a training can change."""
_SPOILT: list[str] = []  # names of settings that could not be restored
SETTINGS["functions of torch and Python"] = (patches.Functions, patches.set_functions)
SETTINGS["limits of the process"] = (_limits, _set_limits)
SETTINGS["hooks"] = (patches.hooks, patches.set_hooks)
if sys.platform == "linux":
    SETTINGS["cores"] = (lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value))


def _set_generators(python_state: Any, numpy_state: Any, torch_state: torch.Tensor) -> None:
    random.setstate(python_state)
    np.random.set_state(numpy_state)  # noqa: NPY002  the generator that the user's code draws from
    torch.set_rng_state(torch_state)


def _state() -> dict[str, Any]:
    return {name: read() for name, (read, _) in SETTINGS.items()}


def _restore(before: dict[str, Any]) -> None:
    for name, value in before.items():
        read, write = SETTINGS[name]
        if not _same(read(), value):
            try:
                write(value)
            except (OSError, ValueError):  # a lowered hard limit or a lost core cannot be restored
                _SPOILT.append(name)


def spoilt() -> str:
    """Return the name of a setting that could not be restored; empty if there is none.

    No other child may be trained in a process with such a setting.
    """
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
    """Seed the global generators of Python, NumPy and torch (on all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  the generator that the user's code draws from
    torch.manual_seed(seed)


@contextlib.contextmanager
def contained(seed: int, file: str = "") -> Iterator[None]:
    """Run the user's code with every generator seeded, and restore the process afterwards.

    Attention is computed layer by layer: torch's fast path for evaluation remembers from the layer's construction
    whether the activation is a rectifier or a GELU, and ignores a replacement. cuDNN uses only convolution algorithms
    that repeat to the last bit. Prints go to the standard error stream.

    Args:
        seed: seed of every generator.
        file: the user's file, as in ``OwnSettings.file``; settings that it changed while it was imported apply again.

    Raises:
        Exited: the code called ``sys.exit``, or raised a ``BaseException`` that is no ``Exception``.
    """
    before = _state()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
            torch.random.fork_rng(range(torch.cuda.device_count())),
        ):
            _set_cudnn((torch.backends.cudnn.enabled, False, True))  # a GPU adds in the same order each time
            for name, value in _IMPORTED.get(file, {}).items():
                SETTINGS[name][1](value)
            torch.backends.mha.set_fastpath_enabled(False)
            if "torch._dynamo" in sys.modules:  # code compiled for earlier children would change last digits
                sys.modules["torch._dynamo"].reset()
            seed_every_generator(seed)
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as fault:
        raise Exited(f"the code called sys.exit({'' if fault.code is None else repr(fault.code)})") from fault
    except BaseException as fault:  # an exception that is designed to pass through every handler
        raise Exited(f"the code raised {fault_text(fault)}") from fault
    finally:
        _restore(before)
        torch.set_flush_denormal(False)  # torch has no way to read this setting


OURS: dict[str, Any] = {
    "default type": torch.float32, "gradients": True,
    "autocast": (False, False), "anomalies": False, "threads": 1, "determinism": (False, False),
    "hooks": [{} for _ in patches.hooks()],
}  # fmt: skip
"""Settings of a fresh program, but with one thread: a controller's last bits depend on the number of threads."""


@contextlib.contextmanager
def uncontained() -> Iterator[None]:
    """Run this project's code inside the user's program, with this project's torch settings; restore theirs afterwards.

    The user's loop may call it without gradients, in inference mode, or with another default type. Their generators do
    not advance.
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
    """Import the user's file as in ``contained``, and record its settings, which apply whenever its code runs.

    Args:
        file: the user's file, as in ``OwnSettings.file``.
    """
    with contained(0):
        before = _state()
        yield
        after = _state()
        transient = {"generators", "streams", "directory", "fast path of attention"}
        changed = {name: value for name, value in after.items() if not _same(before[name], value)}
        _IMPORTED[file] = {name: value for name, value in changed.items() if name not in transient}
