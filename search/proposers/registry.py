"""The proposers by name, and the settings that choose one."""

import difflib
from collections.abc import Callable
from dataclasses import field, replace

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from actsearch.evaluators.own.user_code import BadOwnTask, find
from actsearch.grammar.fault import fault_text
from actsearch.grammar.plugins import installed, loaded
from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import ExhaustiveProposer, RandomProposer
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.evolution import Evolution, EvolutionSettings
from actsearch.search.proposers.foreign import BadProposer, ForeignProposer
from actsearch.search.proposers.knowledge import Knowledge
from actsearch.search.proposers.language_model import LanguageModel, LanguageModelSettings
from actsearch.search.proposers.ppo import PPO, PPOSettings
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.proposers.risk_seeking import RiskSeeking, RiskSeekingSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings

PROPOSERS: dict[str, Callable[[Space, int, "ProposerSettings", Knowledge], DrawingProposer]] = {
    "reinforce": lambda space, seed, settings, knowledge: Reinforce(space, seed, settings.reinforce, knowledge),
    "ppo": lambda space, seed, settings, knowledge: PPO(space, seed, settings.ppo),
    "risk_seeking": lambda space, seed, settings, knowledge: RiskSeeking(space, seed, settings.risk_seeking),
    "evolution": lambda space, seed, settings, knowledge: Evolution(space, seed, settings.evolution),
    "language_model": lambda space, seed, settings, knowledge: LanguageModel(space, seed, settings.language_model),
    "random": lambda space, seed, settings, knowledge: RandomProposer(space, seed),
    "exhaustive": lambda space, seed, settings, knowledge: ExhaustiveProposer(space, seed),
}
"""Name -> constructor of a proposer of this project."""
UNCHOSEN = ("random", "exhaustive")  # proposers whose order is their purpose: the surrogate is off by default


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ProposerSettings:
    """The proposer of a search.

    Args:
        name: reinforce, ppo, risk_seeking, evolution, language_model, random (the yardstick) or exhaustive; one that
            an installed package adds; or a class of yours, ``module:Class`` or ``file.py:Class``, called with (space,
            seed).
        reinforce, ppo, risk_seeking, evolution, language_model: settings of the proposer of this name.
        prior: whether the warm-up and the surrogate use what is known of functions on other problems.
        surrogate: settings of the model that chooses among the proposals.
    """

    name: str = "reinforce"
    prior: bool = True
    reinforce: ReinforceSettings = field(default_factory=ReinforceSettings)
    ppo: PPOSettings = field(default_factory=PPOSettings)
    risk_seeking: RiskSeekingSettings = field(default_factory=RiskSeekingSettings)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    language_model: LanguageModelSettings = field(default_factory=LanguageModelSettings)
    surrogate: SurrogateSettings = field(default_factory=SurrogateSettings)

    def __post_init__(self) -> None:
        """Check that the name is known, or a path to a class."""
        known = [*PROPOSERS, *installed("proposers")]
        if self.name.count(":") == 1 or self.name in known:
            return
        near = difflib.get_close_matches(self.name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(
            f"key 'proposer.name': expected one of {', '.join(known)}, or module:Class, found '{self.name}'{hint}"
        )


def completed_proposer(settings: ProposerSettings) -> ProposerSettings:
    """Return settings that say whether a surrogate is used."""
    use = settings.surrogate.use
    if use == "auto":
        use = settings.name in PROPOSERS and settings.name not in UNCHOSEN
    return replace(settings, surrogate=replace(settings.surrogate, use=use))


def build_proposer(
    settings: ProposerSettings, space: Space, seed: int, knowledge: Knowledge, given: Proposer | None = None
) -> Proposer:
    """Return the proposer that the settings name, inside the surrogate if they ask for one.

    Args:
        settings: name of the proposer, and its learning settings.
        space: space of the candidates.
        seed: seed of every draw.
        knowledge: what is known of functions without training, for the warm-up and the surrogate.
        given: proposer of the user's, which replaces that of the settings.

    Raises:
        BadProposer: a third-party proposer is missing, or the settings put it inside the surrogate.
        BadPlugin: the package that adds the proposer is broken.
    """
    settings = completed_proposer(settings)
    built_in = PROPOSERS.get(settings.name) if given is None else None
    if built_in is not None:
        inner = built_in(space, seed, settings, knowledge)
        return Surrogate(inner, settings.surrogate, knowledge) if settings.surrogate.use else inner
    if settings.surrogate.use:
        raise BadProposer("key 'proposer.surrogate.use': the surrogate stands before proposers of this project alone")
    if given is None:
        make = (
            loaded("proposers", settings.name) if settings.name in installed("proposers") else _of_user(settings.name)
        )
        try:
            given = make(space, seed)
        except Exception as fault:  # whatever a third-party class raises
            raise BadProposer(f"'{settings.name}': called with (space, seed) it raises {fault_text(fault)}") from fault
    return ForeignProposer(given, space)


def _of_user(path: str) -> Callable[[Space, int], Proposer]:
    try:
        return find(path)
    except BadOwnTask as fault:
        raise BadProposer(f"key 'proposer.name': {fault}") from fault
