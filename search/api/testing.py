"""The contracts of a proposer and a task, as test classes to inherit; needs pytest.

Your test class inherits a contract and builds the object under test; each promise is a test. Not here: the promises in
words (``search.proposers.proposer``, ``evaluators.task``).
"""

import math
import pickle

import pytest

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.task import Task
from actsearch.evaluators.training import train_population
from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.parse import parse
from actsearch.grammar.rows.known import read
from actsearch.grammar.rows.swish2017 import BINARY, SWISH2017, UNARY
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from actsearch.search.proposers.proposer import Proposal, Proposer, from_bytes, to_bytes

__all__ = ["ONE", "SMALL", "TWO", "ProposerContract", "TaskContract"]

ONE, TWO = (Space(core_units(units), UNARY, BINARY) for units in (1, 2))
_ROWS = {row.name: row for row in SWISH2017}
SMALL = Space(core_units(1), tuple(_ROWS[n] for n in ("identity", "neg", "relu", "sin")), (_ROWS["add"], _ROWS["mul"]))
"""The space of the paper with one core unit, with two, and a space of 32 strings."""
_BEHAVIOURS = frozenset(distinct_expressions(SMALL))  # 18 of 32 strings: add and mul commute


def _in_some_way(expression: Expression) -> float:
    """Return a reward made from the expression's text: it varies, and is the same in every process."""
    return (sum(map(ord, str(expression))) % 17) / 4


class ProposerContract:
    """Promises of a proposer, as tests to inherit: ``class TestMine(ProposerContract)`` with a method ``make``."""

    def make(self, space: Space, seed: int) -> Proposer:
        """Return the proposer under test.

        Args:
            space: space of the expressions that it may propose.
            seed: seed of every draw.
        """
        raise NotImplementedError

    @pytest.mark.parametrize("space", [ONE, TWO], ids=["one unit", "two units"])
    def test_every_proposal_is_legal_and_means_its_tokens(self, space: Space) -> None:
        """Every proposal is legal and means its tokens."""
        proposer = self.make(space, 0)
        for _ in range(3):
            proposals = proposer.ask(12)
            for proposal in proposals:
                assert space.decode(proposal.tokens) == proposal.expression
                assert parse(str(proposal.expression), SWISH2017) == proposal.expression
            proposer.tell(proposals, [_in_some_way(p.expression) for p in proposals])

    def test_the_same_seed_proposes_the_same_and_another_seed_differs(self) -> None:
        """The same seed proposes the same and another seed differs."""
        first, again, other = (self.make(ONE, seed).ask(20) for seed in (4, 4, 5))
        assert first == again
        assert first != other

    @pytest.mark.parametrize(("batches", "held"), [([3], 0), ([8, 8, 8], 0), ([1, 9, 4, 2], 2), ([5, 5], 5)])
    def test_state_is_saved_and_restored_bit_for_bit(self, batches: list[int], held: int) -> None:
        """State is saved and restored bit for bit."""
        proposer, copy = self.make(ONE, 1), self.make(ONE, 99)
        for count in batches:
            proposals = proposer.ask(count)[held:]  # the others are still being trained when the state is saved
            proposer.tell(proposals, [_in_some_way(p.expression) for p in proposals])
        from_bytes(copy, to_bytes(proposer))
        assert to_bytes(copy) == to_bytes(proposer)
        for _ in range(3):
            proposals = proposer.ask(8)
            assert copy.ask(8) == proposals
            rewards = [_in_some_way(p.expression) for p in proposals]
            assert proposer.tell(proposals, rewards) == copy.tell(proposals, rewards)
        assert to_bytes(proposer) == to_bytes(copy)

    def test_a_tell_may_be_empty_or_of_strangers(self) -> None:
        """A tell may be empty, or contain proposals that were never asked for."""
        proposer = self.make(ONE, 0)
        stranger = read("gate(scale(x),x)")
        assert proposer.tell([], []) == {}
        proposer.tell([Proposal(ONE.encode(stranger), stranger)], [1.0])
        assert len(proposer.ask(3)) == 3

    def test_a_told_stranger_is_known(self) -> None:
        """A behaviour that was told but never asked for is not proposed."""
        proposer = self.make(SMALL, 0)
        stranger = read("mul(x,relu(x))")
        proposer.tell([Proposal(SMALL.encode(stranger), stranger)], [1.0])
        proposed = {fingerprint(p.expression) for p in proposer.ask(100)}
        assert proposed == _BEHAVIOURS - {fingerprint(stranger)}

    def test_a_repeated_tell_changes_nothing(self) -> None:
        """A repeated tell changes nothing."""
        proposer = self.make(ONE, 0)
        proposals = proposer.ask(20)
        proposer.tell(proposals, [_in_some_way(p.expression) for p in proposals])
        before = to_bytes(proposer)
        assert proposer.tell(proposals, [9.0] * 20) == {}
        assert to_bytes(proposer) == before

    def test_a_tell_may_come_late_and_in_any_order(self) -> None:
        """A tell may come late and in any order."""
        proposer = self.make(ONE, 0)
        first, second = proposer.ask(10), proposer.ask(10)
        third = proposer.ask(3)
        for proposals in (second[::-1], third[:1], first[5:], first[:5]):
            proposer.tell(proposals, [_in_some_way(p.expression) for p in proposals])
        names = {fingerprint(p.expression) for p in (*first, *second, *third)}
        assert len(names) == 23
        assert not names & {fingerprint(p.expression) for p in proposer.ask(10)}

    @pytest.mark.parametrize("failed", [0.0, math.nan, -math.inf, math.inf])
    def test_failures_are_survived(self, failed: float) -> None:
        """Rewards of failures, such as NaN and infinities, do no harm."""
        proposer = self.make(ONE, 0)
        for _ in range(3):
            proposals = proposer.ask(10)
            logged = proposer.tell(proposals, [failed] * 10)
            assert len(proposals) == 10
            assert all(math.isfinite(number) for number in logged.values())

    def test_one_reward_belongs_to_each_proposal(self) -> None:
        """A tell needs one reward for each proposal."""
        proposer = self.make(ONE, 0)
        with pytest.raises(ValueError, match="shorter"):
            proposer.tell(proposer.ask(3), [1.0, 2.0])

    @pytest.mark.parametrize("batch", [1, 5, 40])
    def test_every_behaviour_is_asked_for_once_and_then_it_ends(self, batch: int) -> None:
        """Every behaviour is proposed once, and then the proposer returns none."""
        proposer = self.make(SMALL, 3)
        proposed: list[str] = []
        while proposals := proposer.ask(batch):
            assert len(proposals) == min(batch, len(_BEHAVIOURS) - len(proposed))
            proposed += [fingerprint(p.expression) for p in proposals]
            proposer.tell(proposals, [_in_some_way(p.expression) for p in proposals])
        assert sorted(proposed) == sorted(_BEHAVIOURS)
        assert proposer.ask(batch) == []


