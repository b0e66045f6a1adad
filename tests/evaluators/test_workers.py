"""What no child may do to another, nor Ray to its user: processes stay what they were, and the network stays closed."""

import json
import os
import random
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from actsearch.evaluators import contained as room
from actsearch.evaluators.contained import contained, importing
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.pools import ray_door
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.pools.ray_door import BadCluster, cluster_at
from actsearch.evaluators.pools.ray_pool import RayPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings

CHILDREN = """
    import os, resource, time, torch
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")
    class Far(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")
    def score(make, seed, budget):
        if budget == 1:
            return 0.0
        if seed == 1:
            raise Mute()
        if seed == 2:
            raise Far(1, 2)
        if seed == 3:
            raise KeyboardInterrupt
        if seed == 4:
            torch.nn.functional.relu = lambda x: x * 0
            time.perf_counter = lambda: 0.0
        if seed == 5 and os.environ.get("HARD"):
            resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))
        return float(torch.nn.functional.relu(torch.ones(())))
"""


@pytest.fixture
def task(tmp_path: Path) -> TaskSettings:
    path = tmp_path / "children.py"
    path.write_text(textwrap.dedent(CHILDREN))
    return TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))


def _outcomes(found: Iterator[tuple[int, Outcome]]) -> list[Outcome]:
    return [outcome for _, outcome in sorted(found)]


@pytest.mark.parametrize("seed", [1, 2])
def test_an_exception_that_says_nothing_or_crosses_no_process_is_an_outcome(task: TaskSettings, seed: int) -> None:
    with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
        outcome, after = _outcomes(pool.evaluate([Request("relu", seed, 2), Request("relu", 9, 2)]))
    assert outcome.status is Status.CRASHED
    assert outcome.reason.startswith(
        "Mute: (no message: its __str__ raised RuntimeError)" if seed == 1 else "Far: 1 and 2"
    )
    assert after.score == 1.0


@pytest.mark.slow
def test_workers_say_in_words_what_a_training_raised_and_live_on(task: TaskSettings) -> None:
    with RayPool(resolve(task), PoolSettings(workers=1)) as pool:
        outcomes = _outcomes(pool.evaluate([Request("relu", seed, 2) for seed in (1, 2, 3, 4, 9)]))
    assert [outcome.status for outcome in outcomes] == [Status.CRASHED] * 3 + [Status.SCORED] * 2
    assert [outcome.reason.partition(":")[0] for outcome in outcomes[:3]] == ["Mute", "Far", "KeyboardInterrupt"]
    assert not any(outcome.may_be_tried_again for outcome in outcomes)  # no worker died
    assert outcomes[4].score == 1.0  # though the one before replaced relu


def test_functions_that_a_training_replaces_are_put_back() -> None:
    relu, clock, step = torch.nn.functional.relu, time.perf_counter, torch.optim.AdamW.step
    with contained(0):
        for holder, name in ((torch.nn.functional, "relu"), (time, "perf_counter"), (torch.optim.AdamW, "step")):
            setattr(holder, name, _mine)
    assert (torch.nn.functional.relu, time.perf_counter, torch.optim.AdamW.step) == (relu, clock, step)


def test_what_a_file_replaces_while_it_is_imported_holds_whenever_its_code_runs_and_only_then() -> None:
    relu = torch.nn.functional.relu
    with importing("mine.py"):
        setattr(torch.nn.functional, "relu", _mine)  # noqa: B010  mypy would have its own opinion of an assignment
    assert torch.nn.functional.relu is relu
    with contained(0, "mine.py"):
        assert getattr(torch.nn.functional, "relu") is _mine  # noqa: B009
    assert torch.nn.functional.relu is relu


def _mine(x: torch.Tensor, inplace: bool = False) -> torch.Tensor:
    return x


def test_what_a_library_replaces_while_it_is_imported_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "shuffle", random.shuffle)  # and back again afterwards
    theirs = pytest.approx  # a function of an installed package
    with contained(0):
        setattr(random, "shuffle", theirs)  # noqa: B010
    assert getattr(random, "shuffle") is theirs  # noqa: B009


