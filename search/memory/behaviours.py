"""What was met in a run, and as what it is trained: decided when it is first met, kept in the store, read by everybody.

Not here: what a behaviour does (``grammar.behaviour``) and what came of it (``trainings``).
"""

from collections.abc import Iterable
from typing import Literal

from actsearch.evaluators.activation import Activation
from actsearch.search.memory.records import Behaviour

Share = Literal["none", "signs", "all"]


class Behaviours:
    """Every behaviour of one run by its fingerprint.

    *Proposed* is what the proposer asked for, *baseline* what the run added for comparison; what was found is proposed
    and no baseline.

    Args:
        rows: that are known already, in the order of their coming.
        share: which twins are trained as one; see ``SpaceSettings.share_twins``.
        proposed: what proposals were trained as so far.
    """

    def __init__(self, rows: Iterable[Behaviour], share: Share = "signs", proposed: Iterable[str] = ()) -> None:
        self.share = share
        self._rows: dict[str, Behaviour] = {}
        self._first: dict[str, str] = {}  # twin -> the fingerprint that came first
        self.proposed = dict.fromkeys(proposed)
        """What proposals were trained as, in the order of asking."""
        for row in rows:
            self._keep(row)

    def _keep(self, row: Behaviour) -> Behaviour:
        self._first.setdefault(row.twin, row.trained_as)
        return self._rows.setdefault(row.fingerprint, row)

    def meet(self, activation: Activation, *, baseline: bool) -> Behaviour:
        """Return what is met, with what it is trained as; what was met before stays as it is."""
        if activation.identity in self._rows:
            return self._rows[activation.identity]
        twin = activation.twin(constants=self.share != "signs")
        trained_as = activation.identity if self.share == "none" else self._first.get(twin, activation.identity)
        return self._keep(Behaviour(activation.identity, activation.text, baseline, twin, trained_as))

    def propose(self, activation: Activation) -> Behaviour:
        """Return what is met by a proposal."""
        found = self.meet(activation, baseline=False)
        self.proposed.setdefault(found.trained_as)
        return found

    def text(self, fingerprint: str) -> str:
        """Return the text that is trained."""
        return self._rows[fingerprint].expression

    def trained_as(self, fingerprint: str) -> str:
        """Return the fingerprint whose outcomes a behaviour has."""
        return self._rows[fingerprint].trained_as

    def is_baseline(self, fingerprint: str) -> bool:
        """Return whether the run added it for comparison."""
        return self._rows[fingerprint].baseline

    @property
    def baselines(self) -> list[str]:
        """What baselines are trained as, in their order."""
        return [*dict.fromkeys(row.trained_as for row in self._rows.values() if row.baseline)]
