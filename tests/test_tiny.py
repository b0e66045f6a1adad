"""The whole way in seconds: search, list, show, export. If this fails, nothing else matters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from actsearch.search.command_line import main

TINY = [
    "--set=task.steps=2", "--set=task.batch=32", "--set=pool.kind=serial", "--set=budget.children=3",
    "--set=budget.batch=4", "--set=final.top=1", "--set=final.seeds=1", "--set=final.steps=2", "--set=baselines=[relu]",
    "--set=ladder=[{share: 0.5, steps: 2, seeds: 1}]", "--set=transfer=[]",
    "--set=proposer.reinforce.warm_up=16",
]  # fmt: skip


def test_a_search_ends_with_a_list_and_an_exported_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, module = tmp_path / "run", tmp_path / "found.py"
    main(["search", "configs/quickstart.yaml", "--run", str(run), *TINY])
    assert "actsearch export" in capsys.readouterr().out

    main(["top", str(run), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"]["sentences"]
    ranking = answer["entries"]
    assert [row["position"] for row in ranking] == list(range(1, len(ranking) + 1))
    assert sum(not row["baseline"] for row in ranking) >= 3
    assert any(row["known_as"] == "relu" and row["baseline"] for row in ranking)

    main(["show", str(run), "relu"])
    assert "f(x) = max(x, 0)" in capsys.readouterr().out

    main(["export", str(run), "1", "-o", str(module)])
    assert "value and gradient" in capsys.readouterr().out
    program = "import found, torch; print(found.Activation()(torch.ones(2, 3)).shape)"
    told = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "torch.Size([2, 3])"
