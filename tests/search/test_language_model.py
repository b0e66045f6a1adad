"""A language model as a proposer, against a server that answers from a list."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from actsearch.grammar.rows.known import read
from actsearch.grammar.space import Space
from actsearch.search.proposers.foreign import BadProposer
from actsearch.search.proposers.language_model import LanguageModel, LanguageModelSettings
from actsearch.search.proposers.proposer import Proposer
from actsearch.testing import ONE, ProposerContract

LINES = (
    "1. `mul(x,sigmoid(x))`\n- max(x,sin(x))\nsorry, I cannot\nmul(x,nothing(x))\nmul(mul(x,x),mul(x,x))\nadd(abs(x),x)"
)


class _Server(HTTPServer):
    questions: list[dict[str, Any]]
    keys: list[str | None]
    answer: bytes


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        self.server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as made:
        made.questions, made.keys = [], []
        made.answer = json.dumps({"choices": [{"message": {"content": LINES}}]}).encode()
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _proposer(server: _Server, space: Space = ONE, seed: int = 0) -> LanguageModel:
    return LanguageModel(space, seed, LanguageModelSettings(f"http://127.0.0.1:{server.server_port}/v1/", "small"))


class TestLanguageModel(ProposerContract):
    @pytest.fixture(autouse=True)
    def _with_server(self, server: _Server) -> None:
        self.server = server

    def make(self, space: Space, seed: int) -> Proposer:
        return _proposer(self.server, space, seed)


def test_the_model_is_shown_the_best_and_its_functions_of_the_space_are_proposed(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    proposer = _proposer(server)
    first = proposer.ask(4)
    assert server.questions == []  # nothing to show yet
    proposer.tell(first, [0.5, 3.25, 1.0, 2.0])
    proposed = [str(proposal.expression) for proposal in proposer.ask(3)]
    assert proposed == ["mul(x,sigmoid(x))", "max(x,sin(x))", "add(abs(x),x)"]
    (question,) = server.questions
    text = question["messages"][0]["content"]
    assert question["model"] == "small"
    assert server.keys == ["Bearer secret"]
    assert text.index("reward 3.25") < text.index("reward 0.5")
    assert str(first[1].expression) in text


def test_a_function_that_was_proposed_before_is_not_proposed_again(server: _Server) -> None:
    proposer = _proposer(server)
    swish = read("mul(x,sigmoid(x))")
    proposer.tell(proposer.ask(2), [1.0, 2.0])
    assert swish in [proposal.expression for proposal in proposer.ask(2)]
    assert swish not in [proposal.expression for proposal in proposer.ask(20)]


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"choices": []}', b'{"choices": [{"message": 3}]}'])
def test_an_answer_that_is_none_is_one_sentence(server: _Server, answer: bytes) -> None:
    proposer, server.answer = _proposer(server), answer
    proposer.tell(proposer.ask(1), [1.0])
    with pytest.raises(BadProposer, match=r"gave no answer .* the same command goes on"):
        proposer.ask(1)


@pytest.mark.parametrize("address", [None, "localhost:1", "file:///etc/passwd"])
def test_without_an_address_nothing_is_sent(address: str | None) -> None:
    with pytest.raises(BadProposer, match=r"'proposer.language_model.address': expected the address of a server"):
        LanguageModel(ONE, 0, LanguageModelSettings(address))
