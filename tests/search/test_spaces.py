"""Spaces from settings, twins in a search, and own primitives from the config to the exported file."""

import json
from pathlib import Path

import pytest

from actsearch.evaluators.pools.pool import SerialPool
from actsearch.evaluators.registry import resolve
from actsearch.search.command_line import main
from actsearch.search.core import train_all
from actsearch.search.memory.records import SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.run import Search
from actsearch.search.settings.reading import from_tree
from tests.search.test_runs import TREE, FakePool

BAD_ROW = "{name: wrong, arity: 1, code: b, formula: b}"
OWN = """
task: {steps: 2, batch: 16}
pool: {kind: serial}
budget: {children: 3, batch: 4}
final: {top: 2, seeds: 1, steps: 2}
baselines: [relu, "mul(x,bump(x))"]
space:
  primitives: [identity, tanh, mul, add]
  own:
    - {name: bump, arity: 1, code: "a / (1 + a * a)", formula: "a/(1 + a**2)"}
"""


def test_an_own_primitive_goes_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, run, module = tmp_path / "own.yaml", tmp_path / "run", tmp_path / "own.py"
    config.write_text(OWN)
    main(["search", str(config), "--run", str(run)])
    main(["show", str(run), "mul(x,bump(x))", "--config", str(config)])
    out = capsys.readouterr().out
    assert "f(x) = x·bump(x)" in out
    assert "with bump(a) = a/(1 + a**2)" in out
    main(["export", str(run), "mul(x,bump(x))", "-o", str(module), "--config", str(config)])
    assert "1 + x * x" in module.read_text()
    with pytest.raises(SystemExit) as exit_:
        main(["export", str(run), "mul(x,bump(x))", "-o", str(tmp_path / "no.py")])
    assert exit_.value.code == 2
    assert "code is never taken from a store" in capsys.readouterr().err
    assert not (tmp_path / "no.py").exists()
    main(["evaluate", "bump(x)", "--config", str(config), "--steps=2", "--seeds=1", "--pool=serial", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["loss"] > 0


def test_twins_share_one_training_where_the_setting_says_so(tmp_path: Path) -> None:
    counts = {}
    for share in ("none", "signs", "all"):
        space = {
            "primitives": ["identity", "neg", "relu", "shift", "sigmoid", "add", "sub", "max"],
            "share_twins": share,
        }
        settings = from_tree({**TREE, "space": space, "budget": {"children": 60, "batch": 40, "proposals": 400}})
        pool = FakePool()
        with Store(tmp_path / share, create=True) as store:
            train_all(Search(plan_of(settings), store).core(), pool)
            behaviours = {b.fingerprint: b.twin for b in store.behaviours()}
            trained = {key.fingerprint for key in store.outcomes() if key.rung == SEARCH}
            entries = leaderboard(store).entries
            assert find(entries, "sub(relu(x),neg(x))").fingerprint in trained
        if share == "none":
            assert trained == set(behaviours)
        else:
            assert len({behaviours[name] for name in trained}) == len(trained)
            assert {behaviours[name] for name in trained} == set(behaviours.values())
        counts[share] = len(trained)
    assert counts["none"] > counts["signs"] > counts["all"]


def test_a_search_over_a_template_with_constraints_keeps_them(tmp_path: Path) -> None:
    space = {"primitives": "aquasurf2023", "shape": "u(u(x))", "constraints": {"no_inverse_pair": True}}
    settings = from_tree({**TREE, "space": space})
    with Store(tmp_path, create=True) as store, SerialPool(resolve(settings.task), settings.pool) as pool:
        train_all(Search(plan_of(settings), store).core(), pool)
        texts = [proposal.expression for proposal in store.proposals()]
    assert texts
    assert not any("neg(neg" in text or "reciprocal(reciprocal" in text for text in texts)


def test_space_prints_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["space", "--primitives", "identity, sigmoid,relu,mul,add", "--shape", "b(u(x),u(x))"]
    main([*words, "--json"])
    census = json.loads(capsys.readouterr().out)
    assert {"strings", "legal", "finite", "distinct", "distinct_up_to_symmetry", "reachable"} <= census.keys()
    assert census["strings"] == 3 * 3 * 2
    assert census["reachable"]["silu"] == "mul(x,sigmoid(x))"
    assert census["reachable"]["gelu"] is None
    main(words)
    assert "mul(x,sigmoid(x))" in capsys.readouterr().out


def test_describe_prints_everything(capsys: pytest.CaptureFixture[str]) -> None:
    main(["describe", "gelu", "--json"])
    assert json.loads(capsys.readouterr().out)["properties"]["swish_like"]["value"] is True
    main(["describe", "gelu"])
    assert "swish distance" in capsys.readouterr().out


def test_json_for_programs_has_no_bare_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    main(["describe", "relu", "--json"])
    facts = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert facts["properties"]["limit_right"]["value"] == "inf"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["space"], "name either a CONFIG"),
        (["space", "--primitives", "relu,sin,mul", "--set", "space.units=2"], "name either a CONFIG"),
        (["space", "--primitives", "swish2018"], "did you mean 'swish2017'?"),
        (["space", "--primitives", "tanh,relu"], "has a binary position, and the set has no binary primitive"),
        (["space", "--primitives", "swish2017", "--shape", "b(u(x))"], "template 'b(u(x))': expected ','"),
        (["space", "configs/quickstart.yaml", "--set", "space.constraints.largest_size=1"], "no expression of shape"),
        (["space", "configs/quickstart.yaml", "--set", f"space.own=[{BAD_ROW}]"], "must use exactly ['a']"),
        (["search", "configs/quickstart.yaml", "--set", "space.primitives=[swish207]"], "did you mean 'swish2017'?"),
        (["space", "configs/quickstart.yaml", "--shape", "u(x)"], "name either a CONFIG"),
        (["describe", "mul(x"], "found the end of the text"),
        (["describe", "exp(" * 3000 + "x" + ")" * 3000], "nested too deeply"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err
