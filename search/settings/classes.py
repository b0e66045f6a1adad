"""All settings of a search in one class; each other settings class stands in the module that uses it.

Not here: YAML (``reading``), the differences of two settings (``sentences``), and the plan they give (``search.plan``).
"""

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.sentences import spoken
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.ladder import FinalSettings, RungSettings, TransferSettings
from actsearch.search.proposers.registry import ProposerSettings
from actsearch.search.settings.space import SpaceSettings

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class BudgetSettings:
    """When the search stops.

    Args:
        children: number of behaviours to train; the batch that reaches it is finished.
        batch: number of proposals in a batch, after which the proposer learns once; a batch smaller than the number of
            workers leaves some idle.
        proposals: number of proposals after which the search gives up, if most are refused untrained.
        trainings: cost of the whole search, in trainings of the final rung's length; it sets children, ladder and final
            rung; null leaves them as they are.
    """

    children: Annotated[int, Field(ge=1)] = 150
    batch: Annotated[int, Field(ge=1)] = 4
    proposals: Annotated[int, Field(ge=1)] = 20_000
    trainings: Annotated[int, Field(ge=1)] | None = None


@spoken("")
@dataclass(frozen=True, config=_STRICT)
class SearchSettings:
    """Everything that a search depends on; ``pool`` alone does not change its result.

    Args:
        seed: seed of every random draw of the run, in [0, 2**63).
        ladder: rungs between the search and the final one, from the lowest up.
        transfer: other tasks on which the finalists are trained after the final rung.
        baselines: known activations or expressions, trained and ranked beside the candidates.
        incumbent: activation that every other one is compared with, itself a baseline; null is the activation that is
            replaced in the user's network, if it is known by name, else ReLU.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    space: SpaceSettings = field(default_factory=SpaceSettings)
    proposer: ProposerSettings = field(default_factory=ProposerSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    ladder: tuple[RungSettings, ...] = (RungSettings(),)
    final: FinalSettings = field(default_factory=FinalSettings)
    transfer: tuple[TransferSettings, ...] = ()
    baselines: tuple[str, ...] = ("relu", "swish", "gelu", "tanh")
    incumbent: str | None = None
