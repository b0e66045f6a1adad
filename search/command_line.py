"""The program ``actsearch``: all commands in one group, and the exit code and message of each fault.

The commands themselves are in ``commands``; some scripts in ``scripts/`` call the same ones.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator

import click

from actsearch.evaluators.printable import printable
from actsearch.grammar.fault import Failed, UserFault, fault_text
from actsearch.search.commands import exporting, functions, listing, looking, recommending, swapping, training
from actsearch.search.commands.shared import answers_alone_on_stdout

WRONG_INPUT, INTERRUPTED = 2, 130
PATIENCE = 2  # interrupts; one more ends the program at once


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="actsearch", message="actsearch %(version)s")
def app() -> None:
    """Search for activation functions, look at the ranking, export the best one.

    Put --debug anywhere to see a traceback instead of a sentence.
    """


for command in (
    recommending.recommend, training.search, looking.top, looking.show,
    exporting.report, exporting.serve, exporting.export_command,
    swapping.swap, training.refine, training.transfer,
    looking.rungs, looking.compare, listing.runs, listing.status, functions.evaluate,
    functions.tasks, functions.primitives, functions.space, functions.describe_command, functions.settings_command,
):  # fmt: skip
    app.add_command(command)


def program() -> None:
    """Run the command line as a program, and end it even if threads that a training left would keep it alive."""
    code: int | str | None = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    threads = [t for t in threading.enumerate() if t is not threading.main_thread() and t.is_alive() and not t.daemon]
    if not threads:
        sys.exit(code)
    print(f"note: {len(threads)} threads that a training left are ended with the program", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader closed it
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 a fault of this program, 2 wrong input, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        with _interruptible(), answers_alone_on_stdout() if "--json" in words else contextlib.nullcontext():
            app([word for word in words if word != "--debug"], prog_name="actsearch", standalone_mode=False)
    except click.ClickException as fault:
        shown = io.StringIO()
        fault.show(shown)
        print("\n".join(map(printable, shown.getvalue().rstrip().split("\n"))), file=sys.stderr)
        sys.exit(fault.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _stop("interrupted; everything trained is kept, the same command goes on", INTERRUPTED, debug)
    except UserFault as fault:
        _stop(str(fault), WRONG_INPUT, debug)
    except OSError as fault:  # such as a path that cannot be written, or a cluster that does not answer
        _stop(f"'{fault.filename}': {fault.strerror}" if fault.filename else str(fault), WRONG_INPUT, debug)
    except RecursionError:
        _stop("the expression, template or config is nested too deeply", WRONG_INPUT, debug)
    except Failed as fault:
        _stop(str(fault), 1, debug)
    except Exception as fault:  # users get a sentence instead of a traceback
        _stop(f"a fault of actsearch itself: {fault_text(fault)} (--debug shows where)", 1, debug)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the work in good order, and a third one at once, even if the work swallows the first two.

    Raises:
        KeyboardInterrupt: the user interrupted the work, whatever the work raised then.
    """
    interrupts: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interrupts.append(number)
        if len(interrupts) > PATIENCE:
            os._exit(INTERRUPTED)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old_handler = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except BaseException as fault:
        if not interrupts:
            raise
        old_handler = signal.SIG_IGN  # the program is ending: ignore further interrupts
        raise KeyboardInterrupt from fault
    finally:
        signal.signal(signal.SIGINT, old_handler)


def _stop(message: str, code: int, debug: bool) -> None:
    if debug:
        raise  # noqa: PLE0704  the caller is handling the fault
    print(f"actsearch: {printable(message)}", file=sys.stderr)
    sys.exit(code)
