"""A run as a page: the same numbers as the list, nothing loaded, text is text; and in a browser it works."""

import base64
import gzip
import json
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.search.command_line import main
from actsearch.search.memory.records import SEARCH, Behaviour, Key, Record
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.report.page import render, run_of
from actsearch.search.show.plain import plain
from tests.search.made_runs import edited, make_run

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reported") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        make_run(directory, patch)
    return directory


def _packed(page: str, kind: str) -> str:
    found = re.search(rf'data-kind="{kind}">([^<]*)</script>', page)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1])).decode()


def test_a_page_has_the_numbers_of_the_list(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(run), "-o", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    capsys.readouterr()
    main(["top", str(run), "--json", "--all"])
    told = json.loads(capsys.readouterr().out)
    listed = told["entries"]
    for entry in listed:
        for outcome in entry["outcomes"] if entry["rung"] != "final" else []:
            outcome.pop("diagnostics")
    assert json.loads(_packed(page, "json")) == listed
    assert told["verdict"]["sentences"][0].replace("'", "&#39;") in page
    assert len(_packed(page, "csv").splitlines()) == len(listed) + 1
    shown = [
        (e["score"], re.search(rf'data-id="{e["id"]}".*?<td class="score">([^<]*)<', page, re.S)) for e in listed[:4]
    ]
    assert all(
        found is not None and float(found[1].split()[0]) == pytest.approx(loss, abs=1e-4) for loss, found in shown
    )


def test_a_page_loads_nothing(run: Path) -> None:
    page = render([run_of(run)])
    assert not re.findall(r'(?:src|href)="(?!#)|@import|url\(|https?://(?!www\.w3\.org)', page)


def test_what_a_store_says_is_text(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        make_run(tmp_path, patch, children=5)
    with Store(tmp_path, create=True) as store:
        store.add_proposals([Behaviour("feed" * 4, EVIL, False, "twin", "feed" * 4)], [], b"")
        failed = Outcome(Status.CRASHED, reason=EVIL)
        store.add_outcome(Record(Key("feed" * 4, SEARCH, 0), Request(EVIL, 1, 500), failed))
    page = render([run_of(tmp_path)])
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_several_runs_stand_on_one_page(run: Path) -> None:
    page = render([run_of(run), run_of(run)])
    assert page.count('<article class="run"') == 2
    assert page.count('<a href="#run-') == 2


def test_a_finalist_has_its_module_and_its_formula(run: Path) -> None:
    page = render([run_of(run)])
    assert "return x * torch.sigmoid(beta * x)" in page
    assert '<math display="block">' in page


def test_infinities_are_texts() -> None:
    assert plain({"a": [float("inf"), 1.0]}) == {"a": ["inf", 1.0]}


@pytest.mark.slow
def test_a_page_of_a_thousand_candidates_weighs_less_than_two_megabytes(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        make_run(tmp_path, patch, children=1000)
    assert len(render([run_of(tmp_path)]).encode()) < 2e6


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn")
    from actsearch.search.report.serving import Pages, app  # noqa: PLC0415  it needs an extra

    config = uvicorn.Config(app(Pages(run.parent)), host="127.0.0.1", port=0, log_level="warning")
    running, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield address
    running.should_exit = True
    thread.join()
    listening.close()


def _get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.read().decode(), dict(fault.headers)


def test_a_server_shows_runs_and_nothing_else(server: str, run: Path) -> None:
    status, page, headers = _get(f"{server}/run/mine")
    assert (status, "better than ReLU" in page) == (200, True)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert _get(f"{server}/run/mine", X_Known=headers["etag"])[0] == 304
    assert "/run/mine" in _get(server)[1]
    for path in ("run/..%2f..%2fetc%2fpasswd", "run/nothing", "export/mine/none(x).py", "run/mine/run.sqlite"):
        assert _get(f"{server}/{path}")[0] == 404, path
    assert _get(f"{server}/run/mine", Host="evil.example")[0] == 400
    status, module, headers = _get(f"{server}/export/mine/swish.py")
    assert (status, "class Activation(torch.nn.Module)" in module) == (200, True)
    assert "attachment" in headers["content-disposition"]


def test_a_place_of_thousands_of_digits_is_no_fault_of_the_server(server: str, run: Path) -> None:
    for which in ("7" * 5000, "found:" + "7" * 5000, "٣", "0", "-1"):
        code, _, _ = _get(f"{server}/export/{run.name}/{urllib.parse.quote(which)}.py")
        assert code == 404


def test_a_link_to_a_run_outside_is_not_followed(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "root" / "inside")
    (tmp_path / "root" / "outside").symlink_to(run)
    (tmp_path / "root" / "file").mkdir()
    (tmp_path / "root" / "file" / FILE_NAME).symlink_to(run / FILE_NAME)
    serving = pytest.importorskip("actsearch.search.report.serving")
    pages = serving.Pages(tmp_path / "root")
    assert [*pages.names()] == ["inside"]
    assert "outside" not in serving._list(pages)


def test_facts_of_a_run_are_printed_as_codes(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "mine")
    with edited(tmp_path / "mine") as connection:
        connection.execute("UPDATE run SET value = ? WHERE key = 'machine'", ("a\x1b[31mb\u202ec",))
        connection.execute("INSERT OR REPLACE INTO run VALUES ('unit', ?, '')", ("n\x1bats",))
    page = render([run_of(tmp_path / "mine")])
    assert not {"\x1b", "\u202e"} & {*page}
    assert "a\\x1b[31mb\\u202ec" in page


def test_whoever_does_not_finish_a_request_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    from actsearch.search.report import patience, serving  # noqa: PLC0415  they need an extra

    monkeypatch.setattr(patience, "SECONDS", 0.4)
    pages = serving.app(serving.Pages(run))
    served = uvicorn.Server(uvicorn.Config(pages, port=0, log_level="error", http=patience.Impatient))
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.02)
    port = served.servers[0].sockets[0].getsockname()[1]
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")  # and no end
            assert half.recv(1) == b""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/run/run") as answer:
            assert answer.status == 200
    finally:
        served.should_exit = True
        thread.join()


def test_looking_changes_nothing(server: str, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name == "run.sqlite"}
    _get(f"{server}/run/mine")
    for path, content in before.items():
        assert path.read_bytes() == content
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{server}/run/mine", method="POST"))
    with refused.value:
        assert refused.value.code == 405


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_in_a_browser_everything_works(run: Path, tmp_path: Path, server: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = tmp_path / "page.html"
    path.write_text(render([run_of(run)]), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for address, scheme in ((path.as_uri(), "light"), (path.as_uri(), "dark"), (f"{server}/run/mine", "light")):
            for width in (1280, 390):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                said: list[str] = []
                page.on("console", lambda message, said=said: said.append(message.text))
                page.on("pageerror", lambda fault, said=said: said.append(str(fault)))
                page.goto(address)
                page.locator("button.open").first.click()
                assert page.locator("tr.detail figure").count() >= 4
                found = axe.Axe().run(page) if address.startswith("file") else None
                serious = (
                    [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
                    if found
                    else []
                )
                assert not serious, [(one["id"], one["nodes"][0]["html"]) for one in serious]
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                if width == 1280:
                    _sorts_filters_downloads(page)
                assert not said, said
                context.close()
        browser.close()


def _sorts_filters_downloads(page: object) -> None:
    def column(name: str) -> list[str]:
        texts = page.locator(f"tbody tr:not(.detail):not([hidden]) .{name}").all_inner_texts()  # type: ignore[attr-defined]
        return [text for text in texts if text]

    page.locator("button.sort[data-column=size]").click()  # type: ignore[attr-defined]
    sizes = [int(text) for text in column("size")]
    assert sizes == sorted(sizes)
    page.locator("button.sort[data-column=size]").click()  # type: ignore[attr-defined]
    assert [int(text) for text in column("size")] == sorted(sizes, reverse=True)
    everybody = len(column("position"))
    page.locator(".filter").fill("sigmoid")  # type: ignore[attr-defined]
    some = len(column("position"))
    assert 0 < some < everybody
    page.locator(".filter").fill("")  # type: ignore[attr-defined]
    page.locator(".baselines").check()  # type: ignore[attr-defined]
    assert len(column("position")) == everybody - 3
    page.locator(".baselines").uncheck()  # type: ignore[attr-defined]
    with page.expect_download() as download:  # type: ignore[attr-defined]
        page.locator("button.download[data-kind=json]").click()  # type: ignore[attr-defined]
    assert len(json.loads(Path(download.value.path()).read_text())) >= everybody
    page.locator("button.open").first.click()  # type: ignore[attr-defined]
    page.locator("tr.detail button.copy").first.click()  # type: ignore[attr-defined]
    page.locator("tr.detail button.copy", has_text="copied").wait_for()  # type: ignore[attr-defined]
