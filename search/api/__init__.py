"""An activation search engine: this is what ``import actsearch`` gives.

Each name is loaded when it is first used, so that importing takes no time. What is not named here may change without
notice. The command line does the same jobs.
"""

import importlib
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actsearch.evaluators.activation import Activation, Vocabulary
    from actsearch.evaluators.own.replacement import Replacement
    from actsearch.evaluators.own.swap import replace_activations
    from actsearch.evaluators.settings import OwnSettings, TaskSettings
    from actsearch.grammar.expression import Expression
    from actsearch.grammar.fault import Failed, UserFault
    from actsearch.grammar.primitive import Primitive
    from actsearch.jobs import describe, evaluate, export, launch, load, read, read_function
    from actsearch.run import Figure, Run, open_run
    from actsearch.search.ranking.entry import Entry
    from actsearch.search.ranking.leaderboard import Leaderboard
    from actsearch.search.settings.classes import SearchSettings
    from actsearch.study import Study
    from actsearch.trial import Trial

__version__ = metadata.version("actsearch")

_HOMES = {
    "Activation": "evaluators.activation",
    "Entry": "search.ranking.entry",
    "Expression": "grammar.expression",
    "Failed": "grammar.fault",
    "Figure": "run",
    "Leaderboard": "search.ranking.leaderboard",
    "OwnSettings": "evaluators.settings",
    "Primitive": "grammar.primitive",
    "Replacement": "evaluators.own.replacement",
    "Run": "run",
    "SearchSettings": "search.settings.classes",
    "Study": "study",
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
    "Entry",
    "Expression",
    "Failed",
    "Figure",
    "Leaderboard",
    "OwnSettings",
    "Primitive",
    "Replacement",
    "Run",
    "SearchSettings",
    "Study",
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
    """Load a public name from where it stands."""
    if name not in _HOMES:
        raise AttributeError(f"module 'actsearch' has no attribute '{name}'; it has {', '.join(__all__)}")
    found = globals()[name] = getattr(importlib.import_module(f"actsearch.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__]
