"""A proposer's log reaches TensorBoard's files, number by number, and a resumed run writes none twice."""

import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from actsearch.search.jobs import launch
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.settings.reading import from_tree
from actsearch.search.show.event_files import FOLDER, EventFiles


def scalars(run: Path) -> dict[tuple[str, int], float]:
    """Read the records as TensorFlow defines them: length, its checksum, the event, its checksum."""
    (path,) = (run / FOLDER).glob("events*")
    data, found = path.read_bytes(), {}
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        for value in event.summary.value:
            assert (value.tag, event.step) not in found
            found[value.tag, event.step] = value.simple_value
    return found


def test_every_number_of_every_batch_is_written(tmp_path: Path) -> None:
    files = EventFiles(tmp_path, {1: {"baseline": 0.5}})
    files.add(2, {"baseline": 0.25, "entropy/unit_1_binary": 2.0})
    files.close()
    assert scalars(tmp_path) == {("baseline", 1): 0.5, ("baseline", 2): 0.25, ("entropy/unit_1_binary", 2): 2.0}


def test_a_run_logs_what_its_store_holds(tmp_path: Path) -> None:
    tree = {
        "task": {"steps": 2, "batch": 16},
        "proposer": {"reinforce": {"warm_up": 16}},
        "pool": {"kind": "serial"},
        "budget": {"children": 4, "batch": 4},
        "final": {"top": 1, "seeds": 1, "steps": 2},
        "baselines": [],
    }
    launch(plan_of(from_tree(tree)), tmp_path)
    with Store(tmp_path) as store:
        updates = store.updates()
    expected = {(name, batch): value for batch, metrics in updates.items() for name, value in metrics.items()}
    found = scalars(tmp_path)
    assert found.keys() == expected.keys()
    assert {"reward_mean", "share_new", "gradient_norm", "entropy/unit_1_unary_1"} <= {name for name, _ in found}
    assert all(found[key] == pytest.approx(expected[key], rel=1e-6) for key in found)


def test_a_second_sitting_replaces_the_files_of_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        files = EventFiles(tmp_path, {1: {"baseline": 0.5}})
        files.close()
    assert scalars(tmp_path) == {("baseline", 1): 0.5}
