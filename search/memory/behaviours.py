"""The behaviours of a run, each with the behaviour that it is trained as, which is decided at its first appearance.

The store keeps these rows. Not here: what a behaviour does (``grammar.behaviour``), and its outcomes (``trainings``).
"""

from collections.abc import Iterable
from typing import Literal

from actsearch.evaluators.activation import Activation
from actsearch.search.memory.records import Behaviour

Share = Literal["none", "signs", "all"]


class Behaviours:
    """Every behaviour of one run by its fingerprint.

    A *proposed* behaviour comes from the proposer; a *baseline* was added by the run for comparison. A find is a
    proposed behaviour that is no baseline.

    Args:
        rows: known behaviours, in the order of their first appearance.
        share: kind of twins that are trained as one; see ``SpaceSettings.share_twins``.
        proposed: fingerprints that proposals were trained as so far.
    """

    def __init__(self, rows: Iterable[Behaviour], share: Share = "signs", proposed: Iterable[str] = ()) -> None:
        self.share = share
        self._rows: dict[str, Behaviour] = {}
        self._first: dict[str, str] = {}  # twin -> the fingerprint that came first
        self.proposed = dict.fromkeys(proposed)
        """Fingerprints that proposals were trained as, in the order of the proposals."""
        for row in rows:
            self._keep(row)

    def _keep(self, row: Behaviour) -> Behaviour:
        self._first.setdefault(row.twin, row.trained_as)
        return self._rows.setdefault(row.fingerprint, row)

    def meet(self, activation: Activation, *, baseline: bool) -> Behaviour:
        """Return the row of an activation, and add one if it is new; a known row stays as it is."""
        if activation.identity in self._rows:
            return self._rows[activation.identity]
        twin = activation.twin(constants=self.share != "signs")
        trained_as = activation.identity if self.share == "none" else self._first.get(twin, activation.identity)
        return self._keep(Behaviour(activation.identity, activation.text, baseline, twin, trained_as))

    def propose(self, activation: Activation) -> Behaviour:
        """Return the row of a proposed activation, and mark it as proposed."""
        behaviour = self.meet(activation, baseline=False)
        self.proposed.setdefault(behaviour.trained_as)
        return behaviour

    def text(self, fingerprint: str) -> str:
        """Return the expression of a behaviour."""
        return self._rows[fingerprint].expression

    def trained_as(self, fingerprint: str) -> str:
        """Return the fingerprint whose outcomes a behaviour has."""
        return self._rows[fingerprint].trained_as

    def is_baseline(self, fingerprint: str) -> bool:
        """Return whether the run added a behaviour for comparison."""
        return self._rows[fingerprint].baseline

    @property
    def baselines(self) -> list[str]:
        """Fingerprints that the baselines are trained as, in the order of the baselines."""
        return [*dict.fromkeys(row.trained_as for row in self._rows.values() if row.baseline)]
