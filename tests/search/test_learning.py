"""The learning proposers learn, each in its own way, and the controller is the distribution it says it is."""

import statistics
from collections import deque
from collections.abc import Callable

import pytest
import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import read
from actsearch.grammar.rows.swish2017 import BINARY, SWISH2017, UNARY
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from actsearch.search.proposers.baseline import Baseline
from actsearch.search.proposers.chance import RandomProposer
from actsearch.search.proposers.controller import Controller
from actsearch.search.proposers.evolution import Evolution, EvolutionSettings
from actsearch.search.proposers.policy import ControllerSettings, Policy
from actsearch.search.proposers.ppo import PPO, PPOSettings
from actsearch.search.proposers.proposer import Proposal, Proposer, Tokens
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.proposers.risk_seeking import RiskSeeking, RiskSeekingSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings
from tests.search.knowing import Knowing

ONE, TWO = (Space(core_units(units), UNARY, BINARY) for units in (1, 2))
PLANTED = ONE.encode(read("gate(atan(x),sinc(x))"))  # no other string behaves so
ENOUGH = 400  # of 3,995 behaviours


def closeness(tokens: Tokens) -> float:
    """Return how many of the planted string's tokens are there."""
    return float(sum(a == b for a, b in zip(tokens, PLANTED, strict=True)))


def trainings_to_the_planted(proposer: Proposer) -> int:
    trained = 0
    while trained < ENOUGH:
        proposals = proposer.ask(8)
        for place, proposal in enumerate(proposals, start=1):
            if proposal.tokens == PLANTED:
                return trained + place
        proposer.tell(proposals, [closeness(proposal.tokens) for proposal in proposals])
        trained += len(proposals)
    return ENOUGH


def _numbers(expression: Expression) -> list[float]:
    """Return what matters, among other numbers."""
    tokens = ONE.encode(expression)
    return [*(float(a == b) for a, b in zip(tokens, PLANTED, strict=True)), float(sum(tokens) % 5)]


