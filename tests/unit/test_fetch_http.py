"""Fetching over HTTP from a service on this machine: pages, failures, and that the key is told to nobody else."""

import json
import logging
import runpy
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from outsample.config.data import Data
from outsample.config.remote import HttpSource
from outsample.data.sources import read_bars
from outsample.errors import DataError
from outsample.fetch.http import HttpAnswers
from outsample.fetch.run import fetch

http_service = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "http_service.py")))
Reply = http_service.Reply
KEY = "s3cr+t/k=y 42"  # changes in every encoding
HEADER = "date,open,high,low,close,volume\n"
HTML = b"<!DOCTYPE html><html><title>Sign in</title></html>"


def row(day, close=11):
    return f"2024-01-{day:02d},10,12,9,{close},500\n"


def csv(*days):
    return (HEADER + "".join(row(day) for day in days)).encode()


def records(*days, **more):
    names = ("open", "high", "low", "close", "volume")
    return [{"date": f"2024-01-{d:02d}"} | dict(zip(names, (10, 12, 9, 11, 500), strict=True)) | more for d in days]


@pytest.fixture(scope="module")
def server():
    with http_service.serving() as service:
        yield service


@pytest.fixture
def case(server, tmp_path, caplog, monkeypatch):
    """One case: `fetch` returns the lines or the sentence of the refusal, none of which may hold the key."""
    server.asked.clear()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    caplog.set_level(logging.DEBUG)
    slept = []

    def settings(answer, **keys):
        server.answer = answer if callable(answer) else lambda request: answer
        defaults = {
            "url": server.url + "/bars/{symbol}",
            "headers": {"X-Key": "${BARS_KEY}"},
            "requests_per_second": 1e6,
        }
        return Data(source=HttpSource(**defaults | keys), symbols=["UP"], start="2024-01-02", end="2024-01-31")

    def make(source, secrets, span):
        return HttpAnswers(source, secrets, span, sleep=slept.append)

    def run(answer, environment=None, refused=False, **keys):
        options = {name: keys.pop(name) for name in ("force", "note", "retrieved") if name in keys}
        data = settings(answer, **keys)
        environment = {"BARS_KEY": KEY} if environment is None else environment
        if refused:
            with pytest.raises(DataError) as caught:
                fetch(data, tmp_path, environment, make=make, **options)
            said = str(caught.value)
            assert "\n" not in said
            assert said.endswith(".")
        else:
            said = "\n".join(fetch(data, tmp_path, environment, make=make, **options))
        told = [said, caplog.text, *(p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file())]
        if not refused:
            told.append(json.dumps(read_bars(data, tmp_path)[1]))
        for text in told:
            for form in (KEY, "s3cr%2Bt%2Fk%3Dy%2042", "s3cr%2Bt%2Fk%3Dy+42", "s3cr%2Bt/k%3Dy%2042"):
                assert form not in text
        return said

    stored = tmp_path / "data/fetched/http/UP"
    return SimpleNamespace(run=run, settings=settings, slept=slept, server=server, stored=stored, root=tmp_path)


def days(case, **keys):
    bars, _ = read_bars(case.settings(Reply(), **keys), case.root)
    return [date.day for date in bars["date"]]


