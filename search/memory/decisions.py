"""Decisions that a run makes once and stores, so that all of its scores come from the same source.

They are the choice between the kernel and torch for the default child, the number of children trained as one, and the
data of the task. If a decision cannot be kept, the run is not resumed. Not here: the settings, which must be the same
as well (``jobs``).
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
    """Ignore a message."""


CHANGING = {
    "torch": "last digits may differ from now on",
    "actsearch": "its changelog says which scores differ from now on",
}
"""Packages that scores depend on -> the consequence for a run that another version began."""
KERNEL_KEY = "kernel key"  # name of the fact that identifies the kernel: sources, compiler, processor
STACK = "stack of"  # with the name of the data: the fact that holds the number of children trained as one
KERNEL = "kernel"  # name of the fact: native or torch


class NotTheSame(UserFault):
    """A run cannot be resumed here; the message says what differs and what to do."""


def settled(task: Task) -> Task:
    """Return the task without the kernel if none is available, and with the number of children trained as one."""
    if not isinstance(task, NetworkTask):
        return task
    if task.is_own:
        return task.with_stack(decided_size(task)[0])
    return task.with_kernel("torch") if task.takes_kernel and not is_available() else task


def decided(store: Store, task: Task, say: Say) -> Task:
    """Return the task as this run trains it, from its first child to its last.

    Args:
        store: store of the run, in which new decisions are stored.
        task: task of one of its rungs.
        say: function that gets a message about each difference that does not prevent resuming.

    Raises:
        NotTheSame: the run was begun with other data, or with a kernel that is not available now.
    """
    if task.unit and store.fact(UNIT) is None:
        store.describe({UNIT: task.unit})
    if task.replaced and store.fact(REPLACED) is None:
        store.describe({REPLACED: " ".join(task.replaced)})
    _report_versions(store, say)
    _check_data(store, task)
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
    """Return the task with the number of children trained as one: the run's, or a newly decided one."""
    if not task.is_own or task.settings.stack is not None:
        return task
    name = f"{STACK} {data_fact(dataclasses.asdict(task.settings))}"
    if store.fact(name) is None:
        began = any(record.outcome.trained_by == "torch" for record in store.outcomes(diagnostics=False).values())
        store.describe({name: "1" if began else str(decided_size(task)[0])})
    return task.with_stack(int(store.fact(name) or 1))


def _check_data(store: Store, task: Task) -> None:
    digest = task.digest()
    if not digest:
        return
    name = data_fact(dataclasses.asdict(task.settings))
    store.describe({name: digest})
    if store.fact(name) != digest:
        hint = "seed the generator that draws them" if task.is_own else "key 'task.directory' names other files"
        raise NotTheSame(
            f"the run in '{store.path.parent}' was begun with other data of the task "
            f"'{task.title}': {hint}, or start another run (--run)"
        )


def _report_versions(store: Store, say: Say) -> None:
    began = json.loads(store.fact("versions") or "{}")
    for package, consequence in CHANGING.items():
        before, here = began.get(package), metadata.version(package)
        if before and before != here:
            say(f"this run was begun with {package} {before}, here is {here}: {consequence}")
