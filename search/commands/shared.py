"""Code that the commands share: options, printing JSON, and how to call the program again."""

import contextlib
import itertools
import json
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from actsearch.evaluators.printable import printable
from actsearch.search.show.plain import plain

if TYPE_CHECKING:
    from actsearch.evaluators.activation import Vocabulary
    from actsearch.evaluators.outcome import Outcome


class Command(click.Command):
    """A command that may train or compute with torch. A command that only reads a run is click's own, without torch."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run with one thread: the cores are for workers, and a controller's last bits depend on the thread count."""
        import torch

        torch.set_num_threads(1)
        return super().invoke(ctx)


class NamedPath(click.Path):
    """A path that may not be empty: an empty text is a shell's unset variable, not the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text."""
        if not str(value):
            self.fail("expected a path, found an empty text", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(path_type=Path)
config_option = click.option("--config", type=PATH, help="Config with primitives of your own; their code runs here.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
set_option = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting, such as task.steps=500."
)


address_option = click.option(
    "--address", metavar="HOST:PORT", help="Train on the Ray cluster whose head is there (pool.address)."
)


def called() -> str:
    """Return the command that calls this program again: its name if that is on the path, else as it was called."""
    program = Path(sys.argv[0])
    if shutil.which("actsearch"):
        return "actsearch"
    if program.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m actsearch"
    return "actsearch" if program.name != "actsearch" else shlex.quote(str(program))


def free_name() -> str:
    """Return a file name for a module that is free in the current directory."""
    return next(name for name in itertools.chain(["activation.py"], (f"activation_{n}.py" for n in itertools.count(2)))
                if not Path(name).exists())  # fmt: skip


def check_scored(outcomes: "Iterable[Outcome]") -> None:
    """Make the command fail if no outcome has a score.

    Raises:
        NothingScored: every training failed; the message has the commonest reason.
    """
    from actsearch.evaluators.outcome import NO_PART
    from actsearch.search.progress import NothingScored

    trained = list(outcomes)
    unused = sum(NO_PART in outcome.metrics for outcome in trained)
    if unused:
        say(
            f"in {unused} of {len(trained)} trainings the candidate had no part: make(channels) was not called, its "
            "layer was not called, or nothing was made of its values; their scores say nothing of it"
        )
    if trained and all(outcome.score is None for outcome in trained):
        (reason, count), *_ = Counter(o.reason or o.status.value for o in trained).most_common(1)
        raise NothingScored(f"not one of {len(trained)} trainings has a score; {count} times the reason was: {reason}")


def say(sentence: str) -> None:
    """Print a note for the user on the error stream."""
    print(f"note: {printable(sentence)}", file=sys.stderr)


_ANSWERS: list[TextIO] = []  # stream for JSON, if it is not sys.stdout


@contextlib.contextmanager
def answers_alone_on_stdout() -> Iterator[None]:
    """Keep stdout for ``print_json``: other output of this process and its children goes to the error stream."""
    if sys.stdout is None:  # the parent process closed it
        yield
        return
    sys.stdout.flush()
    descriptor = _descriptor_of(sys.stdout)
    answers = sys.stdout if descriptor is None else os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    _ANSWERS.append(answers)
    saved = None if descriptor is None else os.dup(descriptor)
    try:
        if descriptor is not None:
            os.dup2(2, descriptor)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _ANSWERS.pop()
        answers.flush()
        if descriptor is not None and saved is not None:
            os.dup2(saved, descriptor)
            os.close(saved)
            answers.close()


def _descriptor_of(stream: TextIO) -> int | None:
    """Return the stream's descriptor; None if it has none, as in a notebook or under pytest."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def print_json(value: object) -> None:
    """Print JSON that every parser reads: infinities as text."""
    print(json.dumps(plain(value), indent=2, allow_nan=False), file=_ANSWERS[-1] if _ANSWERS else None)


def vocabulary_with(config: Path | None) -> "Vocabulary":
    """Return the vocabulary that reads expressions; only a config adds own primitives, since their code runs here."""
    from actsearch.evaluators.activation import BUILT_IN
    from actsearch.search.settings.reading import load_settings
    from actsearch.search.settings.space import vocabulary_of

    return BUILT_IN if config is None else vocabulary_of(load_settings(config).space)
