"""What every proposer promises, held by each through one contract."""

from collections.abc import Callable, Iterator

import pytest
import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import ExhaustiveProposer, RandomProposer
from actsearch.search.proposers.evolution import Evolution, EvolutionSettings
from actsearch.search.proposers.ppo import PPO, PPOSettings
from actsearch.search.proposers.proposer import Proposal, Proposer
from actsearch.search.proposers.registry import ProposerSettings, build_proposer
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.proposers.risk_seeking import RiskSeeking, RiskSeekingSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings
from actsearch.testing import ONE, SMALL, ProposerContract
from tests.search.knowing import Knowing


def _numbers(expression: Expression) -> list[float]:
    text = str(expression)
    return [float(text.count("x")), float(sum(map(ord, text)) % 7)]


KNOWING = Knowing(_numbers, lambda one: [len(str(one)) / 10 - 1, -1.0], lambda one: float(len(str(one)) % 5))


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
        return Reinforce(space, seed, ReinforceSettings(warm_up=32), KNOWING)


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
        return Surrogate(RandomProposer(space, seed), SurrogateSettings(candidates=20), KNOWING)


class TestSurrogateOfReinforceInASmallRoom(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        inner = Reinforce(space, seed, ReinforceSettings(warm_up=32), KNOWING)
        return Surrogate(inner, SurrogateSettings(candidates=20, room=10), KNOWING)


@pytest.mark.parametrize("name", ["reinforce", "ppo", "risk_seeking", "evolution", "random", "exhaustive"])
def test_a_name_builds_its_proposer_and_the_surrogate_wraps_any(name: str) -> None:
    build: Callable[[ProposerSettings], Proposer] = lambda chosen: build_proposer(chosen, ONE, 0, KNOWING)  # noqa: E731
    plain = build(ProposerSettings(name=name, surrogate=SurrogateSettings(use=False)))
    wrapped = build(ProposerSettings(name=name, surrogate=SurrogateSettings(use=True)))
    assert isinstance(wrapped, Surrogate)
    assert type(wrapped.inner) is type(plain)
    assert len(plain.ask(3)) == len(wrapped.ask(3)) == 3


def test_an_exhausted_space_is_listed_once_behind_a_surrogate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = RandomProposer(SMALL, 0)
    listings, listing = [], inner._uniform_draws

    def counted() -> Iterator[tuple[Proposal, str]]:
        listings.append(1)
        return listing()

    monkeypatch.setattr(inner, "_uniform_draws", counted)
    proposer = Surrogate(inner, SurrogateSettings(candidates=6250), KNOWING)
    while batch := proposer.ask(3):
        proposer.tell(batch, [1.0] * len(batch))
    assert len(listings) == 1
