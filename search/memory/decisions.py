"""What is decided once and kept with a run, so that all of its scores come from the same source.

Whether the kernel or torch trains the default child, and the data of the task. Where it cannot be kept to, the run is
not gone on with. Not here: the settings, which must be the same as well (``jobs``).
"""

import dataclasses
import json
from collections.abc import Callable
from importlib import metadata

from actsearch.evaluators.native.compiler import is_available, kernel_key
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.stacks.trial import decided_size
from actsearch.evaluators.task import Task
from actsearch.grammar.fault import UserFault
from actsearch.search.memory.records import REPLACED, UNIT
from actsearch.search.memory.schema import data_fact
from actsearch.search.memory.store import Store

Say = Callable[[str], None]


def unsaid(sentence: str) -> None:
    """Tell nobody."""


CHANGING = {
    "torch": "last digits may differ from now on",
    "actsearch": "its changelog says which scores differ from now on",
}
"""Packages on which scores depend, and what it means for a run that another version began."""
KERNEL_KEY = "kernel key"  # the fact of which kernel it was: sources, compiler, processor
STACK = "stack of"  # with the name of the data, the fact of how many children are trained as one
KERNEL = "kernel"  # the fact of a run: native or torch


class NotTheSame(UserFault):
    """A run cannot be gone on with here; the message says what differs and what to do."""


def settled(task: Task) -> Task:
    """Return the task with the kernel ruled out where there is none, and with how many children are trained as one."""
    if not isinstance(task, NetworkTask):
        return task
    if task.is_own:
        return task.with_stack(decided_size(task)[0])
    return task.with_kernel("torch") if task.takes_kernel and not is_available() else task


def decided(store: Store, task: Task, say: Say) -> Task:
    """Return the task as this run trains it, from its first child to its last.

    Args:
        store: store of the run; what is decided now is kept in it.
        task: task of one of its rungs.
        say: is told of what differs without standing in the way.

    Raises:
        NotTheSame: the run was begun with the kernel and there is none now, or with other data.
    """
    if task.unit and store.fact(UNIT) is None:
        store.describe({UNIT: task.unit})
    if task.replaced and store.fact(REPLACED) is None:
        store.describe({REPLACED: " ".join(task.replaced)})
    _same_versions(store, say)
    _same_data(store, task)
    if not isinstance(task, NetworkTask):
        return task
    return _with_kernel(store, task, say) if task.takes_kernel else _with_stack(store, task)


def _with_kernel(store: Store, task: NetworkTask, say: Say) -> NetworkTask:
    if store.fact(KERNEL) is None and store.outcomes():
        say("this run does not say whether the kernel or torch trained it so far; from now on it does")
    store.describe({KERNEL: "native" if is_available() else "torch"})
    if store.fact(KERNEL) == "torch":
        return task.with_kernel("torch")
    if not is_available():
        raise NotTheSame(
            f"the run in '{store.path.parent}' was begun with the kernel, which cannot be used here now: torch would "
            "go on with other last digits, and no list could be made of both. Bring the C compiler back (cc, gcc, "
            "clang or the environment's CC), or start another run with --set task.kernel=torch"
        )
    store.describe({KERNEL_KEY: kernel_key()})
    if store.fact(KERNEL_KEY) != kernel_key():
        say("this run was begun with a kernel of another compiler or processor: last digits may differ from now on")
    return task


def _with_stack(store: Store, task: NetworkTask) -> NetworkTask:
    """Return the task with how many children are trained as one: what the run began with, or what is decided now."""
    if not task.is_own or task.settings.stack is not None:
        return task
    name = f"{STACK} {data_fact(dataclasses.asdict(task.settings))}"
    if store.fact(name) is None:
        began = any(record.outcome.trained_by == "torch" for record in store.outcomes(diagnostics=False).values())
        store.describe({name: "1" if began else str(decided_size(task)[0])})
    return task.with_stack(int(store.fact(name) or 1))


def _same_data(store: Store, task: Task) -> None:
    found = task.digest()
    if not found:
        return
    name = data_fact(dataclasses.asdict(task.settings))
    store.describe({name: found})
    if store.fact(name) != found:
        hint = "seed the generator that draws them" if task.is_own else "key 'task.directory' names other files"
        raise NotTheSame(
            f"the run in '{store.path.parent}' was begun with other data of the task "
            f"'{task.title}': {hint}, or start another run (--run)"
        )


def _same_versions(store: Store, say: Say) -> None:
    began = json.loads(store.fact("versions") or "{}")
    for package, so in CHANGING.items():
        before, here = began.get(package), metadata.version(package)
        if before and before != here:
            say(f"this run was begun with {package} {before}, here is {here}: {so}")
