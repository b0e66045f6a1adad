"""Settings: what is wrong is said in one sentence that names the key."""

import dataclasses
import json
from pathlib import Path

import pytest

from actsearch.evaluators.sentences import BadSettings
from actsearch.grammar.fault import UserFault
from actsearch.search.command_line import main
from actsearch.search.plan import resolve, without_open_values
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import from_tree, load_settings, settings_of, to_json
from actsearch.search.settings.sentences import differences

CONFIGS = sorted(Path("configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_project_can_be_used(path: Path) -> None:
    assert isinstance(load_settings(path), SearchSettings)


def test_the_quick_search_is_what_the_defaults_are_and_a_second_task() -> None:
    quick = load_settings(Path("configs/quickstart.yaml"))
    assert [transfer.task.name for transfer in quick.transfer] == ["mnist1d_mlp"]
    assert resolve(dataclasses.replace(quick, transfer=())).settings == resolve(SearchSettings()).settings


def test_settings_are_written_and_read_back() -> None:
    settings = from_tree({"seed": 7, "baselines": ["relu"], "proposer": {"reinforce": {"blame": 0}}})
    assert from_tree(json.loads(to_json(settings))) == settings


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SearchSettings().seed = 3  # type: ignore[misc]


def test_the_list_of_all_settings_says_what_each_means_and_can_be_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["seed=7", "task.own.replace=[a, b]", "transfer=[{task: {name: digits}}]", "space.units=2"]
    main(["settings", *(word for change in changes for word in ("--set", change))])
    printed = capsys.readouterr().out
    (tmp_path / "all.yaml").write_text(printed)
    assert to_json(load_settings(tmp_path / "all.yaml")) == to_json(without_open_values(settings_of(None, changes)))
    assert all("  # " in line for line in printed.splitlines())
    main(["settings", "configs/quickstart.yaml", "--json"])
    quick = without_open_values(load_settings(Path("configs/quickstart.yaml")))
    assert json.loads(capsys.readouterr().out) == json.loads(to_json(quick))


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"sed": 1}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"task": {"step": 1}}, "unknown key 'task.step'; did you mean 'steps'?"),
        ({"pool": {"zzz": 1}}, "unknown key 'pool.zzz'; known keys here: kind, workers"),
        ({"proposer": {"reinforce": {"controller": {"lerning_rate": 1}}}}, "did you mean 'learning_rate'?"),
        ({"task": {"steps": "many"}}, "key 'task.steps': expected a valid integer, found \"many\""),
        ({"task": {"steps": 2.5}}, "key 'task.steps': expected a valid integer"),
        ({"task": {"steps": True}}, "key 'task.steps': expected a valid integer, found true"),
        ({"task": {"steps": -1}}, "key 'task.steps': expected greater than or equal to 1, found -1"),
        ({"pool": {"workers": 0}}, "expected greater than or equal to 1, found 0; null leaves it open"),
        ({"baselines": [0]}, "key 'baselines.0': expected a valid string, found 0"),
        ({"task": {"own": {"replace": [""], "dimension": "x"}}}, "key 'task.own.dimension': expected a valid integer"),
        ({"task": {"own": {"replace": [0]}}}, "key 'task.own.replace.0': expected a valid string, found 0"),
        ({"task": {"init": ""}}, 'found ""; null leaves it open'),
        ({"task": {"learning_rate": -1}}, "key 'task.learning_rate': expected greater than 0, found -1"),
        ({"task": {"name": "mnist1"}}, "key 'task.name': unknown task 'mnist1'; did you mean 'mnist1d'?"),
        ({"task": 3}, "key 'task': expected a section of keys, found 3"),
        ({"task": None}, "key 'task': expected a section of keys, found null"),
        ({"pool": {"kind": "rays"}}, "key 'pool.kind': expected 'ray' or 'serial', found \"rays\""),
        ({"baselines": ["rel"]}, "key 'baselines': in 'rel' at character 1: unknown name 'rel', did you mean 'relu'?"),
        ({"baselines": "relu"}, "key 'baselines': expected a valid array"),
        ({"task": {"learning_rate": "1e-3"}}, "YAML reads 1e-3 as text, write 1.0e-3"),
        ({"space": {"primitives": 3}}, "key 'space.primitives': expected"),
        ({"space": {"own": [{"nme": 1}]}}, "unknown key 'space.own.0.nme'; did you mean 'name'?"),
        ({"task": {"steps": "1e3"}}, "YAML reads 1e3 as text, write 1000"),
        ({"foo": 1}, "unknown key 'foo'; known keys here: seed, space"),
        ({"proposer": {"name": "reinforc"}}, "did you mean 'reinforce'?"),
        ({"seed": -1}, "key 'seed': expected greater than or equal to 0, found -1"),
    ],
)
def test_wrong_settings_get_one_clear_sentence(tree: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserFault) as found:
        resolve(from_tree(tree))
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "changes", "sentence"),
    [
        ("a: [", (), "is not YAML"),
        ("- 1", (), "must hold sections and keys, found list"),
        ("seed: 2026-01-01", (), "settings are numbers, texts, lists and sections"),
        ("a: &a [*a]", (), "settings are numbers, texts, lists and sections"),
        ("task: {learning_rate: .inf}", (), "key 'task.learning_rate'"),
        ("a: 1\nb: 2\na: 3", (), "key 'a' stands in line 1 and again in line 3"),
        ("", ("seed",), "a change is written section.key=value, found 'seed'"),
        ("seed: 1", ("seed.a=1",), "key 'seed.a': 'seed' is a value, not a section"),
        ("", ("seed=[",), "key 'seed': '[' is not a YAML value"),
    ],
)
def test_a_wrong_file_or_change_gets_one_clear_sentence(
    tmp_path: Path, text: str, changes: tuple[str, ...], sentence: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings) as found:
        load_settings(path, changes)
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


