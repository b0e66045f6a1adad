"""What ``import actsearch`` gives: public names that load when they are used, each documented, each doing its job."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import actsearch
from tests.test_tiny import TINY


def test_importing_loads_nothing_that_takes_time() -> None:
    program = (
        "import sys, actsearch; assert 'launch' in dir(actsearch); "
        "print(sorted({'torch', 'ray', 'sympy', 'numpy', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize("name", actsearch.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(actsearch, name).__doc__
    assert name in dir(actsearch)


def test_a_name_that_is_not_public_is_answered_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"module 'actsearch' has no attribute 'lanch'; it has .*launch"):
        actsearch.lanch  # noqa: B018  # type: ignore[attr-defined]


def test_an_activation_is_read_made_described_and_exported(tmp_path: Path) -> None:
    x = torch.linspace(-3, 3, 24).reshape(2, 3, 4)
    torch.testing.assert_close(actsearch.read("silu").make(channels=3)(x), torch.nn.functional.silu(x))
    assert actsearch.describe("relu")["expression"] == "relu(x)"
    made = actsearch.export(actsearch.read("swish"), tmp_path / "swish", to="numpy,json")
    assert made == {"numpy": tmp_path / "swish_numpy.py", "json": tmp_path / "swish.json"}
    assert actsearch.read_function(made["json"]) == actsearch.read("swish")
    learned = json.loads(made["json"].read_text()) | {"name": "Found", "beta": {"start": 1.5, "layers": []}}
    (tmp_path / "learned.json").write_text(json.dumps(learned))
    again = actsearch.read_function(tmp_path / "learned.json")
    torch.testing.assert_close(again.make(channels=3)(x), x * torch.sigmoid(1.5 * x))
    for what in (again, tmp_path / "learned.json", str(tmp_path / "learned.json")):
        file = actsearch.export(what, tmp_path / "again.json", to=" json", force=True)["json"]
        data = json.loads(file.read_text())
        assert (data["name"], data["beta"]["start"]) == ("Activation" if what is again else "Found", 1.5)
    for wrong in (
        lambda: actsearch.read("sigmod(x)"), lambda: actsearch.describe("maxout"),
        lambda: actsearch.export("gelu", made["numpy"]), lambda: actsearch.export("gelu", to="onxx"),
        lambda: actsearch.export("gelu", tmp_path / "none", to=[]),
        lambda: actsearch.export("gelu", to=3), lambda: actsearch.export("gelu", 3),  # type: ignore[arg-type]
        lambda: actsearch.read_function(None), lambda: actsearch.read_function("a\0b.json"),  # type: ignore[arg-type]
        lambda: actsearch.export(torch.nn.SiLU()), lambda: actsearch.export(None),  # type: ignore[arg-type]
        lambda: actsearch.read_function(made["numpy"]), lambda: actsearch.read_function("nowhere.json"),
    ):  # fmt: skip
        with pytest.raises(actsearch.UserFault):
            wrong()


def test_a_search_is_launched_opened_and_gone_on_with(tmp_path: Path) -> None:
    changes = [word.removeprefix("--set=") for word in TINY if word.startswith("--set=")]
    settings = actsearch.load("configs/quickstart.yaml", *changes)
    board = actsearch.launch(settings, tmp_path / "run")
    assert any(entry.found for entry in board.entries)
    again = [actsearch.open_run(tmp_path / "run"), actsearch.launch(settings, str(tmp_path / "run"))]
    records = [(entry.position, entry.records) for entry in board.entries]
    assert all([(entry.position, entry.records) for entry in one.entries] == records for one in again)
    with pytest.raises(actsearch.UserFault, match="holds no run"):
        actsearch.open_run(tmp_path / "nowhere")


def test_activations_are_trained_without_a_search() -> None:
    settings = actsearch.load(None, "task.steps=2", "task.batch=32", "pool.kind=serial")
    relu, again = actsearch.evaluate(["relu", "relu(x)"], settings, seeds=2)
    assert [outcome.score for outcome in relu.outcomes] == [outcome.score for outcome in again.outcomes]
    assert relu.outcomes[0].score != relu.outcomes[1].score
    other = actsearch.TaskSettings(name="mnist1d_mlp", steps=2, batch=32)
    (found,) = actsearch.evaluate(["relu"], settings, task=other, seeds=1)
    assert found.outcomes[0].score != relu.outcomes[0].score
