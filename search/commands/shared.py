"""What the commands share: options, their own rows, printing JSON, and how the program is called again."""

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
    """A command that may train or compute with torch. One that only reads is click's own, and needs no torch."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it with one thread: the cores are the workers', and a controller's last bits depend on their number."""
        import torch

        torch.set_num_threads(1)
        return super().invoke(ctx)


class NamedPath(click.Path):
    """A path that was named: an empty text is a shell's unset variable, not the directory one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text."""
        if not str(value):
            self.fail("expected a path, found an empty text", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(path_type=Path)
config_option = click.option("--config", type=PATH, help="Where primitives of your own stand; their code runs here.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
set_option = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting, such as task.steps=500."
)


address_option = click.option(
    "--address", metavar="HOST:PORT", help="Train on the Ray cluster whose head is there (pool.address)."
)


def called() -> str:
    """Return how to call this program again: by name where it is on the path, else as it was called."""
    called = Path(sys.argv[0])
    if shutil.which("actsearch"):
        return "actsearch"
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m actsearch"
    return "actsearch" if called.name != "actsearch" else shlex.quote(str(called))


def free_name() -> str:
    """Return a name for a module that no file has yet, here."""
    return next(name for name in itertools.chain(["activation.py"], (f"activation_{n}.py" for n in itertools.count(2)))
                if not Path(name).exists())  # fmt: skip


def check_scored(outcomes: "Iterable[Outcome]") -> None:
    """Make the command fail where nothing has a score.

    Raises:
        NothingScored: with the commonest reason.
    """
    from actsearch.evaluators.outcome import NO_PART
    from actsearch.search.progress import NothingScored

    found = list(outcomes)
    without = sum(NO_PART in outcome.metrics for outcome in found)
    if without:
        say(
            f"in {without} of {len(found)} trainings the candidate had no part: make(channels) was not called, its "
            "layer was not called, or nothing was made of its values; their scores say nothing of it"
        )
    if found and all(outcome.score is None for outcome in found):
        (reason, count), *_ = Counter(o.reason or o.status.value for o in found).most_common(1)
        raise NothingScored(f"not one of {len(found)} trainings has a score; {count} times the reason was: {reason}")


def say(sentence: str) -> None:
    """Tell the user something that is no result, on the error stream."""
    print(f"note: {printable(sentence)}", file=sys.stderr)


_ANSWERS: list[TextIO] = []  # where JSON goes, if not to sys.stdout


@contextlib.contextmanager
def answers_alone_on_stdout() -> Iterator[None]:
    """Send to the error stream whatever is printed, by this process or those it starts, but for ``print_json``."""
    if sys.stdout is None:  # closed by whoever started this
        yield
        return
    sys.stdout.flush()
    descriptor = _descriptor_of(sys.stdout)
    answers = sys.stdout if descriptor is None else os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    _ANSWERS.append(answers)
    kept = None if descriptor is None else os.dup(descriptor)
    try:
        if descriptor is not None:
            os.dup2(2, descriptor)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _ANSWERS.pop()
        answers.flush()
        if descriptor is not None and kept is not None:
            os.dup2(kept, descriptor)
            os.close(kept)
            answers.close()


def _descriptor_of(stream: TextIO) -> int | None:
    """Return the stream's descriptor, or None where it has none: in a notebook, or while tests look on."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def print_json(value: object) -> None:
    """Print JSON that every parser reads: infinities as text."""
    print(json.dumps(plain(value), indent=2, allow_nan=False), file=_ANSWERS[-1] if _ANSWERS else None)


def vocabulary_with(config: Path | None) -> "Vocabulary":
    """Return what expressions are read with; own rows are taken from a config only, since their code runs here."""
    from actsearch.evaluators.activation import BUILT_IN
    from actsearch.search.settings.reading import load_settings
    from actsearch.search.settings.space import vocabulary_of

    return BUILT_IN if config is None else vocabulary_of(load_settings(config).space)
