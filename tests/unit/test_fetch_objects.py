"""Fetching files by fsspec, S3 among them, and bars by yfinance, for which a module of the same name stands in."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pandas as pd
import pytest
import yaml

from outsample.cli.main import main
from outsample.config.data import Data
from outsample.config.files import CsvSource
from outsample.config.generate import default_yaml
from outsample.config.remote import UrlSource, YfinanceSource
from outsample.data.paths import input_files
from outsample.data.sources import read_bars
from outsample.errors import DataError
from outsample.fetch.run import fetch
from outsample.io.lineage import dvc_hash

http_service = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "http_service.py")))
HEADER = "date,open,high,low,close,volume\n"
SECRET = "wJalrXUtnFEMI/K7MDENG"


def csv(*days):
    return (HEADER + "".join(f"2024-01-{day:02d},10,12,9,11,500\n" for day in days)).encode()


@pytest.fixture(scope="module")
def s3():
    """A server of the S3 interface on this machine, with a bucket and a client to fill it."""
    server_module = pytest.importorskip("moto.server")
    patch = pytest.MonkeyPatch()
    patch.setenv("NO_PROXY", "127.0.0.1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = fsspec.filesystem("s3", endpoint_url=url, key="test", secret=SECRET)
    client.mkdir("bars")
    yield SimpleNamespace(url=url, client=client)
    server.stop()
    patch.undo()


def test_an_object_of_s3_and_several_by_a_pattern(s3, tmp_path):
    s3.client.pipe_file("bars/daily/UP.csv", csv(2, 3))
    s3.client.pipe_file("bars/parts/UP/2024-b.csv", csv(4))
    s3.client.pipe_file("bars/parts/UP/2024-a.csv", csv(2, 3))
    options = {"endpoint_url": s3.url, "key": "${S3_KEY}", "secret": "${S3_SECRET}"}
    environment = {"S3_KEY": "test", "S3_SECRET": SECRET}
    one = Data(source=UrlSource(url="s3://bars/daily/{symbol}.csv", options=options), symbols=["UP"])
    assert "1 page, 2 bars" in fetch(one, tmp_path, environment)[0]
    assert (tmp_path / "data/fetched/url/UP/page-0001.csv").read_bytes() == csv(2, 3)
    several = Data(source=UrlSource(url="s3://bars/parts/{symbol}/*.csv", options=options), symbols=["UP"])
    assert "2 pages, 3 bars" in fetch(several, tmp_path, environment, force=True)[0]
    bars, manifest = read_bars(several, tmp_path)
    assert [date.day for date in bars["date"]] == [2, 3, 4]
    entry = manifest["symbols"]["UP"]["origin"]
    assert [file["object"] for file in entry["files"]] == ["2024-a.csv", "2024-b.csv"]
    assert entry["query"]["options"]["secret"] == "${S3_SECRET}"
    assert SECRET not in json.dumps(manifest)
    assert not any(SECRET.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    missing = Data(source=UrlSource(url="s3://bars/daily/{symbol}.csv", options=options), symbols=["DOWN"])
    with pytest.raises(DataError, match=r"DOWN, s3://bars/daily/DOWN\.csv: no such file there"):
        fetch(missing, tmp_path, environment)


def test_parquet_behind_an_address(tmp_path):
    memory = fsspec.filesystem("memory")
    days = pd.to_datetime(["2024-01-02", "2024-01-03"])
    price = pd.Series([12.0, 11.0])
    bars = pd.DataFrame({"Date": days, "Open": price, "High": price, "Low": price, "Close": price, "Volume": 500})
    memory.pipe_file("/parquet/UP.parquet", bars.to_parquet(index=False))
    memory.pipe_file("/parquet/CUT.parquet", bars.to_parquet(index=False)[:-20])
    data = Data(source=UrlSource(url="memory://parquet/{symbol}.parquet", response="parquet"), symbols=["UP"])
    assert "1 page, 2 bars from 2024-01-02 to 2024-01-03" in fetch(data, tmp_path, {})[0]
    assert (tmp_path / "data/fetched/url/UP/page-0001.parquet").read_bytes() == bars.to_parquet(index=False)
    assert read_bars(data, tmp_path)[0]["close"].tolist() == [12, 11]
    with pytest.raises(DataError, match=r"CUT, CUT\.parquet: not readable as Parquet"):
        fetch(data, tmp_path, {}, symbols=["CUT"])


def test_s3_without_a_key_is_one_sentence(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DataError, match=r"UP, s3://x/UP: not readable \(Unable to locate credentials\)"):
        fetch(Data(source=UrlSource(url="s3://x/{symbol}"), symbols=["UP"]), tmp_path, {})


def test_any_address_of_fsspec(tmp_path):
    answer = {"Time Series (Daily)": {"2024-01-03": {"4. close": "11"}, "2024-01-02": {"4. close": "12"}}}
    fsspec.filesystem("memory").pipe_file("/bars/UP-2024.json", json.dumps(answer).encode())
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), '"4. close"') | {"date": "$key"}
    source = UrlSource(
        url="memory://bars/{symbol}-2024.json", response="json", records='"Time Series (Daily)"', columns=columns
    )
    fetch(Data(source=source, symbols=["UP"]), tmp_path, {})
    bars, _ = read_bars(Data(source=source, symbols=["UP"]), tmp_path)
    assert bars["close"].tolist() == [12, 11]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nothing://x/{symbol}", "the driver|not readable"),
        ("memory://gone/{symbol}.csv", "no such file there"),
        ("memory://gone/{symbol}*.csv", "no such file there"),
        ("gcs://x/{symbol}.csv", r"the driver for gcs:// is not installed; install it"),
        ("memory://x/{symbol}-{start}.csv", r"uses \{start\}, but data.start is null"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_sentence(url, expected, tmp_path):
    with pytest.raises(DataError, match=expected) as caught:
        fetch(Data(source=UrlSource(url=url), symbols=["UP"]), tmp_path, {})
    assert "\n" not in str(caught.value)


def test_a_driver_that_is_an_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(DataError, match=r"s3:// is not installed; install it: pip install 'outsample\[s3\]'"):
        fetch(Data(source=UrlSource(url="s3://x/{symbol}"), symbols=["UP"]), tmp_path, {})


class Yahoo:
    """Stands in for the package yfinance."""

    __version__ = "0"

    def __init__(self, table):
        self.table, self.asked = table, {}

    def download(self, tickers, **keys):
        self.asked = {"tickers": tickers, **keys}
        return self.table


YAHOO = Data(source=YfinanceSource(), symbols=["UP"], start="2024-01-02", end="2024-01-03")


def test_yfinance_is_asked_for_unadjusted_bars_up_to_the_last_day(tmp_path, monkeypatch):
    table = pd.DataFrame(
        {"Adj Close": [5.0], "Close": [11.0], "High": [12.0], "Low": [9.0], "Open": [10.0], "Volume": [500]},
        index=pd.DatetimeIndex(["2024-01-02"], name="Date"),
    )
    package = Yahoo(table)
    monkeypatch.setitem(sys.modules, "yfinance", package)
    fetch(YAHOO, tmp_path, {})
    asked = package.asked
    assert (asked["tickers"], asked["start"], asked["end"]) == ("UP", "2024-01-02", "2024-01-04")
    assert (asked["auto_adjust"], asked["multi_level_index"]) == (False, False)
    stored = (tmp_path / "data/fetched/yfinance/UP/page-0001.csv").read_text()
    assert stored.splitlines() == ["Date,Adj Close,Close,High,Low,Open,Volume", "2024-01-02,5.0,11.0,12.0,9.0,10.0,500"]
    bars, manifest = read_bars(YAHOO, tmp_path)
    assert bars.loc[0, "adj_close"] == 5
    assert manifest["symbols"]["UP"]["origin"]["query"]["end"] == "2024-01-03"


def test_yfinance_without_bars_or_not_installed_is_refused(tmp_path, monkeypatch):
    for table in (None, pd.DataFrame()):
        monkeypatch.setitem(sys.modules, "yfinance", Yahoo(table))
        with pytest.raises(DataError, match="UP: yfinance gave no bars"):
            fetch(YAHOO, tmp_path, {})
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(DataError, match=r"not installed; install it: pip install 'outsample\[yfinance\]'"):
        fetch(YAHOO, tmp_path, {})
    assert not (tmp_path / "data").exists()


@pytest.fixture
def repository_folder(tmp_path, monkeypatch):
    """A repository of Git and DVC with one experiment, in which the commands run."""
    files = {
        "base/default.yaml": default_yaml(),
        "environments/development.yaml": "",
        "experiments/quickstart.yaml": "",
    }
    for name, text in files.items():
        (tmp_path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def test_the_command_stores_all_symbols_or_none_and_lets_dvc_keep_them(repository_folder, capsys, monkeypatch):
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    bodies = {"/A": csv(2), "/B": b"<html>"}
    with http_service.serving() as service:
        service.answer = lambda request: http_service.Reply(bodies[request.path])
        Path("config/experiments/mine.yaml").write_text(
            "data: {symbols: [A, B], source: {kind: http, requests_per_second: 1000, "
            f"url: '{service.url}/{{symbol}}'}}}}"
        )
        assert main(["fetch", "mine"]) == 1
        assert "page 1 of 127.0.0.1: the answer is a web page" in capsys.readouterr().err
        assert not Path("data/fetched/http/A").exists()
        bodies["/B"] = csv(3)
        assert main(["fetch", "mine", "--retrieved", "2024-02-01"]) == 0
        out = capsys.readouterr().out
        assert "DVC keeps a version: commit data/fetched/http/A.dvc, data/fetched/http/B.dvc" in out
        (versioned,) = yaml.safe_load(Path("data/fetched/http/A.dvc").read_text())["outs"]
        assert (versioned["path"], versioned["md5"]) == ("A", dvc_hash(Path("data/fetched/http/A")))
        assert "/A" in Path("data/fetched/http/.gitignore").read_text()
        service.asked.clear()
        assert main(["fetch", "mine", "B"]) == 0
        assert capsys.readouterr().out.count("\n") == 1  # B alone, and nothing for DVC to do
        assert [request.path for request in service.asked] == ["/B"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fetch", "quickstart"], "its source is of kind csv, which needs no fetching"),
        (["fetch", "quickstart", "APL"], "APL is no symbol of quickstart; did you mean AAPL?"),
        (["fetch", "quickstart", "--retrieved", "today"], "--retrieved today is no date"),
        (["fetch", "nothing"], "The experiment nothing is unknown"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(repository_folder, capsys, arguments, expected):
    assert main(arguments) == 1
    assert expected in capsys.readouterr().err


def test_without_dvc_it_says_so_and_goes_on(repository_folder, capsys):
    fsspec.filesystem("memory").pipe_file("/plain/A.csv", csv(2))
    Path("config/experiments/mine.yaml").write_text(
        "data: {symbols: [A], source: {kind: url, url: 'memory://plain/{symbol}.csv'}}"
    )
    assert main(["fetch", "mine"]) == 0
    assert "There is no DVC repository here" in capsys.readouterr().out


def test_a_disk_that_is_full_leaves_every_earlier_folder_as_it_was(tmp_path, monkeypatch):
    system = fsspec.filesystem("memory")
    data = Data(source=UrlSource(url="memory://full/{symbol}.csv"), symbols=["A", "B"])
    for symbol in "AB":
        system.pipe_file(f"/full/{symbol}.csv", csv(2))
    fetch(data, tmp_path, {})
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for symbol in "AB":
        system.pipe_file(f"/full/{symbol}.csv", csv(2, 3))
    replace = os.replace

    def full(source, target):
        if (Path(source).name, Path(target).name) == ("new", "B"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("outsample.fetch.store.os.replace", full)
    with pytest.raises(DataError, match=r"url/B cannot be written \(No space left on device\), so nothing was stored"):
        fetch(data, tmp_path, {})
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in (tmp_path / "data/fetched/url").iterdir()) == ["A", "B"]


def test_sources_of_their_own_are_fetched_each_and_files_are_left_alone(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe_file("/one/A.csv", csv(2))
    system.pipe_file("/two/B.csv", csv(3).replace(b",", b";"))
    (tmp_path / "C.csv").write_bytes(csv(4))
    data = Data(
        source=UrlSource(url="memory://one/{symbol}.csv"),
        sources={"B": UrlSource(url="memory://two/{symbol}.csv"), "C": CsvSource(path="{symbol}.csv")},
        symbols=["A", "B", "C"],
    )
    assert [line[:1] for line in fetch(data, tmp_path, {})[:2]] == ["A", "B"]
    bars, manifest = read_bars(data, tmp_path)
    assert bars["symbol"].tolist() == ["A", "B", "C"]
    assert [date.day for date in bars["date"]] == [2, 3, 4]
    assert manifest["symbols"]["B"]["origin"]["query"]["url"] == "memory://two/{symbol}.csv"
    assert input_files(data, data.symbols, tmp_path) == [
        "C.csv",
        *(f"data/fetched/url/{symbol}/{name}" for symbol in "AB" for name in ("origin.json", "page-0001.csv")),
    ]
    with pytest.raises(DataError, match="C: its source is of kind csv, which needs no fetching"):
        fetch(data, tmp_path, {}, symbols=["C"])