class TaskContract:
    """Promises of a task, as tests to inherit: ``class TestMine(TaskContract)`` with a method ``make``."""

    steps = 4
    """Number of optimiser steps of the children in these tests."""

    def make(self) -> Task:
        """Return the task under test."""
        raise NotImplementedError

    def _trained(self, *requests: Request) -> list[Outcome]:
        task = self.make()
        task.warm_up()
        return train_population(list(requests), task)

    def test_it_says_what_its_scores_are(self) -> None:
        """The task describes its scores."""
        task = self.make()
        assert task.settings.steps > 0
        assert task.device in {"cpu", "cuda"}
        assert isinstance(task.unit, str)
        assert task.chance is None or math.isfinite(task.chance)
        assert all(isinstance(sentence, str) for sentence in task.prepare())

    def test_a_function_and_a_seed_have_one_score_whoever_stands_beside(self) -> None:
        """A function and a seed have one score, whatever trains beside them."""
        one, other = (Request("swish", seed, self.steps) for seed in (1, 2))
        (alone,) = self._trained(one)
        assert alone.status is Status.SCORED, alone.reason
        beside = self._trained(Request("tanh", 1, self.steps), other, one)[2]
        assert alone.score == beside.score

    def test_another_seed_or_function_has_another_score(self) -> None:
        """Another seed or function has another score."""
        requests = [Request("swish", 1, self.steps), Request("swish", 2, self.steps), Request("sin(x)", 1, self.steps)]
        scores = {outcome.score for outcome in self._trained(*requests)}
        assert len(scores) == 3

    def test_the_test_data_are_looked_at_when_they_are_asked_for(self) -> None:
        """The test data are used only when a request asks for them."""
        without, with_test = self._trained(Request("relu", 1, self.steps), Request("relu", 1, self.steps, test=True))
        assert "test_loss" not in without.metrics
        assert without.score == with_test.score

    def test_what_leaves_the_finite_numbers_has_no_score(self) -> None:
        """A training that leaves the finite numbers has no score."""
        request = Request("exp(exp(exp(square(x))))", 1, self.steps)
        assert BUILT_IN.read(request.expression).expression is not None
        (outcome,) = self._trained(request)
        assert outcome.score is None or math.isfinite(outcome.score)
        assert (outcome.score is None) == (outcome.status is not Status.SCORED)

    def test_it_crosses_to_a_worker_and_its_data_are_the_same_there(self) -> None:
        """The task can be sent to a worker, and its data are the same there."""
        task = self.make()
        task.warm_up()
        copy = pickle.loads(pickle.dumps(task))  # noqa: S301  pickled on this line
        copy.warm_up()
        assert copy.digest() == task.digest() == self.make().digest()
        assert copy.settings == task.settings
