"""Bars from JSON: the shapes that services answer with, and what is refused."""

import datetime
import json
import math

import pytest
from pydantic import ValidationError

from outsample.config.data import Data
from outsample.config.files import FileFormat
from outsample.config.models import Settings
from outsample.config.remote import HttpSource, UrlSource
from outsample.config.sentences import explain
from outsample.data.json_source import has, parse_json
from outsample.errors import DataError

NEW_YORK = FileFormat(timezone="America/New_York")
NAMES = ("date", "open", "high", "low", "close", "volume")


def settings(**keys):
    return UrlSource(url="memory://x/{symbol}", response="json", **keys)


def parse(content, **keys):
    return parse_json(json.dumps(content).encode(), "x.json", settings(**keys))


def test_a_list_of_objects_with_texts_and_nulls():
    records = [{"date": "2024-01-02", "open": "10", "high": 12, "low": 9.5, "close": None, "volume": "-", "x": 1}]
    bars, names = parse({"data": [{"bars": records}]}, records="data[0].bars")
    assert bars.loc[0, ["open", "high", "low"]].tolist() == [10, 12, 9.5]
    assert all(math.isnan(bars.loc[0, c]) for c in ("close", "volume", "adj_close"))
    assert names == ("close", "date", "high", "low", "open", "volume", "x")


def test_a_list_of_lists_by_place():
    bars, names = parse([[1704153600000, 10, 12, 9, 11, 5]], columns={c: i for i, c in enumerate(NAMES)}, epoch="ms")
    assert bars.iloc[0].tolist()[:6] == [datetime.datetime(2024, 1, 2), 10, 12, 9, 11, 5]
    assert names == ("6 places",)


def test_an_object_of_lists_by_path():
    answer = {"timestamp": [1704153600, 1704240000], "quote": [{c: [1, 2] for c in NAMES[1:]}], "adj": [5, 6]}
    columns = {c: f"quote[0].{c}" for c in NAMES[1:]} | {"date": "timestamp", "adj_close": "adj"}
    bars, _ = parse({"chart": answer}, records="chart", columns=columns, epoch="s")
    assert bars["close"].tolist() == [1, 2]
    assert bars["adj_close"].tolist() == [5, 6]
    assert bars["date"].tolist() == [datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 3)]


def test_an_object_of_records_under_their_dates():
    columns = {c: f"{i}. {c}" for i, c in enumerate(NAMES)} | {"date": "$key"}
    record = {f"{i}. {c}": str(i) for i, c in enumerate(NAMES) if i}
    bars, names = parse({"2024-01-03": record, "2024-01-02": record}, columns=columns)
    assert [d.day for d in bars["date"]] == [3, 2]
    assert bars["close"].tolist() == [4, 4]
    assert "$key" not in names


@pytest.mark.parametrize(
    ("date", "keys", "expected"),
    [
        ("2024-01-02T15:30:00Z", {}, "2024-01-02 15:30:00"),
        ("2024-01-02T15:30:00Z", {"format": NEW_YORK}, "2024-01-02 10:30:00"),
        ("2024-07-02T10:30:00-04:00", {"format": NEW_YORK}, "2024-07-02 10:30:00"),
        ("2024-01-02 15:30", {"format": NEW_YORK}, "2024-01-02 15:30:00"),
        (1704209400, {"epoch": "s", "format": NEW_YORK}, "2024-01-02 10:30:00"),
        ("1704209400", {"epoch": "s"}, "2024-01-02 15:30:00"),
        (1704209400.25, {"epoch": "s"}, "2024-01-02 15:30:00.250000"),
        (1704209400000001, {"epoch": "us"}, "2024-01-02 15:30:00.000001"),
        (1704209400000001999, {"epoch": "ns"}, "2024-01-02 15:30:00.000001"),
    ],
)
def test_dates_show_the_clock_of_the_zone(date, keys, expected):
    bars, _ = parse([dict.fromkeys(NAMES, 1) | {"date": date}], **keys)
    assert str(bars.loc[0, "date"].to_pydatetime()) == expected