KNOWING = Knowing(_numbers)
UNWARMED = ReinforceSettings(warm_up=0)
FROZEN = ControllerSettings(learning_rate=0.0)
MAKERS: dict[str, Callable[[int], Proposer]] = {
    "reinforce": lambda seed: Reinforce(ONE, seed, UNWARMED, KNOWING),
    "ppo": lambda seed: PPO(ONE, seed, PPOSettings()),
    "risk_seeking": lambda seed: RiskSeeking(ONE, seed, RiskSeekingSettings()),
    "evolution": lambda seed: Evolution(ONE, seed, EvolutionSettings()),
    "surrogate": lambda seed: Surrogate(RandomProposer(ONE, seed), SurrogateSettings(fresh=32), KNOWING),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_planted_optimum_is_found_far_sooner_than_by_chance(name: str) -> None:
    # drawn evenly, one of 6,250 strings is met within 300 in one search of twenty
    assert statistics.median(trainings_to_the_planted(MAKERS[name](seed)) for seed in range(3)) < 300


def test_a_frozen_controller_does_not_find_it() -> None:
    settings = ReinforceSettings(controller=FROZEN, warm_up=0)
    assert (
        statistics.median(trainings_to_the_planted(Reinforce(ONE, seed, settings, KNOWING)) for seed in range(3))
        == ENOUGH
    )


def test_a_scored_string_has_the_probability_it_was_drawn_with() -> None:
    generator = torch.Generator().manual_seed(0)
    controller = Controller(TWO, 16, 8, generator)
    tokens, drawn = controller._run(50, None, generator)
    scored = controller.score(tokens)
    torch.testing.assert_close(scored.log_probability, drawn.log_probability, rtol=0, atol=0)
    assert scored.entropy.shape == (50, 10)


def test_the_probabilities_of_all_strings_add_up_to_one() -> None:
    rows = {row.name: row for row in SWISH2017}
    space = Space(core_units(2), (rows["identity"], rows["sin"]), (rows["add"], rows["max"]))
    strings = torch.tensor([space.string(number) for number in range(space.count(()))])
    controller = Controller(space, 8, 4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        log_probability = controller.score(strings).log_probability
    torch.testing.assert_close(log_probability.double().exp().sum(), torch.tensor(1.0, dtype=torch.float64))


def test_a_controller_tells_entropy_and_probabilities_of_each_choice() -> None:
    policy = Policy(TWO, ControllerSettings(), torch.Generator().manual_seed(1))
    strings = [tokens for tokens, _ in zip(policy.draws(30), range(30), strict=False)]
    scores = policy.score(strings)
    facts = policy.facts(scores)
    assert facts["entropy"] == pytest.approx(scores.entropy.sum(1).mean().item())
    for position, choices in (("unit_1_unary_2", 25), ("unit_2_input_1", 2), ("unit_2_binary", 10)):
        probabilities = [p for name, p in facts.items() if name.startswith(f"probability/{position}/")]
        assert len(probabilities) == choices
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-3)
    assert "entropy/unit_1_input_1" not in facts  # there is nothing to choose


def test_the_baseline_is_the_exponential_moving_average_of_rewards() -> None:
    baseline = Baseline(0.75)
    baseline.move([1.0, 3.0])
    torch.testing.assert_close(baseline.advantages([1.0, 3.0]), torch.tensor([-1.0, 1.0]))
    assert baseline.mean == pytest.approx(2.0)
    baseline.move([4.0, 8.0])
    assert baseline.mean == pytest.approx(0.75 * 2 + 0.25 * 6)
    spread = (0.9 * 1.0 + 0.1 * (2**2 + 6**2) / 2) ** 0.5
    torch.testing.assert_close(baseline.advantages([4.0, 8.0]), torch.tensor([2.0, 6.0]) / spread)


def test_a_warm_up_learns_what_strings_promise_and_keeps_no_promise_as_a_reward() -> None:
    promising = Knowing(elsewhere=lambda expression: [float(str(expression).startswith("gate("))])
    warm, cold = (Reinforce(ONE, 0, ReinforceSettings(warm_up=strings), promising) for strings in (320, 0))
    gates = [sum(str(p.expression).startswith("gate(") for p in proposer.ask(60)) for proposer in (warm, cold)]
    assert gates[0] > 3 * gates[1]
    assert (warm.memory, warm.baseline.before) == ([], None)


def test_without_knowledge_there_is_no_warm_up() -> None:
    unwarmed = Reinforce(ONE, 0, ReinforceSettings(warm_up=320), Knowing())
    before = [value.clone() for value in unwarmed.policy.controller.parameters()]
    unwarmed.ask(4)
    assert all(map(torch.equal, before, unwarmed.policy.controller.parameters()))


def test_equal_rewards_say_nothing() -> None:
    baseline = Baseline(0.5)
    baseline.move([0.0, 0.0])
    assert baseline.advantages([0.0, 0.0]).tolist() == [0.0, 0.0]


def _probability(proposer: Reinforce | PPO | RiskSeeking, proposal: Proposal) -> float:
    return proposer.policy.score([proposal.tokens]).log_probability.item()


@pytest.mark.parametrize(
    "proposer",
    [
        Reinforce(ONE, 1, ReinforceSettings(controller=ControllerSettings(entropy=0.0), warm_up=0), KNOWING),
        PPO(ONE, 1, PPOSettings(controller=ControllerSettings(entropy=0.0))),
        RiskSeeking(ONE, 1, RiskSeekingSettings(controller=ControllerSettings(entropy=0.0))),
    ],
    ids=lambda proposer: type(proposer).__name__,
)
def test_what_was_rewarded_becomes_likelier(proposer: Reinforce | PPO | RiskSeeking) -> None:
    proposals = proposer.ask(10)
    before = _probability(proposer, proposals[3])
    proposer.tell(proposals, [5.0 if place == 3 else 0.0 for place in range(10)])
    assert _probability(proposer, proposals[3]) > before


def test_a_step_of_ppo_stays_within_its_range() -> None:
    def moved(width: float) -> float:
        settings = PPOSettings(controller=ControllerSettings(entropy=0.0, learning_rate=0.01), range=width, epochs=20)
        proposer = PPO(ONE, 2, settings)
        proposals = proposer.ask(10)
        return proposer.tell(proposals, [float(place) for place in range(10)])["policy_change"]

    assert moved(0.02) < moved(0.9) / 2


def test_risk_seeking_learns_from_the_best_share_and_the_queue_alone() -> None:
    settings = RiskSeekingSettings(controller=FROZEN, share=0.25, window=8, queue=3)
    proposer = RiskSeeking(ONE, 0, settings)
    rewards = [0.0, 5.0, 1.0, 4.0, 2.0, 3.0, 0.5, 0.1]
    assert proposer.tell(proposer.ask(8), rewards)["threshold"] == 4.0
    assert sorted(reward for reward, _ in proposer.queue) == [3.0, 4.0, 5.0]
    assert proposer.tell(proposer.ask(8), [0.0] * 8)["threshold"] == 0.0  # the window has moved on
    assert sorted(reward for reward, _ in proposer.queue) == [3.0, 4.0, 5.0]  # the queue has not


def test_in_evolution_the_oldest_dies_however_good_and_children_differ_in_one_token() -> None:
    proposer = Evolution(ONE, 0, EvolutionSettings(population=4, tournament=60))
    first = proposer.ask(4)
    proposer.tell(first, [9.0, 1.0, 2.0, 3.0])
    children = [tokens for tokens, _ in zip(proposer.draws(8), range(8), strict=False)]
    assert all(sum(a != b for a, b in zip(child, first[0].tokens, strict=True)) <= 1 for child in children)
    proposer.tell(proposer.ask(1), [0.0])
    assert isinstance(proposer.living, deque)
    assert max(reward for reward, _ in proposer.living) == 3.0
