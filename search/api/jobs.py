"""The jobs of the command line, from Python. Reached as ``actsearch.launch`` and so on.

Not here: how they are done (``search.jobs``).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actsearch.evaluators.activation import BUILT_IN, Activation, Vocabulary
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import Task
from actsearch.grammar import description
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formats.data_files import read_file
from actsearch.grammar.formats.discovery import Discovery
from actsearch.run import Run, open_run
from actsearch.search import evaluating, jobs
from actsearch.search.evaluating import Evaluation
from actsearch.search.exporting.facts import discovery
from actsearch.search.exporting.shipping import files_of, name_of, ship
from actsearch.search.plan import resolve
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import settings_of


def read(text: str) -> Activation:
    """Return the activation that a known name or an expression stands for.

    Args:
        text: ``gelu`` or ``mul(x,sigmoid(x))``. For primitives of your own, see ``Vocabulary``.

    Returns:
        The activation; ``read("gelu").make(channels=64)`` is a layer for inputs ``(B, 64, ...)``,
        ``make(64, -1)`` one for ``(B, T, 64)``.

    Raises:
        UserFault: neither a name nor an expression; the message has the nearest.
    """
    return BUILT_IN.read(text)


def describe(text: str) -> dict[str, Any]:
    """Return what is known of a function: forms, limits, shape, moments, gain, distance to Swish, by name.

    Raises:
        UserFault: it is no expression.
    """
    return dict(description.describe(read(text).as_expression()))


def load(config: str | Path | None = None, *changes: str) -> SearchSettings:
    """Return the settings of a YAML file, or the default ones.

    Args:
        config: the file.
        changes: ``section.key=value``, as behind ``--set``.

    Raises:
        UserFault: the file or a change cannot be used.
    """
    return settings_of(None if config is None else Path(config), changes)


def launch(
    settings: SearchSettings, run: str | Path, *, task: Task | None = None, proposer: Proposer | None = None
) -> Run:
    """Search in a directory, or go on with the run that is there; what was trained is not trained again.

    Args:
        settings: settings of the search; a run that goes on must have the same.
        run: the directory.
        task: a task of yours, instead of that of the settings; see ``actsearch.testing.TaskContract``.
        proposer: a proposer of yours, instead of that of the settings; see ``actsearch.testing.ProposerContract``.

    Returns:
        The run, once everything is trained.

    Raises:
        UserFault: something cannot be used; nothing was trained.
        Failed: it was tried and did not succeed; whatever was trained is kept.
    """
    jobs.launch(resolve(settings, task=task, proposer=proposer), Path(run))
    return open_run(run)


def evaluate(
    texts: Sequence[str], settings: SearchSettings | None = None, *, task: TaskSettings | None = None, seeds: int = 3,
    seed: int = 0,
) -> list[Evaluation]:  # fmt: skip
    """Train activations without a search, with as many seeds each.

    Args:
        texts: known names or expressions.
        settings: whose task, pool and primitives are used; the default ones.
        task: instead of that of the settings.
        seeds: children of each.
        seed: that their seeds are made of.

    Returns:
        One evaluation a text, in their order; a score is a loss, in nats for the tasks of this engine, lower is better.

    Raises:
        UserFault: a text or a setting cannot be used.
    """
    used = load() if settings is None else settings
    plan = resolve(used if task is None else dataclasses.replace(used, task=task))
    return evaluating.evaluate(texts, plan.task, plan.pool, seeds, seed, plan.vocabulary)


def export(
    activation: str | Path | Activation, target: str | Path | None = None, *, to: str | Sequence[str] = "torch",
    name: str | None = None, force: bool = False,
) -> dict[str, Path]:  # fmt: skip
    """Write an activation as files that need nothing of this project, each checked where it will be used.

    Args:
        activation: or its text, or the name of a JSON file that was exported, ``found.json``, with all that it tells.
        target: of one format the file; of several what their names begin with. By default the name's, here.
        to: formats, one or several: ``torch``, ``torchscript``, ``export``, ``onnx``,
            ``safetensors``, ``jax``, ``flax``, ``keras``, ``numpy``, ``c``, ``latex``, ``sympy``, ``json``.
        name: of the class; the function has it in small letters. That of the JSON file, of a header of C that of
            ``target``, else ``Activation``.
        force: replace files that are there.

    Returns:
        Format -> its file.

    Raises:
        UserFault: it is no expression, there is no such format, a format cannot hold it, a file is there already or
            cannot be written.
        Failed: a file differs from what was trained; nothing was written.
    """
    if not isinstance(to, (str, list, tuple)) or not all(isinstance(part, str) for part in to):
        raise UserFault(f"expected formats as one text or several, such as 'torch,onnx', found {to!r}")
    made = _discovery(activation)
    formats = [part.strip() for part in to.split(",")] if isinstance(to, str) else list(to)
    name = name or name_of(formats, None if target is None else _path(target))
    made = made if name is None else dataclasses.replace(made, name=name)
    targets = files_of(formats, None if target is None else _path(target), made.function_name)
    ship(made, targets, force=force)
    return targets


def _discovery(activation: str | Path | Activation) -> Discovery:
    if isinstance(activation, Path) or (isinstance(activation, str) and activation.endswith(".json")):
        return read_file(Path(activation))
    if not isinstance(activation, (str, Activation)):
        raise UserFault(
            f"expected a known name, an expression or what actsearch.read returns, found {type(activation).__name__}; "
            "a module of torch has no formula that could be written down"
        )
    found = read(activation) if isinstance(activation, str) else activation
    made, function = discovery(found.as_expression()), found.function
    starts = () if function is None else tuple(parameter.start for parameter in function.parameters)
    return dataclasses.replace(made, starts=starts)


def read_function(path: str | Path, vocabulary: Vocabulary = BUILT_IN) -> Activation:
    """Return the activation of a JSON file that ``export --to json`` wrote. It is parsed; nothing of it is executed.

    Args:
        path: of the file.
        vocabulary: with primitives of your own, if the function has some.

    Returns:
        The activation; the parameters of its layers start as the file says, at what was learned if it was written so.

    Raises:
        UserFault: the file cannot be read, or is none of these.
    """
    return vocabulary.read_file(_path(path))


def _path(given: str | Path) -> Path:
    if not isinstance(given, (str, Path)):
        raise UserFault(f"expected the name of a file, found {given!r}")
    return Path(given)