def test_an_answer_is_stored_as_it_came_and_read_without_the_service(case):
    body = csv(2, 3).replace(b"\n", b"\r\n")
    said = case.run(
        Reply(body), params={"apikey": "${BARS_KEY}", "from": "{start}"}, retrieved="2024-02-01", note="trial"
    )
    assert said.startswith("UP: 1 page, 2 bars from 2024-01-02 to 2024-01-03; new.")
    assert (case.stored / "page-0001.csv").read_bytes() == body
    asked = case.server.asked[0]
    assert (asked.path, asked.query, asked.headers["x-key"]) == ("/bars/UP", {"apikey": KEY, "from": "2024-01-02"}, KEY)
    origin = json.loads((case.stored / "origin.json").read_text())
    assert origin["query"]["params"] == {"apikey": "${BARS_KEY}", "from": "{start}"}
    assert (origin["query"]["start"], "end" in origin["query"]) == ("2024-01-02", False)
    assert (origin["retrieved"], origin["note"], origin["symbol"]) == ("2024-02-01", "trial", "UP")
    assert origin["files"][0]["status"] == 200
    assert origin["files"][0]["content_type"] == "text/csv"
    data = case.settings(Reply(status=500), params={"apikey": "${BARS_KEY}", "from": "{start}"})
    bars, manifest = read_bars(data, case.root)
    assert [date.day for date in bars["date"]] == [2, 3]
    entry = manifest["symbols"]["UP"]
    assert entry["file"] == "data/fetched/http/UP/origin.json"
    assert entry["origin"]["files"] == origin["files"]
    assert len(case.server.asked) == 1


def test_pages_by_number_end_at_an_empty_page(case):
    pages = {"1": csv(2, 3), "2": csv(4, 5), "3": HEADER.encode()}
    case.run(lambda r: Reply(pages[r.query["p"]]), params={"p": "{page}"}, paging="page")
    assert days(case, params={"p": "{page}"}, paging="page") == [2, 3, 4, 5]
    assert sorted(p.name for p in case.stored.iterdir()) == ["origin.json", "page-0001.csv", "page-0002.csv"]


def test_pages_by_offset_end_at_a_short_page_and_may_overlap_where_they_agree(case):
    pages = {"0": csv(5, 6), "2": csv(2, 5), "4": csv(1)}
    keys = {"params": {"skip": "{offset}"}, "paging": "offset", "page_size": 2}
    case.run(lambda r: Reply(pages[r.query["skip"]]), **keys)
    assert days(case, **keys) == [1, 2, 5, 6]
    assert len(case.server.asked) == 3


def test_pages_by_cursor_end_where_there_is_none(case):
    pages = {
        None: {"data": {"bars": records(2, 3)}, "meta": {"next": "c/2"}},
        "c/2": {"data": {"bars": records(4)}, "meta": {"next": None}},
    }
    keys = {"params": {"after": "{cursor}"}, "paging": "cursor", "next": "meta.next", "response": "json"}
    case.run(lambda r: Reply(json.dumps(pages[r.query.get("after")]).encode()), records="data.bars", **keys)
    assert [request.query for request in case.server.asked] == [{}, {"after": "c/2"}]
    assert days(case, records="data.bars", **keys) == [2, 3, 4]


def test_pages_by_link_keep_the_key_and_stay_on_the_server(case):
    def answer(request):
        if request.query.get("n") == "2":
            return Reply(csv(4))
        return Reply(csv(2, 3), headers={"Link": '<?n=2>; rel="next"'})

    keys = {"params": {"apikey": "${BARS_KEY}"}, "paging": "link"}
    case.run(answer, **keys)
    assert [request.query for request in case.server.asked] == [{"apikey": KEY}, {"apikey": KEY, "n": "2"}]
    away = Reply(csv(2), headers={"Link": '<http://localhost:1/x>; rel="next"'})
    assert "another server" in case.run(away, refused=True, force=True, **keys)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(case, status):
    said = case.run(lambda r: Reply(b"busy", status) if r.number < 2 else Reply(csv(2)))
    assert "1 bars" in said
    assert len(case.slept) == 2


def test_retry_after_is_respected_and_backoff_grows_with_jitter(case):
    case.run(lambda r: Reply(b"", 429, {"Retry-After": "17"}) if r.number == 0 else Reply(csv(2)))
    assert case.slept == [17]
    case.server.asked.clear()
    case.slept.clear()
    said = case.run(Reply(b"", 503), refused=True, retries=6, force=True)
    assert "it answered 503, 7 times in a row" in said
    assert len(case.slept) == 6
    assert all(0 <= pause <= 2**n for n, pause in enumerate(case.slept))
    assert len(set(case.slept)) == 6
    said = case.run(Reply(b"", 429, {"Retry-After": "86400"}), refused=True, force=True)
    assert "asks to wait 86400 seconds" in said


