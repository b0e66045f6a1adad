"""What other people bring: proposers and tasks as objects and as names, and what a package adds by being installed."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import actsearch
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import NAMES, TaskSettings
from actsearch.grammar.space import Space
from actsearch.search.command_line import main
from actsearch.search.proposers.chance import RandomProposer
from actsearch.search.proposers.foreign import ForeignProposer
from actsearch.search.proposers.proposer import Proposal, Proposer
from actsearch.search.settings.space import SpaceSettings, build_space
from actsearch.testing import ProposerContract, TaskContract
from tests.test_tiny import TINY

SPACE = build_space(SpaceSettings())
MINE = '''
import math, torch
import actsearch
from actsearch.evaluators.task import Task


class Mine:
    """Draws evenly."""

    def __init__(self, space, seed):
        self.space, self.generator, self.asked = space, torch.Generator().manual_seed(seed), []

    def ask(self, count):
        found = []
        for _ in range(count):
            tokens = self.space.draw(self.generator)
            found.append(actsearch.Proposal(tokens, self.space.decode(tokens)))
        return found

    def tell(self, proposals, rewards):
        self.asked += [proposal.tokens for proposal in proposals]
        return {"seen": len(self.asked)}

    def state(self):
        return {"generator": self.generator.get_state(), "asked": [list(tokens) for tokens in self.asked]}

    def restore(self, state):
        self.generator.set_state(state["generator"])
        self.asked = [tuple(tokens) for tokens in state["asked"]]


class Bowl(Task):
    """Scores a function by its distance from softplus; seeds shift the points."""

    chance, unit, device = 2.0, "distance", "cpu"

    def __init__(self, settings):
        steps = settings.steps or 4
        self.settings = actsearch.CompleteSettings(name="bowl", steps=steps, batch=2, learning_rate=1e-3, init="he")

    def digest(self):
        return "softplus"

    def prepare(self):
        return []

    def warm_up(self):
        return None

    def training(self, request, activation):
        yield
        x = torch.linspace(-3, 3, 50, dtype=torch.float64) + request.seed % 97 / 1000
        found = activation.make(1)(x.view(-1, 1).float()).detach().view(-1).double()
        loss = float((found - torch.nn.functional.softplus(x)).abs().mean())
        if not math.isfinite(loss):
            return actsearch.Outcome(actsearch.Status.DIVERGED, reason="far away")
        metrics = {"validation_loss": loss} | ({"test_loss": loss} if request.test else {})
        return actsearch.Outcome(actsearch.Status.SCORED, score=loss, metrics=metrics, trained_by="own")


def bowl(settings):
    return Bowl(settings)


hat = (actsearch.Primitive("hat", 1, "torch.relu(1 - torch.abs(a))", "Max(0, 1 - Abs(a))"),)
'''
FORMAT = """
from actsearch.search.exporting.formats import Format
from actsearch.search.exporting.provers import of_latex

shout = Format(".shout", "the formula, loud", of_latex, lambda discovery: "LOUD")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package, as pip would: a module, and entry points beside it."""
    site = tmp_path / "site"
    info = site / "bringer-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "bringer.py").write_text(MINE)
    (site / "shouting.py").write_text(FORMAT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bringer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[actsearch.proposers]\nmine = bringer:Mine\nbroken = bringer:nothing\n"
        "[actsearch.tasks]\nbowl = bringer:bowl\n[actsearch.primitives]\nhats = bringer:hat\n"
        "[actsearch.formats]\nshout = shouting:shout\n"
    )
    return site


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = "from actsearch.search.command_line import main; main()"
    environment = {"PYTHONPATH": str(package), "PATH": "/usr/bin:/bin", "HOME": str(package)}
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=package.parent, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_a_package_adds_a_proposer_a_task_primitives_and_a_format_by_being_installed(package: Path) -> None:
    Path(package.parent / "c.yaml").write_text("space: {primitives: [swish2017, hats]}\n")
    words = [*TINY, "--set=task={name: bowl, steps: 4}", "--set=proposer.name=mine", "--set=final.steps=4"]
    found = run(package, "search", "c.yaml", "--run", "run", *words)
    assert found.returncode == 0, found.stderr
    assert "distance" in found.stdout
    top = json.loads(run(package, "top", "run", "--json").stdout)
    assert top["entries"]
    again = run(package, "search", "c.yaml", "--run", "run", *words)
    assert again.returncode == 0, again.stderr
    assert "hat(a)" not in run(package, "space").stdout
    assert (
        run(package, "export", "--expression", "hat(x)", "--config", "c.yaml", "--to", "shout", "-o", "loud").returncode
        == 0
    )
    assert (package.parent / "loud").read_text() == "LOUD"


def test_what_a_package_adds_and_cannot_be_used_names_the_package(package: Path) -> None:
    found = run(package, "search", "no.yaml", "--run", "run")
    assert found.returncode == 2
    Path(package.parent / "c.yaml").write_text("{}\n")
    broken = run(package, "search", "c.yaml", "--run", "run", *TINY, "--set=proposer.name=broken")
    assert broken.returncode == 2
    assert "'broken' of the package bringer cannot be loaded" in broken.stderr
    near = run(package, "search", "c.yaml", "--run", "run", *TINY, "--set=proposer.name=brokn")
    assert "did you mean 'broken'?" in near.stderr


def test_a_class_of_a_file_proposes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("c.yaml").write_text("{}\n")
    words = ["search", "c.yaml", "--run", "run", *TINY, "--set=proposer.name=mine.py:Mine"]
    main(words)
    kept = actsearch.open_run("run").board
    assert sum(entry.found for entry in kept.entries) >= 3
    main([*words, "--extend", "budget.children=6"])  # its state is read back
    assert sum(entry.found for entry in actsearch.open_run("run").entries) >= 6


class Even(RandomProposer):
    """Stands for a user's: it is passed on through the check of what it proposes."""


