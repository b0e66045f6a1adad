"""The jobs of the command line as Python functions, such as ``actsearch.launch``.

Not here: the work behind them (``search.jobs``).
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
        text: known name or expression, such as ``gelu`` or ``mul(x,sigmoid(x))``. For your own primitives, see
            ``Vocabulary``.

    Returns:
        The activation; ``read("gelu").make(channels=64)`` is a layer for inputs ``(B, 64, ...)``,
        ``make(64, -1)`` one for ``(B, T, 64)``.

    Raises:
        UserFault: the text is neither a name nor an expression; the message has the nearest.
    """
    return BUILT_IN.read(text)


def describe(text: str) -> dict[str, Any]:
    """Return name -> fact about a function: forms, limits, shape, moments, gain, distance to Swish.

    Raises:
        UserFault: the text is no expression.
    """
    return dict(description.describe(read(text).as_expression()))


def load(config: str | Path | None = None, *changes: str) -> SearchSettings:
    """Return the settings of a YAML file, or the default ones.

    Args:
        config: path of the YAML file; None takes the default settings.
        changes: changes as ``section.key=value``, as after ``--set``.

    Raises:
        UserFault: the file or a change cannot be used.
    """
    return settings_of(None if config is None else Path(config), changes)


def launch(
    settings: SearchSettings, run: str | Path, *, task: Task | None = None, proposer: Proposer | None = None
) -> Run:
    """Start a search, or resume the run in this directory; finished trainings are not repeated.

    Args:
        settings: settings of the search; a resumed run must have the same.
        run: directory of the run.
        task: your own task, instead of the one in the settings; see ``actsearch.testing.TaskContract``.
        proposer: your own proposer, instead of the one in the settings; see ``actsearch.testing.ProposerContract``.

    Returns:
        The run, once everything is trained.

    Raises:
        UserFault: an argument or setting cannot be used; nothing was trained.
        Failed: the search did not succeed; finished trainings are kept.
    """
    jobs.launch(resolve(settings, task=task, proposer=proposer), Path(run))
    return open_run(run)


def evaluate(
    texts: Sequence[str], settings: SearchSettings | None = None, *, task: TaskSettings | None = None, seeds: int = 3,
    seed: int = 0,
) -> list[Evaluation]:  # fmt: skip
    """Train activations without a search, each with the same number of seeds.

    Args:
        texts: known names or expressions.
        settings: settings with the task, pool and primitives to use; None takes the default ones.
        task: settings of a task to use instead.
        seeds: number of children for each activation.
        seed: seed from which the children's seeds are derived.

    Returns:
        One evaluation for each text, in the same order. A score is a loss (in nats for the tasks of this engine): lower
        is better.

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
    """Write an activation as files that do not need this project, each checked where it will be used.

    Args:
        activation: activation, its text, or the path of an exported JSON file such as ``found.json``, with its facts.
        target: path of the file for one format; common beginning of the paths for several. None uses the function's
            name in the working directory.
        to: one format or several: ``torch``, ``torchscript``, ``export``, ``onnx``,
            ``safetensors``, ``jax``, ``flax``, ``keras``, ``numpy``, ``c``, ``latex``, ``sympy``, ``json``.
        name: name of the class; the function has the same name in small letters. None takes the name from ``target``
            for a C header, else from the JSON file, else ``Activation``.
        force: whether to replace files that exist.

    Returns:
        Format -> path of its file.

    Raises:
        UserFault: the text is no expression, a format does not exist or cannot hold the function, or a file exists
            already or cannot be written.
        Failed: a file differs from the trained function; nothing was written.
    """
    if not isinstance(to, (str, list, tuple)) or not all(isinstance(part, str) for part in to):
        raise UserFault(f"expected formats as one text or several, such as 'torch,onnx', found {to!r}")
    subject = _discovery(activation)
    formats = [part.strip() for part in to.split(",")] if isinstance(to, str) else list(to)
    name = name or name_of(formats, None if target is None else _path(target))
    subject = subject if name is None else dataclasses.replace(subject, name=name)
    targets = files_of(formats, None if target is None else _path(target), subject.function_name)
    ship(subject, targets, force=force)
    return targets


def _discovery(activation: str | Path | Activation) -> Discovery:
    if isinstance(activation, Path) or (isinstance(activation, str) and activation.endswith(".json")):
        return read_file(Path(activation))
    if not isinstance(activation, (str, Activation)):
        raise UserFault(
            f"expected a known name, an expression or what actsearch.read returns, found {type(activation).__name__}; "
            "a module of torch has no formula that could be written down"
        )
    parsed = read(activation) if isinstance(activation, str) else activation
    described, function = discovery(parsed.as_expression()), parsed.function
    starts = () if function is None else tuple(parameter.start for parameter in function.parameters)
    return dataclasses.replace(described, starts=starts)


def read_function(path: str | Path, vocabulary: Vocabulary = BUILT_IN) -> Activation:
    """Return the activation in a JSON file of ``export --to json``. The file is parsed; nothing in it is executed.

    Args:
        path: path of the file.
        vocabulary: vocabulary with your own primitives, if the function has some.

    Returns:
        The activation; its parameters start at the values in the file, which are the learned ones if it was exported
        with them.

    Raises:
        UserFault: the file cannot be read, or is no exported function.
    """
    return vocabulary.read_file(_path(path))


def _path(path: str | Path) -> Path:
    if not isinstance(path, (str, Path)):
        raise UserFault(f"expected the name of a file, found {path!r}")
    return Path(path)
