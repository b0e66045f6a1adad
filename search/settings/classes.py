"""All settings of a search, put together; each settings class stands beside what it sets.

Not here: YAML (``reading``), what is said of wrong ones (``sentences``), and what they become (``search.plan``).
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
    """When to stop asking.

    Args:
        children: behaviours to train; the batch that reaches the number is finished.
        batch: proposals a batch, after which the proposer learns once; fewer than there are workers leaves some idle.
        proposals: give up after so many, where most of them are refused untrained.
        trainings: what the whole search may cost, in trainings of the final rung's length: sets children, ladder and
            final rung; null leaves them as they are.
    """

    children: Annotated[int, Field(ge=1)] = 300
    batch: Annotated[int, Field(ge=1)] = 4
    proposals: Annotated[int, Field(ge=1)] = 20_000
    trainings: Annotated[int, Field(ge=1)] | None = None


@spoken("")
@dataclass(frozen=True, config=_STRICT)
class SearchSettings:
    """Everything that a search depends on; ``pool`` alone does not change its result.

    Args:
        seed: of every draw of the run, in [0, 2**63).
        ladder: rungs between the search and the final one, from below.
        transfer: where the finalists are trained besides, when the ladder is climbed.
        baselines: known activations or expressions, trained and ranked beside the candidates.
        incumbent: that everything is compared with, a baseline too; null is what is replaced in a network of the user's
            where that has a name here, else the rectifier.
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
