"""What every proposer promises, held by each through one contract."""

import math
from collections.abc import Callable

import pytest
import torch

from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.parse import parse
from actsearch.grammar.rows.known import read
from actsearch.grammar.rows.swish2017 import BINARY, SWISH2017, UNARY
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import ExhaustiveProposer, RandomProposer
from actsearch.search.proposers.evolution import Evolution, EvolutionSettings
from actsearch.search.proposers.ppo import PPO, PPOSettings
from actsearch.search.proposers.proposer import Proposal, Proposer, from_bytes, to_bytes
from actsearch.search.proposers.registry import ProposerSettings, build_proposer
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.proposers.risk_seeking import RiskSeeking, RiskSeekingSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings

ONE, TWO = (Space(core_units(units), UNARY, BINARY) for units in (1, 2))
ROWS = {row.name: row for row in SWISH2017}
SMALL = Space(core_units(1), tuple(ROWS[n] for n in ("identity", "neg", "relu", "sin")), (ROWS["add"], ROWS["mul"]))
BEHAVIOURS = frozenset(distinct_expressions(SMALL))  # 18 of 32 strings: add and mul commute


def in_some_way(expression: Expression) -> float:
    """Reward an expression by what it looks like: not evenly, and the same in every process."""
    return (sum(map(ord, str(expression))) % 17) / 4


def describe(expression: Expression) -> list[float]:
    """Stand in for what is known of a function."""
    text = str(expression)
    return [float(len(text)), float(text.count("x")), float(sum(map(ord, text)) % 7)]


class ProposerContract:
    """Inherited by a test class per proposer; ``make`` builds it."""

    def make(self, space: Space, seed: int) -> Proposer:
        raise NotImplementedError

    @pytest.mark.parametrize("space", [ONE, TWO], ids=["one unit", "two units"])
    def test_every_proposal_is_legal_and_means_its_tokens(self, space: Space) -> None:
        proposer = self.make(space, 0)
        for _ in range(3):
            proposals = proposer.ask(12)
            for proposal in proposals:
                assert space.decode(proposal.tokens) == proposal.expression
                assert parse(str(proposal.expression), SWISH2017) == proposal.expression
            proposer.tell(proposals, [in_some_way(p.expression) for p in proposals])

    def test_the_same_seed_proposes_the_same_and_another_seed_differs(self) -> None:
        first, again, other = (self.make(ONE, seed).ask(20) for seed in (4, 4, 5))
        assert first == again
        assert first != other

    @pytest.mark.parametrize(("batches", "held"), [([3], 0), ([8, 8, 8], 0), ([1, 9, 4, 2], 2), ([5, 5], 5)])
    def test_state_is_saved_and_restored_bit_for_bit(self, batches: list[int], held: int) -> None:
        proposer, copy = self.make(ONE, 1), self.make(ONE, 99)
        for count in batches:
            proposals = proposer.ask(count)[held:]  # some are still under way when the state is saved
            proposer.tell(proposals, [in_some_way(p.expression) for p in proposals])
        from_bytes(copy, to_bytes(proposer))
        assert to_bytes(copy) == to_bytes(proposer)
        for _ in range(3):
            proposals = proposer.ask(8)
            assert copy.ask(8) == proposals
            rewards = [in_some_way(p.expression) for p in proposals]
            assert proposer.tell(proposals, rewards) == copy.tell(proposals, rewards)
        assert to_bytes(proposer) == to_bytes(copy)

    def test_a_tell_may_be_empty_or_of_strangers(self) -> None:
        proposer = self.make(ONE, 0)
        stranger = read("gate(scale(x),x)")
        assert proposer.tell([], []) == {}
        proposer.tell([Proposal(ONE.encode(stranger), stranger)], [1.0])
        assert len(proposer.ask(3)) == 3

    def test_a_told_stranger_is_known(self) -> None:
        proposer = self.make(SMALL, 0)
        stranger = read("mul(x,relu(x))")
        proposer.tell([Proposal(SMALL.encode(stranger), stranger)], [1.0])
        asked = {fingerprint(p.expression) for p in proposer.ask(100)}
        assert asked == BEHAVIOURS - {fingerprint(stranger)}

    def test_a_repeated_tell_changes_nothing(self) -> None:
        proposer = self.make(ONE, 0)
        proposals = proposer.ask(20)
        proposer.tell(proposals, [in_some_way(p.expression) for p in proposals])
        before = to_bytes(proposer)
        assert proposer.tell(proposals, [9.0] * 20) == {}
        assert to_bytes(proposer) == before

    def test_a_tell_may_come_late_and_in_any_order(self) -> None:
        proposer = self.make(ONE, 0)
        first, second = proposer.ask(10), proposer.ask(10)
        third = proposer.ask(3)
        for proposals in (second[::-1], third[:1], first[5:], first[:5]):
            proposer.tell(proposals, [in_some_way(p.expression) for p in proposals])
        names = {fingerprint(p.expression) for p in (*first, *second, *third)}
        assert len(names) == 23
        assert not names & {fingerprint(p.expression) for p in proposer.ask(10)}

    @pytest.mark.parametrize("failed", [0.0, math.nan, -math.inf, math.inf])
    def test_failures_are_survived(self, failed: float) -> None:
        proposer = self.make(ONE, 0)
        for _ in range(3):
            proposals = proposer.ask(10)
            logged = proposer.tell(proposals, [failed] * 10)
            assert len(proposals) == 10
            assert all(math.isfinite(number) for number in logged.values())

    def test_one_reward_belongs_to_each_proposal(self) -> None:
        proposer = self.make(ONE, 0)
        with pytest.raises(ValueError, match="shorter"):
            proposer.tell(proposer.ask(3), [1.0, 2.0])

    @pytest.mark.parametrize("batch", [1, 5, 40])
    def test_every_behaviour_is_asked_for_once_and_then_it_ends(self, batch: int) -> None:
        proposer = self.make(SMALL, 3)
        asked: list[str] = []
        while proposals := proposer.ask(batch):
            assert len(proposals) == min(batch, len(BEHAVIOURS) - len(asked))
            asked += [fingerprint(p.expression) for p in proposals]
            proposer.tell(proposals, [in_some_way(p.expression) for p in proposals])
        assert sorted(asked) == sorted(BEHAVIOURS)
        assert proposer.ask(batch) == []


