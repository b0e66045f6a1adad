"""An activation search engine: the public names of ``import actsearch``.

Each name is loaded at its first use, so that the import is fast. Names that are not listed here may change without
notice. The command line does the same jobs.
"""

import importlib
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actsearch.evaluators.activation import Activation, Vocabulary
    from actsearch.evaluators.outcome import Outcome, Request, Status
    from actsearch.evaluators.own.swap import replace_activations
    from actsearch.evaluators.own.swap_report import Replacement
    from actsearch.evaluators.settings import CompleteSettings, OwnSettings, TaskSettings
    from actsearch.evaluators.task import Task
    from actsearch.grammar.expression import Expression
    from actsearch.grammar.fault import Failed, UserFault
    from actsearch.grammar.primitive import Primitive
    from actsearch.grammar.space import Space
    from actsearch.jobs import describe, evaluate, export, launch, load, read, read_function
    from actsearch.run import Figure, Run, open_run
    from actsearch.search.proposers.proposer import Proposal, Proposer
    from actsearch.search.ranking.entry import Entry
    from actsearch.search.ranking.leaderboard import Leaderboard
    from actsearch.search.settings.classes import SearchSettings
    from actsearch.study import Study
    from actsearch.trial import Trial

__version__ = metadata.version("actsearch")

_HOMES = {
    "Activation": "evaluators.activation",
    "CompleteSettings": "evaluators.settings",
    "Entry": "search.ranking.entry",
    "Expression": "grammar.expression",
    "Failed": "grammar.fault",
    "Figure": "run",
    "Leaderboard": "search.ranking.leaderboard",
    "Outcome": "evaluators.outcome",
    "OwnSettings": "evaluators.settings",
    "Primitive": "grammar.primitive",
    "Proposal": "search.proposers.proposer",
    "Proposer": "search.proposers.proposer",
    "Replacement": "evaluators.own.swap_report",
    "Request": "evaluators.outcome",
    "Run": "run",
    "SearchSettings": "search.settings.classes",
    "Space": "grammar.space",
    "Status": "evaluators.outcome",
    "Study": "study",
    "Task": "evaluators.task",
    "TaskSettings": "evaluators.settings",
    "Trial": "trial",
    "UserFault": "grammar.fault",
    "Vocabulary": "evaluators.activation",
    "describe": "jobs",
    "evaluate": "jobs",
    "export": "jobs",
    "launch": "jobs",
    "load": "jobs",
    "open_run": "run",
    "read": "jobs",
    "read_function": "jobs",
    "replace_activations": "evaluators.own.swap",
}

__all__ = [
    "Activation",
    "CompleteSettings",
    "Entry",
    "Expression",
    "Failed",
    "Figure",
    "Leaderboard",
    "Outcome",
    "OwnSettings",
    "Primitive",
    "Proposal",
    "Proposer",
    "Replacement",
    "Request",
    "Run",
    "SearchSettings",
    "Space",
    "Status",
    "Study",
    "Task",
    "TaskSettings",
    "Trial",
    "UserFault",
    "Vocabulary",
    "__version__",
    "describe",
    "evaluate",
    "export",
    "launch",
    "load",
    "open_run",
    "read",
    "read_function",
    "replace_activations",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'actsearch' has no attribute '{name}'; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(importlib.import_module(f"actsearch.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__]
