"""Shared by all tests: they stand in a bare view of the checkout, and data is generated once into a cache of theirs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from actsearch.evaluators.settings import TaskSettings

# no deadline: machines differ; the same examples every time: a red test stays red until it is mended
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")


torch.set_num_threads(1)  # tests run beside each other, and threads that wait for each other make it ten times slower


ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _nothing_but_what_git_holds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no test see or touch the checkout's runs, the user's caches or home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ACTSEARCH_CACHE"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        for number, (key, value) in enumerate({"safe.directory": "*", "core.fsmonitor": "false"}.items()):
            patch.setenv(f"GIT_CONFIG_KEY_{number}", key)
            patch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
        patch.setenv("GIT_CONFIG_COUNT", "2")
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        view = tmp_path_factory.mktemp("checkout")
        for name in {".git", *(line.split("/")[0] for line in listed.splitlines())}:
            (view / name).symlink_to(ROOT / name)
        patch.chdir(view)
        patch.setattr("actsearch.grammar.symbolic.SECONDS", 600.0)  # a slow machine is no reason for another answer
        yield


@pytest.fixture(autouse=True)
def _global_generator_is_left_alone() -> Iterator[None]:
    """Randomness is an argument: nothing in the project may draw from torch's global generator."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "something drew from torch's global random generator"


@pytest.fixture(scope="session")
def tiny_task() -> TaskSettings:
    """A child that is trained in milliseconds and is still the real one."""
    return TaskSettings(steps=3, batch=32)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tiny end-to-end test first."""
    items.sort(key=lambda item: Path(item.fspath).name != "test_tiny.py")