class TestRandom(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return RandomProposer(space, seed)

    def test_every_unary_and_binary_is_drawn_evenly(self) -> None:
        proposer = RandomProposer(ONE, 0)
        tokens = torch.tensor([string for string, _ in zip(proposer.draws(100), range(20_000), strict=False)])
        for position, choices in ((2, 25), (3, 25), (4, 10)):
            counts = torch.bincount(tokens[:, position])
            counts = counts[counts > 0]
            expected = 20_000 / choices
            # five standard deviations of a binomial
            assert len(counts) == choices
            assert bool(((counts - expected).abs() < 5 * expected**0.5).all())


class TestExhaustive(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return ExhaustiveProposer(space, seed)

    def test_it_visits_every_string_once(self) -> None:
        walked = list(ExhaustiveProposer(ONE, 5).draws(1))
        assert len(walked) == len(set(walked)) == ONE.count(())

    def test_an_unfinished_walk_has_met_every_primitive(self) -> None:
        walk = ExhaustiveProposer(ONE, 5).draws(1)
        met = {token for tokens, _ in zip(walk, range(400), strict=False) for token in tokens}
        assert len(met) == ONE.vocabulary


class TestReinforce(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return Reinforce(space, seed, ReinforceSettings(warm_up=32), describe)


class TestPPO(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return PPO(space, seed, PPOSettings())


class TestRiskSeeking(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return RiskSeeking(space, seed, RiskSeekingSettings())


class TestRiskSeekingWithoutQueue(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return RiskSeeking(space, seed, RiskSeekingSettings(queue=0))


class TestEvolution(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return Evolution(space, seed, EvolutionSettings(population=10, tournament=4))


class TestSurrogateOfRandom(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return Surrogate(RandomProposer(space, seed), SurrogateSettings(candidates=20, first=5), describe)


class TestSurrogateOfReinforceInASmallRoom(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        inner = Reinforce(space, seed, ReinforceSettings(warm_up=32), describe)
        return Surrogate(inner, SurrogateSettings(candidates=20, first=5, room=10), describe)


@pytest.mark.parametrize("name", ["reinforce", "ppo", "risk_seeking", "evolution", "random", "exhaustive"])
def test_a_name_builds_its_proposer_and_the_surrogate_wraps_any(name: str) -> None:
    build: Callable[[ProposerSettings], Proposer] = lambda chosen: build_proposer(chosen, ONE, 0, describe)  # noqa: E731
    plain = build(ProposerSettings(name=name))  # type: ignore[arg-type]  # a name of the list above
    wrapped = build(ProposerSettings(name=name, surrogate=SurrogateSettings(use=True)))  # type: ignore[arg-type]
    assert isinstance(wrapped, Surrogate)
    assert type(wrapped.inner) is type(plain)
    assert len(plain.ask(3)) == len(wrapped.ask(3)) == 3
