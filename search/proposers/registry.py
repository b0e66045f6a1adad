"""The proposers by name, and the settings that choose one."""

from dataclasses import field
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import ExhaustiveProposer, RandomProposer
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.evolution import Evolution, EvolutionSettings
from actsearch.search.proposers.ppo import PPO, PPOSettings
from actsearch.search.proposers.proposer import Describe, Proposer
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.proposers.risk_seeking import RiskSeeking, RiskSeekingSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ProposerSettings:
    """Who proposes.

    Args:
        name: which of them; ``random`` is the yardstick.
        reinforce, ppo, risk_seeking, evolution: how each of them learns.
        surrogate: whether a model chooses among what is proposed, and how.
    """

    name: Literal["reinforce", "ppo", "risk_seeking", "evolution", "random", "exhaustive"] = "reinforce"
    reinforce: ReinforceSettings = field(default_factory=ReinforceSettings)
    ppo: PPOSettings = field(default_factory=PPOSettings)
    risk_seeking: RiskSeekingSettings = field(default_factory=RiskSeekingSettings)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    surrogate: SurrogateSettings = field(default_factory=SurrogateSettings)


def build_proposer(settings: ProposerSettings, space: Space, seed: int, describe: Describe) -> Proposer:
    """Return the proposer that the settings name, behind the surrogate where they ask for one.

    Args:
        settings: which, and how it learns.
        space: what may be proposed.
        seed: of every draw.
        describe: what is known of a function without training it, for the warm-up and the surrogate.
    """
    inner = _named(settings, space, seed, describe)
    return Surrogate(inner, settings.surrogate, describe) if settings.surrogate.use else inner


def _named(settings: ProposerSettings, space: Space, seed: int, describe: Describe) -> DrawingProposer:
    match settings.name:
        case "reinforce":
            return Reinforce(space, seed, settings.reinforce, describe)
        case "ppo":
            return PPO(space, seed, settings.ppo)
        case "risk_seeking":
            return RiskSeeking(space, seed, settings.risk_seeking)
        case "evolution":
            return Evolution(space, seed, settings.evolution)
        case "random":
            return RandomProposer(space, seed)
        case "exhaustive":
            return ExhaustiveProposer(space, seed)