def test_a_cut_body_is_tried_again_and_then_refused(case):
    case.run(lambda r: Reply(csv(2, 3), cut=9) if r.number == 0 else Reply(csv(2, 3)))
    assert days(case) == [2, 3]
    said = case.run(Reply(csv(2, 3), cut=9), refused=True, retries=1)
    assert "the answer was cut" in said
    assert days(case) == [2, 3]


def test_requests_are_spread(case):
    case.run(lambda r: Reply(csv(r.number + 1) if r.number < 2 else b""), paging="page", params={"p": "{page}"},
             requests_per_second=0.01)  # fmt: skip
    assert [round(pause) for pause in case.slept] == [100, 200]  # of a clock that stands nearly still


def test_redirects_stay_on_the_server(case):
    case.run(lambda r: Reply(csv(2)) if r.path == "/new" else Reply(b"", 302, {"Location": "/new"}))
    assert [request.path for request in case.server.asked] == ["/bars/UP", "/new"]
    away = Reply(b"", 302, {"Location": "http://localhost:1/steal"})
    assert "another server" in case.run(away, refused=True)
    assert "more than 5 times" in case.run(Reply(b"", 302, {"Location": "/again"}), refused=True)


@pytest.mark.parametrize(
    ("reply", "keys", "expected"),
    [
        (Reply(b"wrong key " + KEY.encode(), 401), {}, "it answered 401 ('wrong key ${BARS_KEY}'); correct the key."),
        (Reply(b"x" * 300 + KEY.encode(), 404), {}, "it answered 404 ('xxx"),
        (Reply(b"", 204), {}, "it answered 204; correct the symbol"),
        (Reply(HTML), {}, "a web page or XML in place of data"),
        (Reply(HTML), {"response": "json"}, "a web page or XML in place of data"),
        (Reply(b""), {}, "the answer holds no bars"),
        (Reply(HEADER.encode()), {}, "the answer holds no bars"),
        (Reply(b"[]"), {"response": "json"}, "the answer holds no bars"),
        (Reply(b'{"bars": null}'), {"response": "json", "records": "bars"}, "the answer holds no bars"),
        (Reply(b'{"error": "no such symbol"}'), {"response": "json", "records": "bars"}, "nothing stands at 'bars'"),
        (Reply(b'{"bars": ['), {"response": "json", "records": "bars"}, "not readable as JSON"),
        (Reply(csv(2) + b"2024-01-03,a,12,9,11,500\n"), {}, "which is no number"),
        (Reply(csv(2) + KEY.encode()), {}, "the answer repeats the value of ${BARS_KEY}"),
        (Reply(json.dumps({"you sent": KEY}).encode()), {"response": "json"}, "the answer repeats the value"),
        (Reply(b"not gzip", headers={"Content-Encoding": "gzip"}), {"retries": 0}, "cannot be unpacked"),
        (Reply(b"", 302, {"Location": "http://a:port"}), {"retries": 0}, "Invalid URL in location header"),
    ],
)
def test_what_is_no_data_is_refused_and_nothing_is_stored(case, reply, keys, expected):
    assert expected in case.run(reply, refused=True, **keys)
    assert not case.stored.exists()


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (records(4, close=99) + records(3, close=98), "two pages hold different bars of 2024-01-03 (close 11 and 98)"),
        (records(4, vwap=3), "its columns are not those of"),
        ([{"t": "2024-01-04"}], "nothing stands at 'date'"),
        (records(4, 4), "the date 2024-01-04 stands there twice"),
    ],
)
def test_pages_that_do_not_fit_together_are_refused(case, second, expected):
    pages = {"1": records(2, 3), "2": second, "3": []}
    keys = {"params": {"p": "{page}"}, "paging": "page", "response": "json"}
    assert expected in case.run(lambda r: Reply(json.dumps(pages[r.query["p"]]).encode()), refused=True, **keys)


