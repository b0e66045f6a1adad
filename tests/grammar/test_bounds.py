"""Short texts stand for short functions: what would be written out without end is refused, what is shown is read."""

import sqlite3
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.infix import WRITTEN, rewritten
from actsearch.grammar.notation import written
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.known import read
from actsearch.search.command_line import main
from actsearch.search.ranking.entry import built_in_expression
from tests.grammar.computing import value_of
from tests.search.made_runs import edited, write_run

ENDLESS = ("8*(8*(8*(8*(8*(8*(8*(8*x)))))))", "((((((x^7)^7)^7)^7)^7)^7)^7", "x^4095^1*x^97*(4096*x)")  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS)
def test_a_few_letters_stand_for_no_endless_function(text: str) -> None:
    with pytest.raises(BadExpression, match=r"stands for more than 20,000 letters|another operator"):
        read(text)


@pytest.mark.parametrize("text", ["9*(x+9*(x+9*(x+9*(x+9*(x+9*x)))))", "4096*(x*sin(x))"])
def test_a_large_factor_is_a_number_and_no_sum(text: str) -> None:
    assert len(rewritten(text)) < 100
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    truth = eval(text, {"x": x, "sin": torch.sin})
    torch.testing.assert_close(value_of(read(text), x, x.new_ones(())), truth)


@pytest.mark.parametrize("text", ["x" * 200_000, "neg(" * 60_000, "|" * 30_000, "x+" * 15_000 + "x", "y" * 50_000])
def test_a_long_text_is_refused_at_once(text: str) -> None:
    with pytest.raises(BadExpression) as said:
        read(text)
    assert len(str(said.value)) < 200_000


@given(power=st.integers(2, 96), factor=st.integers(2, 60))
def test_powers_and_whole_factors_are_what_they_say(power: int, factor: int) -> None:
    for text, wanted in ((f"x^{power}", lambda x: x**power), (f"{factor}*sin(x)", lambda x: factor * torch.sin(x))):
        assert len(rewritten(text)) <= WRITTEN
        x = torch.linspace(-1, 1, 41, dtype=torch.float64)
        torch.testing.assert_close(value_of(BUILT_IN.read(text).as_expression(), x, torch.ones(())), wanted(x))


@pytest.mark.parametrize(
    "rows",
    ["square(square(square(square(square(x)))))", "scale(cube(cube(x)))", "mul(cube(cube(x)),scale(x))",
     "add(add(add(add(x,x),add(x,x)),add(add(x,x),add(x,x))),add(add(x,x),x))", "cube(cube(cube(x)))"],
)  # fmt: skip
def test_what_is_shown_can_be_typed_back(rows: str) -> None:
    shown = written(read(rows), upright=False).plain
    assert fingerprint(read(shown)) == fingerprint(read(rows)), shown


def test_a_store_is_read_in_the_notation_of_rows_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, {"relu(x)": [0.1, 0.2, 0.15, 0.12], "sin(x)": [0.2, 0.3, 0.25, 0.22]})
    with edited(tmp_path) as connection:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("UPDATE behaviours SET expression = ? WHERE expression = 'sin(x)'", (ENDLESS[0],))
    assert built_in_expression("x*sigmoid(x)") is None
    assert str(built_in_expression("mul(x,sigmoid(x))")) == "mul(x,sigmoid(x))"
    done = threading.Event()

    def look() -> None:
        for command in (
            ["top", str(tmp_path)],
            ["status", str(tmp_path)],
            ["report", str(tmp_path), "-o", str(tmp_path / "a.html")],
        ):
            main(command)
        done.set()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    assert done.wait(120)
    assert ENDLESS[0] in capsys.readouterr().out