class TestForeign(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return ForeignProposer(Even(space, seed), space)


class Wrong(RandomProposer):
    answer: Any = None
    tells: Any = None
    keeps: Any = None

    def ask(self, count: int) -> list[Proposal]:
        return self.answer(count) if self.answer else super().ask(count)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> dict[str, float]:
        return self.tells if self.tells is not None else super().tell(proposals, rewards)

    def state(self) -> dict[str, Any]:
        return self.keeps if self.keeps is not None else super().state()


def _raise(_: int) -> None:
    raise ZeroDivisionError("by nobody")


X = SPACE.decode(SPACE.draw(torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"answer": lambda count: None}, r"Wrong.ask: expected a list of actsearch.Proposal, found None"),
        ({"answer": lambda count: [1]}, r"Wrong.ask: expected a list of actsearch.Proposal, found \[1\]"),
        ({"answer": lambda count: [Proposal((99,), X)]}, r"\(99,\) is no legal string of the space"),
        ({"answer": lambda count: [Proposal(SPACE.string(7), SPACE.decode(SPACE.string(9)))]}, "stands for .* found"),
        ({"answer": lambda count: [Proposal(SPACE.string(7), SPACE.decode(SPACE.string(7)))] * 9}, "at most, found 9"),
        ({"answer": _raise}, r"Wrong.ask raises ZeroDivisionError: by nobody"),
        ({"tells": "much"}, r"Wrong.tell: expected numbers by name, or nothing, found 'much'"),
        ({"keeps": {"me": object()}}, r"Wrong.state: expected a dictionary of tensors, numbers"),
        ({"keeps": [1]}, r"Wrong.state: expected a dictionary of tensors, .*; found \[1\]"),
        ({"answer": lambda count: [Proposal(("a",), X)]}, r"Wrong.ask: tokens are whole numbers, found \('a',\)"),  # type: ignore[arg-type]  # it is wrong
        ({"answer": lambda count: [Proposal(SPACE.string(7), "x")]}, r"Wrong.ask: expected an Expression, found 'x'"),  # type: ignore[arg-type]  # it is wrong
    ],
)
def test_a_proposer_of_the_users_that_does_something_else_is_one_sentence(
    tmp_path: Path, wrong: dict[str, Any], sentence: str
) -> None:
    proposer = Wrong(SPACE, 0)
    for name, value in wrong.items():
        setattr(proposer, name, value)
    changes = [word.removeprefix("--set=") for word in TINY]
    with pytest.raises(actsearch.UserFault, match=sentence):
        actsearch.launch(actsearch.load(None, *changes), tmp_path / "run", proposer=proposer)


class Drawn(RandomProposer):
    def ask(self, count: int) -> list[Proposal]:
        return [Proposal(tuple(np.array(one.tokens)), one.expression) for one in super().ask(count)]


def test_tokens_that_numpy_drew_are_taken(tmp_path: Path) -> None:
    changes = [word.removeprefix("--set=") for word in TINY]
    run = actsearch.launch(actsearch.load(None, *changes), tmp_path / "run", proposer=Drawn(SPACE, 0))
    assert sum(entry.found for entry in run.entries) >= 3


@pytest.mark.parametrize("name", ["nowhere:Mine", "mine.py:Gone", "mine.py:bowl"])
def test_a_proposer_that_cannot_be_used_leaves_no_run_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    settings = actsearch.load(None, *(word.removeprefix("--set=") for word in TINY), f"proposer.name={name}")
    with pytest.raises(actsearch.UserFault):
        actsearch.launch(settings, "run")
    assert not Path("run").exists()


def test_a_class_in_the_place_of_a_proposer_is_told_from_one(tmp_path: Path) -> None:
    class Whole:
        """A class, of which no object was made."""

        ask = tell = state = restore = print

    with pytest.raises(actsearch.UserFault, match=r"the class Whole: build it, Whole\(space, seed\)"):
        next(iter(actsearch.Study(tmp_path / "run", proposer=Whole).trials(children=2)))  # type: ignore[arg-type]


def test_an_object_without_a_method_is_no_proposer(tmp_path: Path) -> None:
    class Half:
        def ask(self, count: int) -> list[Proposal]:
            return []

    study = actsearch.Study(tmp_path / "run", proposer=Half())  # type: ignore[arg-type]  # it is none
    with pytest.raises(actsearch.UserFault, match="'Half' has no method tell and no state and no restore"):
        next(study.trials())


def _bowl() -> actsearch.Task:
    space: dict[str, Any] = {}
    exec(MINE, space)
    sys.modules.setdefault("bowls", type(sys)("bowls")).__dict__.update(space)
    space["Bowl"].__module__ = "bowls"
    found = space["Bowl"](TaskSettings(steps=4))
    assert isinstance(found, actsearch.Task)
    return found


class TestBowl(TaskContract):
    def make(self) -> actsearch.Task:
        return _bowl()


class TestDigits(TaskContract):
    def make(self) -> actsearch.Task:
        return resolve(TaskSettings(name="digits", steps=4))


def test_a_task_of_the_users_is_searched(tmp_path: Path) -> None:
    changes = [word.removeprefix("--set=") for word in TINY if "task." not in word]
    found = actsearch.launch(actsearch.load(None, *changes), tmp_path / "run", task=_bowl())
    assert found.board.unit == "distance"
    assert (found.entries[0].mean() or 9.0) < 2


def test_every_task_of_this_engine_is_named_in_the_settings() -> None:
    assert all(not resolve(TaskSettings(name=name)).is_own for name in NAMES)
    assert TaskSettings(name="mnist1e").is_own
