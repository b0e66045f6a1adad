"""A search around a loop of one's own: trials are asked for and told, shared among processes, resumed, judged."""

import contextlib
import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim import optimizer

import actsearch
from actsearch.evaluators.outcome import Status
from actsearch.search.memory.store import Store
from actsearch.search.show.run_tables import remarks

SMALL = ("ladder=[]", "final={top: 2, seeds: 3}", "budget.batch=2", "proposer.name=random", "baselines=[relu, swish]")
X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = X[:, :2].prod(1)


def train(trial: Any, steps: int = 5) -> tuple[float, float]:
    net = nn.Sequential(nn.Linear(4, 8), trial.activation(8), nn.Linear(8, 1))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(steps):
        loss = (net(X[:40]).squeeze(1) - Y[:40]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        trial.report(step, loss)
    with torch.no_grad():
        errors = (net(X).squeeze(1) - Y).square()
    return float(errors[40:52].mean()), float(errors[52:].mean())


def study(run: Path, *changes: str, **more: Any) -> actsearch.Study:
    return actsearch.Study(run, children=6, steps=5, changes=(*SMALL, *changes), **more)


def finish(run: Path, *changes: str, **more: Any) -> actsearch.Study:
    found = study(run, *changes, **more)
    with torch.random.fork_rng(devices=[]):
        for trial in found.trials():
            validation, test = train(trial)
            trial.done(validation=validation, **({"test": test} if trial.test else {}))
    return found


def listed(found: actsearch.Study) -> pd.DataFrame:
    """Return the ranking without what a clock measured."""
    return found.top().drop(columns="cost")


def test_a_loop_of_ones_own_is_a_whole_search(tmp_path: Path) -> None:
    found = finish(tmp_path / "run")
    assert found.is_finished
    top = found.top()
    finalists = top[top["rung"] == "final"]
    assert len(finalists) == 4  # the two best and the two baselines
    assert (finalists["seeds"] == 3).all()
    assert top["score"].iloc[0] == pytest.approx(found.leaderboard().entries[0].mean(), rel=1e-12)
    assert {"relu", "swish"} <= {name for names in top["known_as"] for name in names.split(", ")}
    assert len(top[~top["baseline"]]) >= 6
    curve = found.leaderboard().entries[0].records["final"][0].outcome.diagnostics["learning_curve"]
    assert len(curve) == 5
    layer = found.module("found", channels=8)
    assert layer(torch.zeros(2, 8)).shape == (2, 8)


def test_what_a_trial_wants_is_said(tmp_path: Path) -> None:
    wanted = []
    with torch.random.fork_rng(devices=[]):
        for trial in study(tmp_path / "run").trials():
            validation, _ = train(trial)
            trial.done(validation=validation)
            wanted.append((trial.steps, trial.test))
    assert set(wanted) == {(5, False), (20, True)}
    assert sum(test for _, test in wanted) == 12


def test_the_same_seed_gives_the_same_list_and_another_one_another(tmp_path: Path) -> None:
    tops = [listed(finish(tmp_path / str(n), seed=seed)) for n, seed in enumerate((0, 0, 1))]
    assert tops[0].equals(tops[1])
    assert list(tops[0]["score"]) != list(tops[2]["score"])


def test_a_loop_that_was_left_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    whole = listed(finish(tmp_path / "whole"))
    told = 0
    for most in (3, 4, None):
        with torch.random.fork_rng(devices=[]):
            trials = study(tmp_path / "parts").trials()
            for trial in itertools.islice(trials, most):
                validation, test = train(trial)
                trial.done(validation=validation, **({"test": test} if trial.test else {}))
                told += 1
            trials.close()
    assert listed(study(tmp_path / "parts")).equals(whole)
    with Store(tmp_path / "whole") as store:
        trained = [r for r in store.outcomes().values() if r.outcome.status is not Status.REJECTED]
    assert told == len(trained)
    assert next(study(tmp_path / "parts").trials(), None) is None


def test_an_exception_in_the_loop_leaves_the_trial_to_the_next_one(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []

    def fail() -> None:
        for first in study(tmp_path / "run").trials():
            seen.append((first.seed, repr(first.activation)))
            raise ZeroDivisionError

    with torch.random.fork_rng(devices=[]), pytest.raises(ZeroDivisionError):
        fail()
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        again = next(trials)
        assert [(again.seed, repr(again.activation))] == seen
        again.done(validation=1.0)
        trials.close()


def test_a_loop_that_an_exception_left_open_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        left = study(tmp_path / "run").trials()  # as a notebook keeps it, with the traceback
        first = next(left)
        trials = study(tmp_path / "run").trials()
        again = next(trials)
        assert (again.seed, repr(again.activation)) == (first.seed, repr(first.activation))
        assert next(left, None) is None
        with pytest.raises(actsearch.UserFault, match="this trial is over"):
            first.done(validation=0.1)
        again.done(validation=0.5)
        trials.close()


def test_a_trial_that_is_not_told_of_is_said(tmp_path: Path) -> None:
    with (
        torch.random.fork_rng(devices=[]),
        pytest.raises(actsearch.UserFault, match="ended without a word: call trial"),
    ):
        for _ in study(tmp_path / "run").trials():
            pass


def test_what_diverges_or_fails_is_an_outcome(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        for number, trial in enumerate(study(tmp_path / "run").trials()):
            if number == 2:
                trial.done(validation=float("nan"))
            elif number == 3:
                trial.failed("too large")
            else:
                trial.done(validation=train(trial)[0])
    with Store(tmp_path / "run") as store:
        outcomes = [record.outcome for record in store.outcomes().values()]
    reasons = {outcome.status: outcome.reason for outcome in outcomes if outcome.score is None}
    assert reasons[Status.DIVERGED] == "trial.done was told nan"
    assert reasons[Status.CRASHED] == "too large"


def test_numbers_of_every_kind_are_taken_and_nothing_else(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        trial = next(trials)
        for wrong in ("0.3", None, True, torch.zeros(2)):
            with pytest.raises(actsearch.UserFault, match="'validation' must be a number, found"):
                trial.done(validation=wrong)  # type: ignore[arg-type]
        trial.activation(4)(torch.zeros(2, 4))
        trial.done(validation=torch.tensor(0.25), recall=0.5)
        assert trial.outcome is not None
        assert (trial.outcome.score, trial.outcome.metrics["recall"]) == (0.25, 0.5)
        with pytest.raises(actsearch.UserFault, match="done already"):
            trial.done(validation=1.0)
        next(trials)
        trials.close()


def test_a_higher_number_may_be_better(tmp_path: Path) -> None:
    def accuracies(run: Path) -> actsearch.Study:
        found = study(run, direction="maximise")
        with torch.random.fork_rng(devices=[]):
            for trial in found.trials():
                validation, test = train(trial)
                trial.done(validation=-validation, test=-test)
        return found

    lowest, highest = finish(tmp_path / "loss").top(), accuracies(tmp_path / "minus").top()
    assert list(lowest["expression"]) == list(highest["expression"])
    assert list(lowest["score"].dropna()) == pytest.approx([-score for score in highest["score"].dropna()])
    assert list(lowest["interval_low"].dropna()) == pytest.approx([-s for s in highest["interval_high"].dropna()])


def test_a_hopeless_trial_is_stopped_where_chance_is_known(tmp_path: Path) -> None:
    stopped = 0
    with torch.random.fork_rng(devices=[]):
        found = actsearch.Study(
            tmp_path / "run", children=4, steps=100, chance=1.0, changes=(*SMALL, "task.stop_after=0.3")
        )
        for trial in found.trials():
            for step in range(40):
                trial.report(step, torch.tensor(2.0))
                if trial.stopped:
                    break
            else:
                trial.done(validation=2.0)
            stopped += trial.stopped
    assert stopped >= 4  # the candidates; baselines are patient
    with Store(tmp_path / "run") as store:
        reasons = {r.outcome.reason for r in store.outcomes().values() if r.outcome.status is Status.STOPPED}
    assert reasons == {"stopped after 30 steps: hopeless by its training loss"}


def test_a_network_that_is_made_once_is_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        body = nn.Linear(4, 8)

    def go_on() -> None:
        for trial in study(tmp_path / "run").trials():
            optimiser = torch.optim.SGD(body.parameters(), 0.1)
            trial.activation(8)(body(X)).square().mean().backward()
            optimiser.step()
            trial.done(validation=1.0)

    with torch.random.fork_rng(devices=[]), pytest.raises(RuntimeError, match="goes on from an earlier child"):
        go_on()


def test_wrong_settings_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(actsearch.UserFault, match="did you mean 'reinforce'"):
        actsearch.Study(tmp_path / "run", proposer="reinforc")
    with pytest.raises(actsearch.UserFault, match="key 'transfer'"):
        actsearch.Study(tmp_path / "run", "configs/quickstart.yaml")
    finish(tmp_path / "run")
    with pytest.raises(actsearch.UserFault, match="was started with other settings"):
        next(study(tmp_path / "run", "seed=5").trials())


def test_the_command_says_that_a_loop_trains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from actsearch.search.command_line import main  # noqa: PLC0415

    with pytest.raises(SystemExit) as ended:
        main(["search", "configs/quickstart.yaml", "--set", "transfer=[]", "--run", str(tmp_path / "run"),
              "--set", "task={name: own, own: {loop: true}}", "--set", "pool.kind=serial"])  # fmt: skip
    assert ended.value.code == 2
    assert "for trial in actsearch.Study(RUN).trials()" in capsys.readouterr().err.replace("\n", " ")


def test_a_study_with_other_settings_is_given_no_trial(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        next(trials)
        other = study(tmp_path / "run", direction="maximise")
        with pytest.raises(actsearch.UserFault, match="was started with other settings"):
            next(other.trials())
        trials.close()
        with pytest.raises(actsearch.UserFault, match="was started with other settings"):
            next(study(tmp_path / "run", "seed=7").trials())
    with Store(tmp_path / "run") as store:
        assert not store.outcomes()


@pytest.mark.parametrize("name", ["test_loss", "validation_loss"])
def test_a_metric_takes_no_name_of_the_engines(tmp_path: Path, name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        trial = next(trials)
        with pytest.raises(actsearch.UserFault, match=f"must not be called '{name}'"):
            trial.done(validation=0.5, **{name: 2.0})
        trials.close()


def test_a_test_that_only_some_were_told_of_judges_nobody(tmp_path: Path) -> None:
    found = study(tmp_path / "run")
    with torch.random.fork_rng(devices=[]):
        for number, trial in enumerate(found.trials()):
            told = {"test": 1000.0} if trial.test and number % 2 else {}
            trial.done(validation=float(number), **told)
    assert found.top()["score"].max() < 100
    assert any("only some finalists were tested" in remark for remark in remarks(found.leaderboard()))


def test_the_rankings_columns_are_its_own(tmp_path: Path) -> None:
    found = study(tmp_path / "run")
    with torch.random.fork_rng(devices=[]):
        for trial in found.trials():
            trial.done(validation=0.5, cost=123.0, rung=1.0, position=5.0)
    top = found.top()
    assert list(top["position"]) == list(range(1, len(top) + 1))
    assert (top["metric_cost"].dropna() == 123.0).all()
    assert set(top["rung"]) <= {"search", "final"}


def test_the_direction_is_the_runs(tmp_path: Path) -> None:
    found = study(tmp_path / "run", direction="maximise")
    with torch.random.fork_rng(devices=[]):
        for trial in found.trials():
            trial.done(validation=0.75)
    assert (actsearch.Study(tmp_path / "run").top()["score"].dropna() == 0.75).all()


def test_rewards_go_by_chance_only_where_it_is_one(tmp_path: Path) -> None:
    for wrong in (0.0, -1.0):
        with pytest.raises(actsearch.UserFault, match="chance"):
            study(tmp_path / "run", chance=wrong)
    with pytest.raises(actsearch.UserFault, match="rewards go by the baselines"):
        study(tmp_path / "run", chance=0.1, direction="maximise")
    assert study(tmp_path / "run", chance=1e-5).settings.task.own.chance == 1e-5


def test_a_trial_may_be_told_of_from_another_thread(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        for _ in range(3):
            thread = threading.Thread(target=next(trials).done, args=(0.5,))
            thread.start()
            thread.join()
        trials.close()
    assert (study(tmp_path / "run").top()["score"] == 0.5).sum() >= 2


def test_a_loop_that_is_left_gives_its_trial_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    hooks = len(optimizer._global_optimizer_pre_hooks)
    with torch.random.fork_rng(devices=[]):
        for _ in study(tmp_path / "run").trials():
            break
    assert len(optimizer._global_optimizer_pre_hooks) == hooks
    assert not any(thread.name == "actsearch" for thread in threading.enumerate())
    assert list((tmp_path / "run" / "trials").iterdir()) == []
    with Store(tmp_path / "run") as store:
        assert store.taken() == {}


def test_what_is_no_study_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for wrong, sentence in ((0, "1 at least"), (2.5, "whole number"), (True, "whole number"), ("x", "whole number")):
        with pytest.raises(actsearch.UserFault, match=sentence):
            next(study(tmp_path / "run").trials(children=wrong))  # type: ignore[arg-type]
    for run in ("", None, 3):
        with pytest.raises(actsearch.UserFault, match="expected a directory"):
            actsearch.Study(run)  # type: ignore[arg-type]
    with pytest.raises(actsearch.UserFault, match="is a file; expected a directory"):
        next(study(tmp_path / "file").trials())
    with pytest.raises(actsearch.UserFault, match="cannot be kept in"):
        next(study(tmp_path / "file" / "below").trials())
    with pytest.raises(actsearch.UserFault, match="unknown set or primitive 'nope'"):
        actsearch.Study(tmp_path / "run", space="nope")
    assert not (tmp_path / "run").exists()
    with torch.random.fork_rng(devices=[]):
        monkeypatch.chdir(tmp_path)
        trials = study(Path("here")).trials()
        trial = next(trials)
        monkeypatch.chdir("/")  # as Hydra does
        with pytest.raises(actsearch.UserFault, match="a loss must be a number"):
            trial.report(0, "b")  # type: ignore[arg-type]
        with pytest.raises(actsearch.UserFault, match="one number"):
            trial.report(0, torch.zeros(2))
        trial.done(validation=1.0)
        with pytest.raises(actsearch.UserFault, match="done already"):
            trial.failed("too late")
        next(trials)
        trials.close()
    assert (tmp_path / "here" / "run.sqlite").exists()


def test_a_finished_study_gets_more_seeds_and_more_children(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finish(tmp_path / "run")
    before, answer = found.top(), found.verdict
    assert repr(found).startswith(f"Study('{tmp_path}/run'): ")
    assert "7 behaviours trained, 2 baselines" in repr(found)  # the batch that reached 6 was finished
    assert repr(found).endswith(", finished")
    assert all("actsearch refine" not in sentence and "actsearch search" not in sentence for sentence in answer)
    with torch.random.fork_rng(devices=[]):
        for trial in found.refine(["found"], minutes=0.05):
            assert (trial.steps, trial.test) == (20, True)
            validation, test = train(trial)
            trial.done(validation=validation, test=test)
        best = before[~before.baseline].expression.iloc[0]
        seeds = found.top().set_index("expression").seeds
        assert seeds[best] > 3
        assert seeds["relu(x)"] >= seeds[best]
        for trial in found.trials(children=9):
            validation, test = train(trial)
            trial.done(validation=validation, **({"test": test} if trial.test else {}))
    assert found.is_finished
    assert found.leaderboard().counted.startswith("9 behaviours trained")
    assert found.plot("best").svg.count("<svg") == 1
    assert "final: " in capsys.readouterr().err
    with pytest.raises(actsearch.UserFault, match="can be extended, not shortened"):
        next(found.trials(children=4))


@contextlib.contextmanager
def _in_double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("context", [
    torch.no_grad, torch.inference_mode, _in_double, lambda: torch.device("meta"),
    lambda: torch.autocast("cpu", torch.bfloat16), contextlib.nullcontext,
])  # fmt: skip
def test_a_controller_learns_whatever_the_loop_has_switched_off(
    context: Callable[[], contextlib.AbstractContextManager[object]], tmp_path: Path
) -> None:
    changes = [change for change in SMALL if "proposer" not in change]
    with torch.random.fork_rng(devices=[]):
        trials = actsearch.Study(tmp_path / "run", children=8, steps=5, changes=changes).trials()
        while True:
            with context():
                trial = next(trials, None)
                if trial is None:
                    break
                before = torch.get_rng_state()
                trial.done(validation=(sum(map(ord, repr(trial.activation))) % 97) / 97 + trial.seed % 7 / 100)
                assert torch.equal(before, torch.get_rng_state())
    with Store(tmp_path / "run") as store:
        assert store.updates()
        state = from_state(store.proposer_state())
    expected = LEARNED.setdefault("state", state)
    assert state == expected


LEARNED: dict[str, str] = {}


def from_state(state: bytes | None) -> str:
    """Return a state as text: its bytes have the names of files in them."""
    assert state is not None
    return repr(torch.load(io.BytesIO(state), weights_only=True))


def test_a_study_that_is_quiet_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(actsearch.UserFault, match="holds no run"):
        next(study(tmp_path / "run").refine())
    assert not (tmp_path / "run").exists()
    finish(tmp_path / "run", quiet=True)
    assert capsys.readouterr() == ("", "")


# ---- several processes ----


def test_a_forked_child_leaves_the_loop_of_its_parent_alone(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        trials = study(tmp_path / "run").trials()
        first = next(trials)
        if not (child := os.fork()):
            try:
                trials.close()
                next(study(tmp_path / "run").trials())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with Store(tmp_path / "run") as store:
            assert len(store.taken()) >= 1
        assert len([*(tmp_path / "run" / "trials").glob("*.lock")]) >= 1
        first.done(validation=0.5)
        assert next(trials).seed != first.seed
        trials.close()


REFINING = """
import sys
import torch
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.test_study import study

for trial in study(Path(sys.argv[1])).refine(minutes=0.5):
    draw = torch.Generator().manual_seed(trial.seed % 10**6)
    noise = float(torch.randn(1, generator=draw)) / 5
    loss = 2 + noise - ("relu" not in repr(trial.activation))
    trial.done(validation=loss, test=loss + float(torch.randn(1, generator=draw)) / 10)
    print(trial.seed, flush=True)
"""


def test_two_processes_that_refine_end_when_it_is_decided(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        for trial in study(tmp_path / "run").trials():
            trial.done(validation=trial.seed % 97 / 97, test=trial.seed % 97 / 97)
    program = REFINING.format(root=str(Path.cwd()))
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    trained = sum(len(process.communicate(timeout=120)[0].splitlines()) for process in processes)
    assert trained < 120  # one alone takes some twenty; it went on until the time was out


PROGRAM = """
import sys
import torch
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.test_study import study, train

for trial in study(Path(sys.argv[1])).trials():
    validation, test = train(trial)
    trial.done(validation=validation, **({{"test": test}} if trial.test else {{}}))
    print(trial.seed, trial.activation, trial.steps, flush=True)
"""


def _start(run: Path) -> subprocess.Popen[str]:
    program = PROGRAM.format(root=str(Path.cwd()))
    return subprocess.Popen(
        [sys.executable, "-c", program, str(run)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_share_a_study_and_none_trains_what_the_other_does(tmp_path: Path) -> None:
    whole = listed(finish(tmp_path / "alone"))
    processes = [_start(tmp_path / "run") for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [errors for _, errors in answers]
    said = [lines.splitlines() for lines, _ in answers]
    assert len(set(said[0]) & set(said[1])) == 0
    assert len(said[0]) + len(said[1]) == len({*said[0], *said[1]})
    assert listed(study(tmp_path / "run")).equals(whole)


def test_what_a_killed_process_had_taken_is_trained_by_another(tmp_path: Path) -> None:
    process = _start(tmp_path / "run")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert listed(finish(tmp_path / "run")).equals(listed(finish(tmp_path / "alone")))