def test_a_missing_file_is_named_with_its_nearest_neighbour() -> None:
    with pytest.raises(BadSettings, match=r"did you mean 'configs/quickstart\.yaml'"):
        load_settings(Path("configs/quickstar.yaml"))


def test_a_file_that_cannot_be_read_is_not_its_own_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "bin.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match="cannot read the config") as found:
        load_settings(path)
    assert "did you mean" not in str(found.value)


def test_parts_of_a_file_may_still_be_shared(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    path.write_text("final: &final {seeds: 3}\nladder: [{<<: *final, steps: 7}]\n")
    assert [(rung.seeds, rung.steps) for rung in load_settings(path).ladder] == [(3, 7)]


def test_changes_win_over_the_file() -> None:
    changes = ["task.steps=7", "proposer.name=random", "baselines=[]"]
    settings = resolve(load_settings(Path("configs/quickstart.yaml"), changes)).settings
    assert (settings.task.steps, settings.proposer.name, settings.baselines) == (7, "random", ("relu",))


def test_in_lists_of_sections_only_the_keys_that_changed_are_named() -> None:
    old, new = (
        json.loads(to_json(from_tree({"transfer": [{"task": {"name": "digits"}, "seeds": n}]}))) for n in (2, 3)
    )
    assert differences(old, new) == ["transfer.0.seeds: 2 -> 3"]
    (added,) = differences(json.loads(to_json(from_tree({}))), new)
    assert added.startswith("transfer: [] -> ")
    assert len(added) < 100


def test_a_setting_that_a_stored_run_does_not_know_yet_was_at_its_default() -> None:
    changes = {"transfer": [{"task": {"name": "digits"}}], "seed": 3}
    old, new = (json.loads(to_json(from_tree(changes))) for _ in range(2))
    for section, key in ((old["task"], "beta_decay"), (old["transfer"][0]["task"], "clip"), (old, "baselines")):
        del section[key]
    assert differences(old, new) == []
    new["transfer"][0]["task"]["clip"] = 2.0
    del old["proposer"]
    assert differences(old, new) == ["transfer.0.task.clip: 1.0 -> 2.0"]


def test_differences_are_listed_by_key() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ["a.c: 2 -> 3"]