def test_a_limit_that_cannot_be_raised_again_spoils_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SPOILT", [])
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)

    def refused(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    with contained(0):
        assert room.spoilt() == ""
        resource.setrlimit(resource.RLIMIT_NOFILE, (kept[0] - 1, kept[1]))
        monkeypatch.setattr(room, "_set_limits", refused)
        monkeypatch.setitem(room.SETTINGS, "limits of the process", (room._limits, refused))
    assert room.spoilt() == "limits of the process"
    resource.setrlimit(resource.RLIMIT_NOFILE, kept)


@pytest.mark.slow
def test_a_worker_whose_process_is_spoilt_is_replaced(task: TaskSettings, tmp_path: Path) -> None:
    path = tmp_path / "spoils.py"
    path.write_text(
        "import os\nfrom actsearch.evaluators import contained\n"
        "def score(make, seed, budget):\n"
        "    if seed == 1 and budget > 1:\n        contained._SPOILT.append('limits of the process')\n"
        "    return os.getpid()\n"
    )
    spoiling = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
    with RayPool(resolve(spoiling), PoolSettings(workers=1)) as pool:
        before, last, after = (o.score for o in _outcomes(pool.evaluate([Request("relu", s, 2) for s in (2, 1, 3)])))
    assert before == last != after


def _run(program: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, timeout=240,
        env=os.environ | variables, check=False,
    )  # fmt: skip


LISTENING = """
    import json, os, pathlib
    from actsearch.evaluators.outcome import Request
    from actsearch.evaluators.pools.pool import PoolSettings
    from actsearch.evaluators.pools.ray_pool import RayPool
    from actsearch.evaluators.registry import resolve
    from actsearch.evaluators.settings import TaskSettings

    def of_this_program():
        parents = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue
            parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
        mine = {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        return mine

    def addresses(processes):
        sockets = set()
        for pid in processes:
            try:
                links = [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            except OSError:
                continue
            sockets |= {link[8:-1] for link in links if link.startswith("socket:[")}
        texts = [pathlib.Path("/proc/net", name).read_text() for name in ("tcp", "tcp6")]
        rows = [row.split() for text in texts for row in text.splitlines()[1:]]
        return [row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets]

    def settings_of_ray():
        return {key: value for key, value in os.environ.items() if key.startswith("RAY_") and key != "RAY_CLIENT_MODE"}

    before = settings_of_ray()
    with RayPool(resolve(TaskSettings(steps=2, batch=32)), PoolSettings(workers=1)) as pool:
        list(pool.evaluate([Request("relu", 1, 2)]))
        listening = addresses(of_this_program())
        import ray
        folder = pool._nowhere.name
        told = {"addresses": listening, "mode": os.stat(folder).st_mode & 0o777, "folder": folder}
    told["same"] = settings_of_ray() == before
    print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="listening sockets are read from /proc")
def test_ray_listens_on_the_loopback_address_alone_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = _run(LISTENING, HOME=str(tmp_path), RAY_USAGE_STATS_ENABLED="0")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert len(found["addresses"]) >= 4  # the driver's, gcs, raylet and a worker's
    assert {*found["addresses"]} <= loopback
    assert found["mode"] == 0o700
    assert found["same"], "what the user set for Ray is as it was"
    assert not Path(found["folder"]).exists()
    assert not (tmp_path / ".ray").exists()


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("here", "expected HOST:PORT of a Ray cluster's head, such as 10.0.0.5:6379, found 'here'"),
        ("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9 .*ray start --head"),
        ("127.0.0.1:99999999", "no Ray cluster answers at"),
    ],
)
def test_an_address_without_a_cluster_is_one_sentence(address: str, complaint: str) -> None:
    with pytest.raises(BadCluster, match=complaint):
        cluster_at(address)


CLUSTER = """
    import sys
    from actsearch.search.command_line import main
    main(["evaluate", "relu", "--steps=2", "--seeds=1", "--set=task.batch=32", "--address", sys.argv[1]])
"""


@pytest.mark.nightly
@pytest.mark.parametrize("token", ["", "0123456789abcdef0123456789abcdef"], ids=["without a token", "with a token"])
def test_a_cluster_that_was_started_by_hand_trains_and_a_wrong_token_is_one_sentence(
    token: str, tmp_path: Path
) -> None:
    ray_program = str(Path(sys.executable).with_name("ray"))
    mode = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    common = {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    port = 20_000 + os.getpid() % 10_000
    head = subprocess.Popen(
        [ray_program, "start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false", "--block",
         f"--temp-dir=/tmp/actsearch-{port}", "--object-store-memory=150000000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | common | mode, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(120):
            if _run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)").returncode == 0:
                break
        done = _run(CLUSTER, f"127.0.0.1:{port}", **common, **mode)
        assert done.returncode == 0, done.stderr
        assert "relu" in done.stdout
        if token:
            wrong = _run(CLUSTER, f"127.0.0.1:{port}", **common, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="1" * 32)
            assert wrong.returncode == 2
            assert "asks for another token" in wrong.stderr
            assert len(wrong.stderr.strip().splitlines()) == 1
    finally:
        os.killpg(head.pid, 15)
        head.wait(60)


@pytest.mark.slow
def test_a_function_of_a_program_is_sent_to_workers_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ray_door.TOKEN  # imported with Ray
    program = """
        import functools
        import actsearch
        def number():
            return 2.0
        cached = functools.cache(number)
        def score(make, seed, budget):
            return number()
        def kept(make, seed, budget):
            return cached()
        if __name__ == "__main__":
            for name in ("score", "kept"):
                task = actsearch.TaskSettings(name="own", own={"score": f"__main__:{name}"})
                try:
                    print(actsearch.evaluate(["relu"], task=task, seeds=1)[0].outcomes[0].score)
                except actsearch.UserFault as fault:
                    print(fault)
    """
    path = Path("program.py")
    done = _run(f"import runpy, pathlib, sys; exec(compile({textwrap.dedent(program)!r}, 'program', 'exec'))")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first == "2.0"
    assert second == "2.0" or "write it into a file and name that (file.py:function)" in second
    assert not path.exists()
