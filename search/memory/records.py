"""What a run remembers, as small frozen values. Not here: the file that keeps them (``store``)."""

from dataclasses import dataclass

from actsearch.evaluators.outcome import Outcome, Request, child_seed
from actsearch.evaluators.printable import printable
from actsearch.evaluators.settings import CompleteSettings

SEARCH, FINAL = "search", "final"
"""The first rung and the last of the ladder; those between are ``rung 1`` and on, later ones are other tasks."""
ASKED = "asked"  # the fact of a run: what the search command was given
UNIT = "unit"  # the fact of a run: what the scores of an own network are in
REPLACED = "replaced"  # the fact of a run: what the candidate takes the place of in a network of the user's
INCUMBENT = "incumbent"  # the fact of a run: the fingerprint of what everything is compared with
CLIMBED = "climbed"  # the fact of a run whose finalists are trained
FINISHED = "finished"  # and which was transferred where it should be
ENTRANTS = "entrants"  # with a number, the facts of a race: who was to be judged from then on, in the order of promise
RACED = "raced"  # the fact of a run whose losses decided how many seeds each finalist has


@dataclass(frozen=True)
class Rung:
    """One way of training: every behaviour that reaches it is trained so, candidates and baselines alike.

    Args:
        name: ``search``, ``rung 1`` and on, ``final``, or the other task that finalists were transferred to.
        task: data, child and steps.
        seeds: children of each behaviour.
        test: whether the test split is looked at as well; nothing that still chooses does.
        key: what its seeds are made of, where that is not the name: prose may be reworded.
    """

    name: str
    task: CompleteSettings
    seeds: int
    test: bool
    key: str = ""

    def __post_init__(self) -> None:
        """A name can be printed."""
        object.__setattr__(self, "name", printable(self.name))  # frozen for everybody else

    def seed(self, run_seed: int, fingerprint: str, repeat: int) -> int:
        """Return a child's seed: in the search of its own, later the same for everybody, so that losses are paired."""
        return child_seed(run_seed, fingerprint if self.name == SEARCH else self.key or self.name, repeat)


@dataclass(frozen=True)
class Key:
    """Which child: a behaviour, the rung it was trained on, and the repeat within the rung."""

    fingerprint: str
    rung: str
    repeat: int


@dataclass(frozen=True)
class Record:
    """A stored outcome with what was asked."""

    key: Key
    request: Request
    outcome: Outcome


@dataclass(frozen=True)
class Behaviour:
    """What was met under one fingerprint: proposed, a baseline, or both.

    Args:
        fingerprint: its identity.
        expression: the first text that behaved so.
        baseline: whether the run added it for comparison.
        twin: shared by what the layers around an activation make equal.
        trained_as: the fingerprint whose outcomes it has: its own, or that of the twin that came first.
    """

    fingerprint: str
    expression: str
    baseline: bool
    twin: str
    trained_as: str

    @property
    def row(self) -> tuple[str, str, int, str, str]:
        """Return its row in the store."""
        return self.fingerprint, self.expression, int(self.baseline), self.twin, self.trained_as


@dataclass(frozen=True)
class StoredProposal:
    """One row of what was proposed."""

    batch: int
    tokens: tuple[int, ...]
    expression: str
    fingerprint: str
