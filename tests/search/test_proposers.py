"""What every proposer promises, held by each through one contract; and that the controller learns."""

import pytest
import torch

from grammar.known import read
from grammar.parse import parse
from grammar.shape import core_units
from grammar.space import Space
from grammar.swish2017 import BINARY, SWISH2017, UNARY
from search.controller import Controller
from search.proposer import Proposal, Proposer, RandomProposer
from search.reinforce import Reinforce, ReinforceSettings

ONE, TWO = (Space(core_units(units), UNARY, BINARY) for units in (1, 2))


class ProposerContract:
    """Inherited by a test class per proposer; ``make`` builds it."""

    def make(self, space: Space, seed: int) -> Proposer:
        raise NotImplementedError

    @pytest.mark.parametrize("space", [ONE, TWO], ids=["one unit", "two units"])
    def test_every_proposal_is_legal_and_means_its_tokens(self, space: Space) -> None:
        for proposal in self.make(space, 0).ask(40):
            assert space.decode(proposal.tokens) == proposal.expression
            assert parse(str(proposal.expression), SWISH2017) == proposal.expression

    def test_the_same_seed_proposes_the_same_and_another_seed_differs(self) -> None:
        first, again, other = (self.make(ONE, seed).ask(20) for seed in (4, 4, 5))
        assert first == again
        assert first != other

    def test_state_is_saved_and_restored_bit_for_bit(self) -> None:
        proposer, copy = self.make(ONE, 1), self.make(ONE, 99)
        for _ in range(3):
            proposals = proposer.ask(8)
            proposer.tell(proposals, [0.1 * i for i in range(8)])
        copy.from_bytes(proposer.to_bytes())
        for _ in range(2):
            proposals = proposer.ask(8)
            assert copy.ask(8) == proposals
            rewards = [float(len(str(p.expression))) for p in proposals]
            assert proposer.tell(proposals, rewards) == copy.tell(proposals, rewards)
        assert proposer.to_bytes() == copy.to_bytes()

    def test_a_tell_may_be_empty_repeated_or_of_strangers(self) -> None:
        proposer = self.make(ONE, 0)
        stranger = read("gate(scale(x),x)")
        strangers = [Proposal(ONE.encode(stranger), stranger)] * 2
        proposer.tell([], [])
        proposer.tell(strangers, [1.0, 1.0])
        proposer.tell(strangers, [0.0, 0.0])
        assert len(proposer.ask(3)) == 3


class TestRandom(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return RandomProposer(space, seed)

    def test_every_unary_and_binary_is_drawn_evenly(self) -> None:
        tokens = RandomProposer(ONE, 0).sample(20_000)
        for position, choices in ((2, 25), (3, 25), (4, 10)):
            counts = torch.bincount(tokens[:, position])
            counts = counts[counts > 0]
            expected = 20_000 / choices
            # five standard deviations of a binomial
            assert len(counts) == choices
            assert bool(((counts - expected).abs() < 5 * expected**0.5).all())


class TestReinforce(ProposerContract):
    def make(self, space: Space, seed: int) -> Proposer:
        return Reinforce(space, seed, ReinforceSettings())


def test_a_scored_string_has_the_probability_it_was_drawn_with() -> None:
    generator = torch.Generator().manual_seed(0)
    controller = Controller(TWO, 16, 8, generator)
    tokens, drawn, _ = controller._run(50, None, generator)
    scored, entropy = controller.score(tokens)
    torch.testing.assert_close(scored, drawn, rtol=0, atol=0)
    assert entropy.shape == (50, 10)


def test_the_probabilities_of_all_strings_add_up_to_one() -> None:
    rows = {row.name: row for row in SWISH2017}
    space = Space(core_units(2), (rows["identity"], rows["sin"]), (rows["add"], rows["max"]))
    strings = torch.cartesian_prod(
        *(torch.arange(len(space.choices(p))) + space.offset(p.kind) for p in space.shape.positions)
    )
    controller = Controller(space, 8, 4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        log_probability, _ = controller.score(strings)
    torch.testing.assert_close(log_probability.double().exp().sum(), torch.tensor(1.0, dtype=torch.float64))


def _share_of_the_planted(learning_rate: float) -> float:
    """Reward the share of right choices; return how often the whole planted string is written at the end."""
    planted = ONE.encode(read("max(x,sigmoid(x))"))
    proposer = Reinforce(ONE, 3, ReinforceSettings(learning_rate=learning_rate, entropy=0.05))
    for _ in range(120):
        proposals = proposer.ask(16)
        right = [sum(a == b for a, b in zip(p.tokens, planted, strict=True)) for p in proposals]
        proposer.tell(proposals, [(count - 2) / 3 + (count == 5) for count in right])
    return sum(p.tokens == planted for p in proposer.ask(100)) / 100


def test_the_controller_finds_a_planted_optimum_and_a_frozen_one_does_not() -> None:
    assert _share_of_the_planted(0.01) > 0.5
    assert _share_of_the_planted(0.0) < 0.05  # 1 in 6,250 by chance


def test_the_baseline_is_the_exponential_moving_average_of_rewards() -> None:
    proposer = Reinforce(ONE, 0, ReinforceSettings(baseline_decay=0.75))
    proposals = proposer.ask(2)
    assert proposer.tell(proposals, [1.0, 3.0])["baseline"] == pytest.approx(2.0)
    assert proposer.tell(proposals, [4.0, 8.0])["baseline"] == pytest.approx(0.75 * 2 + 0.25 * 6)
