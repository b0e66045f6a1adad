"""Tuners of others as proposers: Optuna's samplers over the choices of a string, for replays on the panel.

``pip install optuna==5.0.0``. A string whose behaviour has no loss in the table fails at no cost. A behaviour that is
proposed again has its reward again at no cost. A sampler that repeats itself makes way for chance, for the rest of a
batch. All three favour the tuner. Not here: the replays (``contest``).
"""

from collections.abc import Collection, Sequence
from typing import Any

import optuna
import torch

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.space import Space
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

MOST = 400  # asks for one batch before chance takes over: by chance 16 meet a function of the sample


class OptunaProposer:
    """A ``Proposer`` that asks an Optuna study for a token a position.

    Args:
        space: space of the candidates.
        sampler: sampler of the study.
        trainable: fingerprints of the behaviours that may be trained.
    """

    def __init__(self, space: Space, sampler: optuna.samplers.BaseSampler, trainable: Collection[str]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.trainable = space, trainable
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.sampler, self.chance = sampler, optuna.samplers.RandomSampler(seed=0)
        self.trials: dict[str, optuna.Trial] = {}
        self.rewards: dict[str, float] = {}

    def ask(self, count: int) -> list[Proposal]:
        """Return proposals of behaviours never proposed before; fewer when none are left."""
        batch: list[Proposal] = []
        for number in range(2 * MOST):
            self.study.sampler = self.sampler if number < MOST else self.chance
            trial = self.study.ask()
            tokens = self._string(trial)
            proposal = Proposal(tokens, self.space.decode(tokens))
            behaviour = fingerprint(proposal.expression)
            if behaviour in self.rewards:
                self.study.tell(trial, self.rewards[behaviour])
            elif behaviour not in self.trainable or behaviour in self.trials:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self.trials[behaviour] = trial
                batch.append(proposal)
                if len(batch) == count:
                    break
        return batch

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Tell the study the rewards."""
        for proposal, reward in zip(proposals, rewards, strict=True):
            behaviour = fingerprint(proposal.expression)
            if behaviour in self.trials:
                self.rewards[behaviour] = reward
                self.study.tell(self.trials.pop(behaviour), reward)
        return {}

    def state(self) -> dict[str, Any]:
        """Return nothing: a replay is not resumed."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Load nothing."""

    def _string(self, trial: optuna.Trial) -> Tokens:
        tokens: Tokens = ()
        for position in range(self.space.length):
            mask = self.space.mask(torch.tensor([tokens], dtype=torch.int64).reshape(1, position))[0]
            legal = torch.nonzero(mask).flatten().tolist()
            choice = trial.suggest_categorical(f"position {position}", legal) if len(legal) > 1 else legal[0]
            tokens = (*tokens, choice)
        return tokens
