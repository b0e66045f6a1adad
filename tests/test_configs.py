"""Every config file is read, its space built, and the paper's own run with the budget made tiny."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from actsearch.search.command_line import main
from actsearch.search.settings.reading import load_settings
from actsearch.search.settings.space import build_space
from tests.test_tiny import TINY

CONFIGS = sorted(Path("configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_describes_a_space_that_is_not_empty(config: Path) -> None:
    assert build_space(load_settings(config).space).count(()) > 0


@pytest.mark.nightly
def test_the_search_of_the_paper_runs_on_files_of_cifars_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(20)]}, protocol=2))
    run = tmp_path / "run"
    main(["search", "configs/paper_cifar10.yaml", "--run", str(run), f"--set=task.directory={tmp_path}", *TINY])
    capsys.readouterr()
    main(["top", str(run), "--json"])
    assert len(json.loads(capsys.readouterr().out)["entries"]) >= 4
