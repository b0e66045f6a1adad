"""Trackers are told through their own clients; here stand-ins take notes."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from actsearch.grammar.fault import NotInstalled
from actsearch.search import jobs
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.settings.reading import from_tree
from tests.search.made_runs import TREE, make_run


class _Client(types.ModuleType):
    """Takes note of every call, whatever its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.notes: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.summary: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def note(*args: Any, **kwargs: Any) -> "_Client":
            self.notes.append((name, args, kwargs))
            return self

        return note

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.notes.append(("exit", (), {}))

    def said(self, name: str) -> list[tuple[Any, ...]]:
        return [args for call, args, _ in self.notes if call == name]


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_is_told_settings_batches_finalists_and_the_answer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "other", monkeypatch, children=3)
    client = _Client(name)
    monkeypatch.setitem(sys.modules, name, client)
    monkeypatch.setattr(importlib.util, "find_spec", lambda found: client if found == name else None)
    jobs.launch(plan_of(from_tree(TREE)), tmp_path / "run", track=name)  # type: ignore[arg-type]  # one of its names
    if name == "mlflow":
        (settings, *finalists) = client.said("log_params")
        assert settings[0]["proposer.name"] == "random"
        assert {one[0]["expression"] for one in finalists} >= {"relu(x)", "tanh(x)"}
        assert "use Swish, a known function: 0." in client.said("set_tag")[0][1]
        assert client.said("end_run")
    else:
        assert "use Swish, a known function: 0." in client.summary["verdict"]
        columns = next(kwargs["columns"] for call, _, kwargs in client.notes if call == "Table")
        assert columns[:3] == ["position", "standing", "expression"]
        assert client.said("finish")
    assert len(client.said("log_metrics" if name == "mlflow" else "log")) >= 3  # the batches


def test_a_client_that_is_missing_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="'--track wandb' needs the package wandb: pip install wandb"):
        jobs.launch(plan_of(from_tree(TREE)), tmp_path / "run", track="wandb")
    assert not (tmp_path / "run").exists()


def test_each_finalist_is_a_run_of_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path, monkeypatch)
    folders = sorted((tmp_path / "tensorboard" / "finalists").iterdir())
    assert len(folders) == 6
    raw = b"".join(file.read_bytes() for file in folders[0].iterdir())
    assert b"_hparams_/session_start_info" in raw
    assert b"final/training_loss" in raw


class _Away:
    """A client whose server is away from some call on."""

    def __init__(self, good: int) -> None:
        self.left = good

    def __getattr__(self, name: str) -> Any:
        def call(*_: object, **__: object) -> "_Away":
            self.left -= 1
            if self.left < 0:
                raise ConnectionError("no route to host")
            return self

        return call

    def __enter__(self) -> "_Away":
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.mark.parametrize("good", [0, 1, 5, 7], ids=["at once", "while it starts", "in the middle", "at the end"])
def test_a_tracker_that_fails_is_said_once_and_dropped_and_the_search_goes_on(
    good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "other", monkeypatch, children=3)
    monkeypatch.setitem(sys.modules, "mlflow", _Away(good))
    monkeypatch.setattr(importlib.util, "find_spec", lambda found: found)
    said: list[str] = []
    jobs.launch(plan_of(from_tree(TREE)), tmp_path / "run", say=said.append, track="mlflow")
    (sentence,) = said
    assert sentence.startswith("mlflow failed and is told nothing more, the search goes on: ConnectionError: no route")
    with Store(tmp_path / "run") as store, Store(tmp_path / "other") as other:
        assert store.fact("finished")
        assert len(store.outcomes()) > len(other.outcomes())
