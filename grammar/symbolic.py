"""All calls of SymPy: they run in one separate process, each with a time limit.

SymPy may take hours for an innocent formula, so it never runs in this process or on the hot path. The SymPy process
reads one JSON line per question and answers with one. If an answer is late, this module kills the process and returns
None. Not here: properties that need no formula (``properties``).
"""

import atexit
import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from actsearch.grammar.fault import Failed
from actsearch.grammar.formula import CONSTANTS, FUNCTIONS, Reader
from actsearch.grammar.parameter import BETA, Parameter

VARIABLES = ("x", "gate", "up", "a", "b")
MEMORY = 4 * 2**30  # bytes for the SymPy process; some formulas would take all memory
MOST_LETTERS = 2_000  # letters of a formula; a longer one would hit the time limit in each of nine calls
SECONDS = 5.0  # default time limit of one call; the import of SymPy does not count


class SymPyDied(Failed):
    """The SymPy process crashed or was killed: the formula was not evaluated."""


class _Process:
    """One SymPy process; it starts at the first question, and again after a late answer."""

    def __init__(self) -> None:
        self.running: subprocess.Popen[str] | None = None

    def ask(self, question: dict[str, Any], seconds: float | None) -> Any:
        """Return the answer; None if it is late, or if the formula is too long.

        Raises:
            SymPyDied: the process ended twice for the same question.
        """
        if len(question["formula"]) > MOST_LETTERS:
            return None
        try:
            return self._ask(question, seconds)
        except SymPyDied:  # something outside may have killed it: try once more
            return self._ask(question, seconds)

    def _ask(self, question: dict[str, Any], seconds: float | None) -> Any:
        if self.running is None:
            # -P: do not import a sympy.py or a grammar/ from the current directory
            command = [sys.executable, "-P", "-m", "actsearch.grammar.symbolic"]
            self.running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._answer(120.0)  # wait for its "ready", after the import
        assert self.running.stdin is not None
        try:
            self.running.stdin.write(json.dumps(question) + "\n")
            self.running.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        answer = self._answer(SECONDS if seconds is None else seconds)
        if answer is None:
            self.end()
        return answer

    def _answer(self, seconds: float) -> Any:
        assert self.running is not None
        assert self.running.stdout is not None
        if not select.select([self.running.stdout], [], [], seconds)[0]:
            return None
        line = self.running.stdout.readline()
        if not line:
            raise self._died()
        return json.loads(line)

    def _died(self) -> "SymPyDied":
        """Forget the process, and return the exception to raise."""
        assert self.running is not None
        process, self.running = self.running, None
        with contextlib.suppress(BrokenPipeError):
            process.communicate()
        return SymPyDied(f"the process that runs SymPy ended with code {process.returncode}")

    def end(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.communicate()
            self.running = None


_PROCESS = _Process()
atexit.register(_PROCESS.end)


def evaluate_formula(formula: str, inputs: dict[str, float], seconds: float | None = None) -> float | None:
    """Return the real value of a formula; None if it has none or is late."""
    question = {"do": "evaluate", "formula": formula, "inputs": inputs, "parameters": inputs}
    answer = _PROCESS.ask(question, seconds)
    return None if answer is None else answer["value"]


def forms(
    formula: str, seconds: float | None = None, parameters: Sequence[Parameter] = (BETA,)
) -> dict[str, str | None]:
    """Return ``latex``, ``derivative`` and ``simplified`` of a formula over x and parameters; None if late."""
    return _texts(("latex", "derivative", "simplified"), formula, seconds, parameters)


def limits(
    formula: str, seconds: float | None = None, parameters: Sequence[Parameter] = (BETA,)
) -> dict[str, str | None]:
    """Return the limits of value and slope at both ends, parameters at their start; None if SymPy cannot tell."""
    return _texts(("limit_left", "limit_right", "slope_left", "slope_right"), formula, seconds, parameters)


def symmetries(
    formula: str, seconds: float | None = None, parameters: Sequence[Parameter] = (BETA,)
) -> dict[str, bool]:
    """Return whether SymPy can prove the formula ``odd`` or ``even`` in x, parameters at their start."""
    return {do: text == "0" for do, text in _texts(("odd", "even"), formula, seconds, parameters).items()}


def printed(formula: str, image: str, calls: list[str], parameters: Sequence[Parameter]) -> dict[str, str] | None:
    """Return ``plain``, ``latex`` and ``mathml`` of a formula; None if late.

    Args:
        formula: formula with the calls that ``printing`` knows.
        image: mirror image to print, such as ``f(-x)``.
        calls: names of functions that keep their names.
        parameters: trainable scalars in the formula.
    """
    question = {"do": "printed", "formula": formula, "image": image, "calls": calls}
    answer = _PROCESS.ask(question | {"parameters": _starts(parameters)}, None)
    return None if answer is None or "plain" not in answer else answer


def _texts(
    names: Sequence[str], formula: str, seconds: float | None, parameters: Sequence[Parameter]
) -> dict[str, str | None]:
    question = {"formula": formula, "parameters": _starts(parameters)}
    answers = {do: _PROCESS.ask({"do": do} | question, seconds) for do in names}
    return {do: None if answer is None else answer["text"] for do, answer in answers.items()}


def _starts(parameters: Sequence[Parameter]) -> dict[str, float]:
    return {parameter.name: parameter.start for parameter in parameters}


def _end_with_parent(parent: int) -> None:
    """End this process when its parent is gone: SymPy might otherwise go on for hours."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _serve() -> None:
    """Answer questions from standard input until it closes."""
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    import sympy  # noqa: PLC0415  only the SymPy process pays for the import

    from actsearch.grammar import printing  # noqa: PLC0415

    functions = {name: getattr(sympy, name) for name in FUNCTIONS}
    constants = {name: getattr(sympy, name) for name in CONSTANTS}

    def answer_to(question: dict[str, Any]) -> dict[str, Any]:
        local = {name: sympy.Symbol(name, real=True) for name in (*VARIABLES, *question["parameters"])}
        if question["do"] == "printed":

            def read_with(text: str, further: dict[str, Any]) -> Any:
                return Reader(local | constants, functions | further, sympy.Number).read(text)

            text, image, calls = (question[name] for name in ("formula", "image", "calls"))
            return printing.printed(text, image, calls, read_with, local["x"])
        return compute(question, local)

    def compute(question: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        x, reader = local["x"], Reader(local | constants, functions, sympy.Number)
        expression = sympy.sympify(
            reader.read(question["formula"])
        )  # the argument is no text, so that nothing is executed
        slope = sympy.diff(expression, x)

        def at_start(whole: Any) -> Any:
            starts = question["parameters"].items()
            return whole.subs({local[name]: sympy.nsimplify(start) for name, start in starts})

        def limit(whole: Any, end: Any) -> str | None:
            result = sympy.limit(at_start(whole), x, end)
            return str(result.evalf(17)) if result.is_extended_real else None

        match question["do"]:
            case "evaluate":
                value = expression.subs({local[k]: sympy.Float(v, 30) for k, v in question["inputs"].items()}).evalf(20)
                return {"value": float(value) if value.is_real and value.is_finite else None}
            case "latex":
                return {"text": sympy.latex(expression)}
            case "derivative":
                return {"text": str(slope)}
            case "simplified":
                return {"text": str(sympy.simplify(expression))}
            case "odd" | "even" as parity:
                plain = at_start(expression)
                mirrored = plain.subs(x, -x)
                return {"text": str(sympy.simplify(plain + mirrored if parity == "odd" else plain - mirrored))}
        end = -sympy.oo if question["do"].endswith("left") else sympy.oo
        return {"text": limit(slope if question["do"].startswith("slope") else expression, end)}

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = answer_to(question)
        except Exception as fault:  # report any failure of SymPy as an answer
            answer = {"value": None, "text": None, "fault": str(fault)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
