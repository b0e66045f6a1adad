"""Shared by all tests: data is generated once, into a directory of this test run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from evaluators.settings import TaskSettings

# no deadline: machines differ; the same examples every time: a red test stays red until it is mended
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")


torch.set_num_threads(1)  # tests run beside each other, and threads that wait for each other make it ten times slower


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTSEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
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