@pytest.mark.parametrize(
    ("content", "keys", "expected"),
    [
        (b'{"a": 1, "a": 2}', {}, "the name 'a' stands twice in one object"),
        (b'[{"date": NaN}]', {}, "NaN is no number of JSON"),
        (b"\xff\xfe", {}, "not readable as JSON"),
        (b"[" * 100_000, {}, "objects stand too deep"),
        ([1], {}, "a list that holds 1, which is no record"),
        (5, {}, "is 5, which holds no records"),
        ({"a": {}}, {"records": "b"}, "nothing stands at 'b'; it begins with"),
        ([{"date": "2024-01-02"}], {}, "record 0: nothing stands at 'open'"),
        ({c: [1] * (1 + (c == "low")) for c in NAMES}, {}, "lists of different lengths (date 1, open 1, high 1, low 2"),
        ({"date": [1]}, {}, "holds no list at 'open'"),
        ([dict.fromkeys(NAMES, 1)], {}, "1970-01-01 in seconds or 1970-01-01 in milliseconds; set data.source.epoch"),
        ([dict.fromkeys(NAMES, 1) | {"date": "2.1.2024"}], {}, 'the date is "2.1.2024", which is no ISO date'),
        ([dict.fromkeys(NAMES, 1) | {"date": None}], {}, "the date is null, which is no ISO date"),
        ([dict.fromkeys(NAMES, 10**400) | {"date": 10**30}], {"epoch": "s"}, "which is no ISO date"),
        (
            [dict.fromkeys(NAMES, True) | {"date": "2024-01-02"}],
            {},
            "column open holds true, which is no finite number",
        ),
        ([dict.fromkeys(NAMES, 10**400) | {"date": "2024-01-02"}], {}, "which is no finite number"),
        (
            [dict.fromkeys(NAMES, "1,5") | {"date": "2024-01-02"}],
            {},
            'column open holds "1,5", which is no finite number',
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(content, keys, expected):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(DataError) as caught:
        parse_json(raw, "x.json", settings(**keys))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_null_is_something():
    assert has({"a": None}, "a")
    assert has([[None]], "[0][0]")
    assert not has({"a": None}, "a.b")
    assert has(None, "")


def test_no_records_are_no_bars():
    for content in ([], {}, None):
        bars, names = parse({"bars": content}, records="bars")
        assert (len(bars), names) == (0, ())


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "data.source.url is missing; this kind of source needs an address."),
        ({"url": "ftp://x"}, "data.source.url must begin with http:// or https://."),
        ({"url": "https://user:pw@x"}, "data.source.url holds a secret as it is; put it into an environment variable"),
        ({"url": "https://x?apikey=abc"}, "data.source.url holds a secret as it is"),
        ({"params": {"api_key": "abc"}}, "data.source.params.api_key holds a secret as it is"),
        ({"headers": {"Authorization": "Bearer abc"}}, "data.source.headers.Authorization holds a secret as it is"),
        (
            {"params": {"s": "{ticker}"}},
            "data.source.params.s has {ticker}, which nothing fills in; there are {symbol}",
        ),
        ({"params": {"p": "{page}"}}, "data.source.params.p has {page}, which needs kind: http and paging: page."),
        ({"paging": "page"}, "data.source.paging is page, but neither url nor params nor headers hold {page}."),
        (
            {"paging": "offset", "params": {"o": "{offset}"}},
            "data.source.page_size is missing; paging: offset needs it.",
        ),
        ({"paging": "cursor", "params": {"c": "{cursor}"}}, "data.source.next is missing; paging: cursor needs it"),
        ({"paging": "link", "next": "a.b"}, "data.source.next needs response: json"),
        ({"columns": {"close": "c"}}, "data.source.columns lacks date; say where an answer holds it."),
        (
            {"columns": dict.fromkeys(NAMES, "x") | {"adjclose": "x"}},
            "data.source.columns.adjclose is no column of bars",
        ),
        ({"format": {"timezone": "New York"}}, "data.source.format.timezone 'New York' is no time zone"),
        ({"store": "/tmp/{symbol}"}, "data.source.store must be a folder of the repository"),
        ({"store": "data/../../{symbol}"}, "data.source.store must be a folder of the repository"),
        ({"store": "data/all"}, "whose last part holds {symbol}"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys, expected):
    source = {"kind": "http"} | ({"url": "https://x/{symbol}"} if keys else {}) | keys
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"data": {"source": source}})
    assert expected in explain(caught.value)


def test_a_variable_under_a_secret_name_is_taken():
    source = HttpSource(
        url="https://x/{symbol}", headers={"Authorization": "Bearer ${KEY}"}, params={"token": "{symbol}"}
    )
    assert Data(source=source).source.query()["headers"] == {"Authorization": "Bearer ${KEY}"}
