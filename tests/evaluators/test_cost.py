"""What a function costs: measured against ReLU in the same rounds, without touching anything else."""

import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.looks.cost import measure


def test_relu_costs_what_relu_costs_and_everything_costs_something() -> None:
    found = measure([*map(BUILT_IN.read, ["relu(x)", "mul(x,sigmoid(scale(x)))", "maxout"])], rounds=3)
    assert list(found) == ["relu(x)", "mul(x,sigmoid(scale(x)))", "maxout"]
    assert found["relu(x)"].against_relu == 1.0
    assert all(cost.forward > 0 and cost.backward > 0 and cost.against_relu > 0 for cost in found.values())


def test_a_function_without_beta_and_one_of_beta_alone_are_measured_too() -> None:
    found = measure([BUILT_IN.read(text) for text in ("neg(x)", "add(x,scale(x))")], rounds=1)
    assert all(cost.forward > 0 for cost in found.values())


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    measure([BUILT_IN.read("relu")], rounds=1)
    found = torch.get_num_threads()
    torch.set_num_threads(before)
    assert found == before + 1


def test_nothing_to_measure_is_no_fault() -> None:
    assert measure([]) == {}
