"""Formulas are read, never executed; what SymPy is asked comes from the list of what a formula may say."""

import subprocess
import sys
from pathlib import Path

import pytest
import sympy

from actsearch.grammar.formula import CONSTANTS, FUNCTIONS, BadFormula, Reader, check_formula
from actsearch.grammar.primitive import BadPrimitive, Primitive
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.grammar.rows.sets import VOCABULARY, check_own
from actsearch.grammar.symbolic import VARIABLES, evaluate_formula

SYMBOLS = {name: sympy.Symbol(name, real=True) for name in (*VARIABLES, "beta")}
READER = Reader(
    SYMBOLS | {name: getattr(sympy, name) for name in CONSTANTS},
    {name: getattr(sympy, name) for name in FUNCTIONS},
    sympy.Number,
)


@pytest.mark.parametrize(
    "formula", sorted({row.formula for row in VOCABULARY} | {read(text).formula for text in KNOWN})
)
def test_every_formula_of_ours_is_read_as_sympy_itself_reads_it(formula: str) -> None:
    check_formula(formula, (*VARIABLES, "beta"))
    assert READER.read(formula) == sympy.sympify(formula, locals=SYMBOLS | {"sinc": sympy.sinc})


@pytest.mark.parametrize(
    "formula",
    [
        "Piecewise((a, a > 0), (0, True))",
        "max(a, 0) + abs(b)",
        "a^2 - -b",
        "exp(1.5e-3*a)*pi/E",
        "ln(2)",
        "Piecewise((a, (a > 0) & (a < 1)), (0, True))",
        "a % 2",
        "acot(a) + Rational(1, 2)",
    ],
)
def test_what_people_write_is_read(formula: str) -> None:
    check_formula(formula, ("a", "b"))
    assert READER.read(formula) is not None
    assert evaluate_formula(formula, {"a": 0.5, "b": 0.25}) is not None


EVIL = (
    "__import__('os').system('touch P')",
    "a.__class__",
    "(lambda: a)()",
    "[a for a in (1,)]",
    "open('P', 'w')",
    "exec('1')",
    "a if a else b",
    "f'{a}'",
    "exp(a, evaluate=False)",
    "sympy.exp(a)",
    "a @ b",
    "'a'",
    "a; b",
    "9**9**9",
    "-(a, 1)",
    "(1, 2)*(3, 4)",
    "2**100000",
    "a[0]",
    "(a := 1)",
    "",
    "a +",
    "(" * 500 + "a" + ")" * 500,
)


@pytest.mark.parametrize("formula", EVIL)
def test_anything_else_is_refused_and_never_runs(formula: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadFormula):
        check_formula(formula, ("a", "b"))
    assert evaluate_formula(formula, {"a": 1.0, "b": 1.0}) is None
    assert list(tmp_path.iterdir()) == []


def test_the_name_that_was_meant_is_said_and_the_row_is_named() -> None:
    with pytest.raises(BadPrimitive, match=r"primitive 'mine': in the formula 'sinhh\(a\)': .* did you mean 'sinh'\?"):
        check_own(Primitive("mine", 1, "torch.sinh(a)", "sinhh(a)"))


def test_a_config_that_is_only_looked_at_executes_no_formula(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "space:\n  own:\n    - {name: bump, arity: 1, code: 'a * 1', formula: \"__import__('os').system('touch P')\"}\n"
    )
    words = [sys.executable, "-c", "from actsearch.search.command_line import main; main()", "settings", "c.yaml"]
    answer = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "primitive 'bump': in the formula" in answer.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml"]


@pytest.mark.parametrize("name", ["sympy.py", "grammar.py", "json.py", "select.py"])
def test_helpers_import_nothing_from_the_directory_one_stands_in(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("open('P', 'w')\nraise SystemExit\n")
    program = (
        "from actsearch.grammar.symbolic import evaluate_formula; import os; os.chdir(__import__('sys').argv[1]); "
        "print(evaluate_formula('exp(a)', {'a': 0.0}))"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert answer.stdout == "1.0\n", answer.stderr
    assert not (tmp_path / "P").exists()