def test_a_header_that_changes_between_pages_is_refused(case):
    pages = {"1": csv(2), "2": csv(3).replace(b"open,high", b"high,open")}
    said = case.run(lambda r: Reply(pages[r.query["p"]]), refused=True, params={"p": "{page}"}, paging="page",
                    max_pages=2)  # fmt: skip
    assert "more than 2 pages" in said
    pages["3"] = b""
    said = case.run(lambda r: Reply(pages[r.query["p"]]), refused=True, params={"p": "{page}"}, paging="page")
    assert "page-0002.csv: its columns are not those of page-0001.csv" in said


def test_a_cursor_that_comes_again_is_refused(case):
    body = json.dumps({"bars": records(2), "next": "same"}).encode()
    keys = {"params": {"after": "{cursor}"}, "paging": "cursor", "next": "next", "response": "json", "records": "bars"}
    assert "in circles" in case.run(Reply(body), refused=True, **keys)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "The environment variable BARS_KEY is not set"),
        ({"BARS_KEY": ""}, "BARS_KEY is not set"),
        ({"BARS_KEY": KEY + "\n"}, "BARS_KEY holds blanks at an end, a line break"),
        ({"BARS_KEY": "schlüssel"}, "letters beyond ASCII"),
        ({"BARS_KEY": "abc"}, "fewer than 4 letters"),
    ],
)
def test_a_key_that_is_none_is_named_by_its_variable(case, environment, expected):
    assert expected in case.run(Reply(csv(2)), environment, refused=True)
    assert not case.server.asked


def test_a_service_that_cannot_be_reached_is_tried_again_and_then_refused(case):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = case.run(Reply(), refused=True, url=f"http://127.0.0.1:{port}/{{symbol}}", retries=2)
    assert "it cannot be reached" in said
    assert "3 times in a row" in said


def test_the_same_bytes_change_nothing_and_a_revision_is_shown(case):
    case.run(Reply(csv(2, 3)), note="first")
    before = {p.name: p.stat().st_mtime_ns for p in case.stored.iterdir()}
    assert "the same bytes as before" in case.run(Reply(csv(2, 3)), note="second")
    assert {p.name: p.stat().st_mtime_ns for p in case.stored.iterdir()} == before
    revised = (HEADER + row(2, close=11.5) + row(3) + row(4)).encode()
    said = case.run(Reply(revised))
    assert "1 added, 0 removed, 1 changed (first 2024-01-02: close 11 -> 11.5)" in said
    assert days(case) == [2, 3, 4]


def test_bars_are_lost_by_force_only(case):
    case.run(Reply(csv(2, 3, 4)))
    said = case.run(Reply(csv(3, 4)), refused=True)
    assert "the answer lacks bars that are stored (0 added, 1 removed, 0 changed (first 2024-01-02: gone))" in said
    assert days(case) == [2, 3, 4]
    case.run(Reply(csv(3, 4)), force=True)
    assert days(case) == [3, 4]
    assert [p.name for p in case.stored.parent.iterdir()] == ["UP"]


def test_stored_answers_that_were_touched_or_belong_to_another_query_are_refused(case):
    with pytest.raises(DataError, match="nothing is stored for UP; run `outsample fetch EXPERIMENT`"):
        days(case)
    case.run(Reply(csv(2, 3)))
    with pytest.raises(DataError, match=r"another query \(other params\)"):
        days(case, params={"adjusted": "no"})
    assert days(case, timeout=3, requests_per_second=7) == [2, 3]  # how it is asked is not what is asked
    assert "--force" in case.run(Reply(csv(2, 3)), refused=True, params={"adjusted": "no"})
    page = case.stored / "page-0001.csv"
    page.write_bytes(page.read_bytes().replace(b"500", b"501"))
    with pytest.raises(DataError, match=r"page-0001\.csv: it is not the answer that was fetched"):
        days(case)
    page.unlink()
    with pytest.raises(DataError, match=r"page-0001\.csv: not readable"):
        days(case)
    case.run(Reply(csv(2, 3)), force=True)
    assert days(case) == [2, 3]
