"""Runs as live pages on this machine. The only door to Starlette and uvicorn.

The server changes nothing and serves nothing outside of the run directories. A page may call only this server, and runs
only its own program. Not here: the pages (``page``).
"""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.printable import printable
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.search.memory.store import FILE_NAME, StoreError
from actsearch.search.ranking.finding import find
from actsearch.search.report import page
from actsearch.search.show.state_tables import state_facts
from actsearch.search.states import age, run_directories, runs_in

FRESH = 4.0  # seconds for which a page is reused, however fast the run changes
HOSTS = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass
class Pages:
    """The pages of some runs, made on request.

    Args:
        root: directory of a run, or of several runs.
        command: name of the program in the commands that a page shows.
        kept: name of a run -> version, time, text and contents of its last page.
    """

    root: Path
    command: str = "actsearch"
    kept: dict[str, tuple[str, float, str, page.Shown]] = field(default_factory=dict)

    def names(self) -> dict[str, Path]:
        """Return name in the address -> directory of the run; only these runs are served."""
        inside = [path for path in run_directories(self.root) if self._is_inside(path)]
        return {path.relative_to(self.root).as_posix() if path != self.root else "run": path for path in sorted(inside)}

    def _is_inside(self, path: Path) -> bool:
        """Whether a run lies below the root after links are followed."""
        return (path / FILE_NAME).resolve().is_relative_to(self.root.resolve())

    def page(self, name: str) -> tuple[str, str, page.Shown]:
        """Return the version of a run, its page as HTML, and the page's contents.

        Raises:
            StoreError: the run cannot be read.
            KeyError: there is no such run.
        """
        path = self.names()[name]
        version = _version(path)
        known = self.kept.get(name)
        if known and (known[0] == version or time.monotonic() - known[1] < FRESH):
            return known[0], known[2], known[3]
        run = page.run_of(path, self.command)
        text = page.render([run], live=True)
        self.kept[name] = (version, time.monotonic(), text, run)
        return version, text, run


def _version(path: Path) -> str:
    """Return a digest that changes whenever the store is written."""
    files = [file for name in (FILE_NAME, f"{FILE_NAME}-wal") if (file := path / name).is_file()]
    stats = [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]


def policy() -> str:
    """Return the content security policy: the page's own style and program by hash, and calls to this server."""
    hashes = {}
    for name in ("page.css", "page.js"):
        text = (page.HERE / name).read_text(encoding="utf-8")
        hashes[name] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{hashes['page.css']}'; script-src 'sha256-{hashes['page.js']}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def app(pages: Pages, hosts: Sequence[str] = HOSTS) -> Starlette:
    """Return the Starlette application.

    Args:
        pages: pages to serve.
        hosts: host names that requests may use; others are refused, so that no foreign site can read through a browser.
    """
    safe = {
        "Content-Security-Policy": policy(), "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
    }  # fmt: skip

    def answer(text: str, further: Mapping[str, str] | None = None, status: int = 200) -> Response:
        return HTMLResponse(text, status, {**safe, **(further or {})})

    async def home(request: Request) -> Response:
        names = pages.names()
        if list(names) == ["run"]:
            return RedirectResponse("/run/run", headers=safe)
        return answer(await run_in_threadpool(_list, pages))

    async def one(request: Request) -> Response:
        try:
            version, text, _ = await run_in_threadpool(pages.page, request.path_params["name"])
        except KeyError:
            return answer("<p>no such run; <a href='/'>the runs</a></p>", status=404)
        except StoreError as fault:
            return answer(f"<p>{escape(str(fault))}; <a href='/'>the runs</a></p>", status=409)
        if request.headers.get("X-Known") == version:
            return Response(status_code=304, headers=safe)
        return answer(text, {"ETag": version})

    async def exported(request: Request) -> Response:
        try:
            _, _, run = await run_in_threadpool(pages.page, request.path_params["name"])
            entry = find(run.board.entries, request.path_params["which"])
            text = torch_source(Discovery(BUILT_IN.read_kept(entry.expression).as_expression()))
        except KeyError:
            return PlainTextResponse("no such run", 404, safe)
        except UserFault as fault:
            return PlainTextResponse(str(fault), 404, safe)
        attachment = {"Content-Disposition": 'attachment; filename="activation.py"'}
        return PlainTextResponse(text, 200, {**safe, **attachment})

    routes = [
        Route("/", home),
        Route("/export/{name:path}/{which}.py", exported),
        Route("/run/{name:path}", one),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[*hosts])])


def _list(pages: Pages) -> str:
    rows = []
    names = {path: name for name, path in pages.names().items()}
    for state in runs_in(pages.root):
        if state.directory not in names:
            continue
        facts = state_facts(state)
        when = "" if state.last is None else age(state.last)
        cells = [printable(str(facts["state"])), when, str(sum(state.trained.values())), state.best]
        name = names[state.directory]
        link = f'<a href="/run/{quote(name)}">{escape(name)}</a>'
        rows.append(f'<tr><th scope="row" class="formula">{link}</th>'
                    + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")  # fmt: skip
    style = (page.HERE / "page.css").read_text(encoding="utf-8")
    head = "".join(f'<th scope="col">{name}</th>' for name in ("run", "state", "age", "trained", "best"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>runs</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head><body><main>'
        f'<h1>Runs</h1><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div></main></body></html>"
    )


def serve(pages: Pages, host: str, port: int) -> Any:
    """Serve pages until the process is stopped.

    Args:
        pages: pages to serve.
        host: address to listen on; ``127.0.0.1`` answers this machine only.
        port: port to listen on.
    """
    import uvicorn  # noqa: PLC0415  saves tests of the pages half a second

    hosts = HOSTS if host in HOSTS else (*HOSTS, host)
    from actsearch.search.report.patience import Impatient  # noqa: PLC0415  it needs uvicorn

    uvicorn.run(app(pages, hosts), host=host, port=port, log_level="warning", http=Impatient)
