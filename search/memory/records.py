"""The stored values of a run, as small frozen classes. Not here: the file that stores them (``store``)."""

from dataclasses import dataclass

from actsearch.evaluators.outcome import Outcome, Request, child_seed
from actsearch.evaluators.printable import printable
from actsearch.evaluators.settings import CompleteSettings

SEARCH, FINAL = "search", "final"
"""The first and the last rung of the ladder; those between are ``rung 1`` and so on; other tasks follow the last."""
ASKED = "asked"  # fact: the arguments of the search command
UNIT = "unit"  # fact: the unit of the scores of a user's network
REPLACED = "replaced"  # fact: the layers that the candidate replaces in a user's network
INCUMBENT = "incumbent"  # fact: the fingerprint of the incumbent
CLIMBED = "climbed"  # fact: the finalists are trained
FINISHED = "finished"  # fact: the finalists are trained, also on the other tasks that they transfer to
ENTRANTS = "entrants"  # with a number, facts: the functions that a race judges from then on, in the order of promise
RACED = "raced"  # fact: the losses decided how many seeds each finalist has


@dataclass(frozen=True)
class Rung:
    """One way of training, the same for every behaviour that reaches it, candidates and baselines alike.

    Args:
        name: ``search``, ``rung 1`` and so on, ``final``, or the name of another task that finalists transfer to.
        task: settings of the data, the child and the number of steps.
        seeds: number of children of each behaviour.
        test: whether the test split is used as well; a rung that still chooses functions never uses it.
        key: text that its seeds derive from; empty stands for the name. A name may be reworded, the key stays.
    """

    name: str
    task: CompleteSettings
    seeds: int
    test: bool
    key: str = ""

    def __post_init__(self) -> None:
        """Make the name printable."""
        object.__setattr__(self, "name", printable(self.name))  # the class is frozen

    def seed(self, run_seed: int, fingerprint: str, repeat: int) -> int:
        """Return a child's seed: in the search its own, on later rungs shared by all, so that losses are paired."""
        return child_seed(run_seed, fingerprint if self.name == SEARCH else self.key or self.name, repeat)


@dataclass(frozen=True)
class Key:
    """The key of a child: its behaviour, its rung, and the repeat within the rung."""

    fingerprint: str
    rung: str
    repeat: int


@dataclass(frozen=True)
class Record:
    """A stored outcome with its request."""

    key: Key
    request: Request
    outcome: Outcome


@dataclass(frozen=True)
class Behaviour:
    """One behaviour of a run: proposed, a baseline, or both.

    Args:
        fingerprint: identity of the behaviour.
        expression: first text with this behaviour.
        baseline: whether the run added it for comparison.
        twin: key shared by functions that neighbouring layers make equal.
        trained_as: fingerprint whose outcomes it has: its own, or that of its first twin.
    """

    fingerprint: str
    expression: str
    baseline: bool
    twin: str
    trained_as: str

    @property
    def row(self) -> tuple[str, str, int, str, str]:
        """Row of the behaviour in the store."""
        return self.fingerprint, self.expression, int(self.baseline), self.twin, self.trained_as


@dataclass(frozen=True)
class StoredProposal:
    """One proposal as stored."""

    batch: int
    tokens: tuple[int, ...]
    expression: str
    fingerprint: str
