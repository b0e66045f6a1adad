"""Nothing that one training does to its process is felt by the next one."""

import functools
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actsearch.evaluators.contained import SETTINGS, Exited, contained
from actsearch.evaluators.outcome import Request, Status
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.patches import is_users
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings

CHANGES = {
    "directory": "os.chdir('/')",
    "environment": "os.environ['LEFT_BEHIND'] = '1'; os.environ.pop('PATH')",
    "umask": "os.umask(0o077)",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "alarm": "signal.alarm(1000)",
    "recursion limit": "sys.setrecursionlimit(500)",
    "garbage collection": "gc.disable()",
    "streams": "sys.stdout = sys.stderr = io.StringIO()",
    "numpy's errors": "np.seterr(all='raise')",
    "default type": "torch.set_default_dtype(torch.float64)",
    "default device": "torch.set_default_device('meta')",
    "gradients": "torch.set_grad_enabled(False)",
    "threads": "torch.set_num_threads(2)",
    "anomalies": "torch.autograd.set_detect_anomaly(True)",
    "matmul precision": "torch.set_float32_matmul_precision('medium')",
    "determinism": "torch.use_deterministic_algorithms(True, warn_only=True)",
    "autocast": "torch.set_autocast_enabled('cpu', True)",
    "cudnn": "torch.backends.cudnn.benchmark = True",
    "fast path of attention": "torch.backends.mha.set_fastpath_enabled(False)",
    "hooks": "torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: o * 2)",
    "generators": "random.random(); np.random.rand(); torch.rand(1)",
    "functions of torch and Python": "torch.nn.functional.relu = torch.relu = math.exp = lambda *_, **__: 0",
    "limits of the process": "n = resource.RLIMIT_CORE; resource.setrlimit(n, (0, resource.getrlimit(n)[1]))",
    "cores": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
}
SCORE = """
import gc, io, math, os, random, resource, signal, sys
import numpy as np
import torch

def score(make, seed, budget):
    if seed == 1:
        CHANGE
    layer = make(3)
    x = torch.randn(5, 3)
    loss = (layer(x) ** 2).mean() + np.random.rand() + random.random()
    if seed == 1:
        return 0.0
    loss.backward()
    return float(loss)
"""


def test_every_setting_is_changed_by_a_test() -> None:
    assert set(CHANGES) == set(SETTINGS)


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")  # the point of the test
@pytest.mark.parametrize("name", CHANGES)
def test_what_one_training_changes_the_next_does_not_feel(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"changes_{abs(hash(name))}.py"
    path.write_text(SCORE.replace("CHANGE", CHANGES[name]))
    task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
    before = {key: read() for key, (read, _) in SETTINGS.items()}
    with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
        alone = dict(pool.evaluate([Request("swish", 2, 1)]))[0]
        beside = dict(pool.evaluate([Request("swish", 1, 1), Request("swish", 2, 1)]))
    assert alone.status is Status.SCORED
    assert beside[1].score == alone.score
    after = {key: read() for key, (read, _) in SETTINGS.items()}
    assert after.pop("environment") == before.pop("environment")
    functions, known = after.pop("functions of torch and Python"), before.pop("functions of torch and Python")
    changed = [
        now.get(key)
        for now, then in zip(functions.held, known.held, strict=True)
        for key, value in then.items()
        if callable(value) and now.get(key) is not value
    ]
    assert not any(map(is_users, changed))  # torch replaces some of its own when they are first used
    assert {key: str(value) for key, value in after.items()} == {key: str(value) for key, value in before.items()}


@functools.wraps(torch.nn.functional.relu)
def _wrapped(x: torch.Tensor) -> torch.Tensor:
    return x


class _Other(torch.nn.Module):
    pass


@pytest.mark.parametrize(
    ("holder", "name", "other"),
    [
        (torch.nn.functional, "relu", _wrapped),
        (torch.nn.functional, "relu", torch.tanh),
        (torch.nn.functional, "relu", functools.partial(torch.nn.functional.leaky_relu, negative_slope=0.5)),
        (torch.nn.functional, "relu", _Other()),
        (torch.nn, "ReLU", _Other),
        (torch.nn.init, "kaiming_uniform_", lambda weight: weight),
        (time, "perf_counter", time.time),
        (np, "mean", np.sum),
    ],
)
def test_whatever_stands_in_a_functions_place_the_function_is_put_back(holder: Any, name: str, other: Any) -> None:
    before = getattr(holder, name)
    with contained(0):
        setattr(holder, name, other)
    assert getattr(holder, name) is before


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit(0)", r"sys.exit\(0\)"),
        ("sys.exit()", r"sys.exit\(\)"),
        ("raise SystemExit('enough')", r"sys.exit\('enough'\)"),
        ("raise GeneratorExit('gone')", "raised GeneratorExit: gone"),
    ],
)
def test_a_training_that_would_end_the_program_is_an_outcome(code: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / f"ends_{abs(hash(code))}.py"
    path.write_text(SCORE.replace("CHANGE", code))
    task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
    with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
        found = dict(pool.evaluate([Request("swish", seed, 1) for seed in (1, 2)]))
    assert found[0].status is Status.CRASHED
    assert found[1].status is Status.SCORED
    with pytest.raises(Exited, match=reason), contained(0):
        exec(code, {"sys": sys})


def test_ctrl_c_is_nobodys_outcome() -> None:
    with pytest.raises(KeyboardInterrupt), contained(0):
        raise KeyboardInterrupt


def test_what_a_training_prints_goes_to_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with contained(0):
        print("step 1")
    assert capsys.readouterr() == ("", "step 1\n")


def test_every_generator_starts_at_the_seed_and_goes_on_where_it_was() -> None:
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    drawn = []
    for seed in (5, 5, 6):
        with contained(seed):
            drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[1], drawn[2], strict=True))
    assert (random.getstate(), str(np.random.get_state())) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("is_module", [False, True])
def test_what_a_file_sets_while_it_is_imported_holds_for_its_own_code_alone(
    is_module: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, line in ((f"wide{is_module}", "torch.set_default_dtype(torch.float64)"), (f"plain{is_module}", "pass")):
        source = f"import torch\n{line}\ndef score(make, seed, budget):\n    return torch.ones(1).dtype.itemsize\n"
        (tmp_path / f"{name}.py").write_text(source)
    found = []
    for name in (f"wide{is_module}", f"plain{is_module}", f"wide{is_module}"):
        own = OwnSettings(score=f"{name}:score" if is_module else f"{tmp_path / name}.py:score")
        task = TaskSettings(name="own", own=own)
        resolve(task).prepare()
        with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
            found += [one.score for _, one in sorted(pool.evaluate([Request("relu", seed, 1) for seed in (1, 2)]))]
    assert found == [8.0, 8.0, 4.0, 4.0, 8.0, 8.0]
    assert torch.get_default_dtype() is torch.float32
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(1)\n")
    with pytest.raises(BadOwnTask, match="cannot be imported"):
        resolve(TaskSettings(name="own", own=OwnSettings(score=f"{tmp_path / 'ends'}.py:score"))).prepare()
    assert os.getcwd() == str(Path.cwd())
