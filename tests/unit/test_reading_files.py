"""Files as people have them: each fault with what is read, to the value, or the words that refuse it."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from outsample.config.files import FileFormat
from outsample.data.csv_source import parse_text
from outsample.data.table import rows_of
from outsample.errors import DataError

HEADER = "date,open,high,low,close,volume\n"
ROWS = [
    "2024-01-15,10.5,12.25,9,11,1500\n",
    "2024-01-16,11,13,10,12.5,2000\n",
    "2024-01-17,12,14,11,13,1750\n",
]
PLAIN = HEADER + "".join(ROWS)
# What PLAIN holds, and every file of READ that gives nothing else.
VALUES = [[10.5, 12.25, 9, 11, 1500], [11, 13, 10, 12.5, 2000], [12, 14, 11, 13, 1750]]
DAYS = ["2024-01-15", "2024-01-16", "2024-01-17"]
GERMAN = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n" + "".join(
    ["15.01.2024;10,5;12,25;9;11;1.500\n", "16.01.2024;11;13;10;12,5;2.000\n", "17.01.2024;12;14;11;13;1.750\n"]
)
INVESTING = '"Date","Price","Open","High","Low","Vol.","Change %"\n' + "".join(
    [
        '"01/17/2024","1,113.00","1,112.00","1,114.00","1,111.00","1.75K","4.00%"\n',
        '"01/16/2024","1,112.50","1,111.00","1,113.00","1,110.00","2.00M","13.64%"\n',
        '"01/15/2024","1,111.00","1,110.50","1,112.25","1,109.00","-","-1.00%"\n',
    ]
)
INVESTING_VALUES = [
    [1110.5, 1112.25, 1109, 1111, np.nan],
    [1111, 1113, 1110, 1112.5, 2_000_000],
    [1112, 1114, 1111, 1113, 1750],
]


def dated(*dates: str, header: str = HEADER) -> str:
    """PLAIN with these dates."""
    return header + "".join(date + row[10:] for date, row in zip(dates, ROWS, strict=True))


def beside(rows: list[str], before: str = "", after: str = "") -> str:
    """The rows with a cell before or after the last one."""
    parts = [row.rstrip().rpartition(",") for row in rows]
    return "".join(",".join(filter(None, [first, before, last, after])) + "\n" for first, _, last in parts)


def zipped(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            archive.writestr(member, PLAIN)
    return buffer.getvalue()


def yfinance(names: str, tickers: str, first: str = "Price", second: str = "Ticker") -> str:
    values = ["11,12.25,9,10.5,1500\n", "12.5,13,10,11,2000\n", "13,14,11,12,1750\n"]
    body = "".join(f"{day},{value}" for day, value in zip(DAYS, values, strict=True))
    return f"{first},{names}\n{second},{tickers}\nDate,,,,,\n{body}"


# What is odd: (content, format, what is read where it is not PLAIN: values, moments).
READ: dict[str, tuple[str | bytes, dict[str, object]] | tuple[str | bytes, dict[str, object], list, list]] = {
    "plain": (PLAIN, {}),
    "UTF-8 with a byte-order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), {}),
    "UTF-16 little-endian with its mark": (b"\xff\xfe" + PLAIN.encode("utf-16-le"), {}),
    "UTF-16 big-endian with its mark": (b"\xfe\xff" + PLAIN.encode("utf-16-be"), {}),
    "UTF-16 without a mark, as configured": (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "cp1252 in a note": (("Kurse für Öl\n" + PLAIN).encode("cp1252"), {}),
    "cp1252 in an ignored column": (
        PLAIN.replace("volume", "volume,größe").replace("0\n", "0,ß\n").encode("cp1252"),
        {},
    ),
    "semicolons": (PLAIN.replace(",", ";"), {}),
    "tabs": (PLAIN.replace(",", "\t"), {}),
    "bars": (PLAIN.replace(",", "|"), {}),
    "a note above the header": ("Downloaded from somewhere, on 2024-02-01\n" + PLAIN, {}),
    "three notes and a blank line": ("Prices\nin USD, unadjusted\nopen to all\n\n" + PLAIN, {}),
    "Excel's line sep=;": ("sep=;\n" + PLAIN.replace(",", ";"), {}),
    "gzip": (gzip.compress(PLAIN.encode()), {}),
    "zip of one file": (zipped("prices.csv"), {}),
    "zip from a Mac": (zipped("prices.csv", "__MACOSX/._prices.csv"), {}),
    "Yahoo": (PLAIN.replace("date,open,high,low,close,volume", "Date,Open,High,Low,Close*,Volume"), {}),
    "Stooq": (
        PLAIN.replace("date,open,high,low,close,volume", "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen"),
        {},
    ),
    "Stooq of one ticker, with times": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        + "".join(f"X.US,D,{row[:10].replace('-', '')},000000{row[10:-1]},0\n" for row in ROWS),
        {},
    ),
    "Investing.com": (INVESTING, {}, INVESTING_VALUES, DAYS),
    "yfinance": (yfinance("Close,High,Low,Open,Volume", "X,X,X,X,X"), {}),
    "yfinance before 0.2.50": (yfinance("Close,High,Low,Open,Volume", "X,X,X,X,X", "", ""), {}),
    "yfinance by ticker": (
        yfinance("X,X,X,X,X", "Close,High,Low,Open,Volume", "Ticker", "Price"),
        {},
    ),
    "yfinance of one day a row, with offsets": (dated(*(f"{d} 00:00:00-05:00" for d in DAYS)), {}),
    "CryptoDataDownload": (
        "https://www.CryptoDataDownload.com\nDate,Symbol,Open,High,Low,Close,Volume\n"
        + "".join(row[:10] + ",XUSD" + row[10:] for row in reversed(ROWS)),
        {},
    ),
    "Nasdaq.com": (
        "Date,Close/Last,Volume,Open,High,Low\n01/17/2024,$13,1750,$12,$14,$11\n01/16/2024,$12.5,2000,$11,$13,$10\n"
        "01/15/2024,$11,1500,$10.5,$12.25,$9\n",
        {},
    ),
    "MetaTrader 5": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2024.01.15\t09:30:00\t145.123\t145.200\t145.100\t145.150\t77\t1500\t1\n"
        "2024.01.15\t09:31:00\t145.150\t145.250\t145.110\t145.200\t78\t2000\t1\n",
        {},
        [[145.123, 145.2, 145.1, 145.15, 1500], [145.15, 145.25, 145.11, 145.2, 2000]],
        ["2024-01-15T09:30", "2024-01-15T09:31"],
    ),
    "Dukascopy": (
        dated(
            *(f"{day}.01.2024 00:00:00.000 GMT+0100" for day in (15, 16, 17)),
            header=HEADER.replace("date", "Local time"),
        ),
        {},
    ),
    "date and time apart": (
        "date,time,open,high,low,close,volume\n2024-01-15,9:30,10.5,12.25,9,11,1500\n2024-01-15,09:31,11,13,10,12.5,2000\n",
        {},
        VALUES[:2],
        ["2024-01-15T09:30", "2024-01-15T09:31"],
    ),
    "a saved pandas frame": (PLAIN.replace("date,", ","), {}),
    "Adj. Close": (PLAIN.replace("volume", "volume,Adj. Close").replace("0\n", "0,5\n"), {}),
    "last for close": (PLAIN.replace("close", "Last"), {}),
    "one letter each": ("t,o,h,l,c,v\n" + "".join(ROWS), {"columns": {"date": "t"}}),
    "turnover is no volume": (HEADER.replace("volume", "vol,turnover") + beside(ROWS, after="99"), {}),
    "two volumes, one of them named volume": (HEADER.replace("volume", "volume_btc,volume") + beside(ROWS, "7"), {}),
    "two volumes, as configured": (
        HEADER.replace("volume", "Volume BTC,Volume USD") + beside(ROWS, "7"),
        {"columns": {"volume": "Volume USD"}},
    ),
    "names that nobody knows, as configured": (
        "when,a,b,c,d,e\n" + "".join(ROWS),
        {"columns": {"date": "when", "open": "a", "high": "b", "low": "c", "close": "d", "volume": "e"}},
    ),
    "decimal commas, dd.mm.yyyy, thousands points": (GERMAN.replace("Eröffnung", "Open"), {}),
    "German names in UTF-8": (GERMAN, {}),
    "German names in cp1252, as configured": (GERMAN.encode("cp1252"), {"encoding": "cp1252"}),
    "quoted decimal commas": (
        PLAIN.replace("10.5", '"10,5"').replace("12.25", '"12,25"').replace("12.5", '"12,5"'),
        {},
    ),
    "prices of three decimals, all of them": (
        HEADER + "2024-01-15,145.123,145.200,145.100,145.150,782\n",
        {},
        [[145.123, 145.2, 145.1, 145.15, 782]],
        DAYS[:1],
    ),
    "thousands commas": (PLAIN.replace("1500", '"1,500"').replace("2000", '"2,000"'), {}),
    "thousands blanks": (PLAIN.replace("1500", "1 500").replace("2000", "2\u00a0000"), {}),
    "thousands apostrophes": (PLAIN.replace("1500", "1'500"), {}),
    "1.5K and 0.002M": (PLAIN.replace("1500", "1.5K").replace("2000", "0.002M"), {}),
    "exponents": (PLAIN.replace("1500", "1.5E+03").replace("2000", "2e3"), {}),
    "plus signs and blanks": (PLAIN.replace(",11,", ", +11 ,"), {}),
    "dd/mm/yyyy": (dated("15/01/2024", "16/01/2024", "17/01/2024"), {}),
    "mm/dd/yyyy": (dated("01/15/2024", "01/16/2024", "01/17/2024"), {}),
    "d.m.yyyy": (dated("5.1.2024", "16.1.2024", "17.1.2024"), {}, VALUES, ["2024-01-05", *DAYS[1:]]),
    "dd/mm/yyyy, as configured": (
        dated("01/02/2024", "02/02/2024", "03/02/2024"),
        {"date_order": "dmy"},
        VALUES,
        ["2024-02-01", "2024-02-02", "2024-02-03"],
    ),
    "mm/dd/yyyy, as configured": (
        dated("01/02/2024", "02/02/2024", "03/02/2024"),
        {"date_order": "mdy"},
        VALUES,
        ["2024-01-02", "2024-02-02", "2024-03-02"],
    ),
    "dd.mm.yyyy without a day above 12": (
        dated("01.02.2024", "02.02.2024", "03.02.2024"),
        {},
        VALUES,
        ["2024-02-01", "2024-02-02", "2024-02-03"],
    ),
    "mm.dd.yyyy": (dated("01.15.2024", "01.16.2024", "01.17.2024"), {}),
    "yyyy/mm/dd": (dated("2024/01/15", "2024/01/16", "2024/01/17"), {}),
    "yyyymmdd": (dated("20240115", "20240116", "20240117"), {}),
    "yyyymmdd hhmmss": (
        dated("20240115 093000", "20240115 093100", "20240115 093200"),
        {},
        VALUES,
        ["2024-01-15T09:30", "2024-01-15T09:31", "2024-01-15T09:32"],
    ),
    "names of months": (
        dated("Jan 15, 2024", "Jan 16, 2024", "Jan 17, 2024").replace("Jan", '"Jan').replace("2024,", '2024",'),
        {},
    ),
    "dd-Mon-yyyy": (dated("15-Jan-2024", "16-JAN-2024", "17-january-2024"), {}),
    "two-digit years, as configured": (dated("15.01.24", "16.01.24", "17.01.24"), {"date_format": "%d.%m.%y"}),
    "12-hour clock": (
        dated("1/15/2024 12:00:00 AM", "1/15/2024 9:30:00 AM", "1/15/2024 4:00:00 PM"),
        {},
        VALUES,
        ["2024-01-15T00:00", "2024-01-15T09:30", "2024-01-15T16:00"],
    ),
    "epoch seconds at midnight": (dated("1705276800", "1705363200", "1705449600"), {}),
    "epoch seconds with decimals": (dated("1705276800.0", "1705363200.0", "1705449600.0"), {}),
    "epoch milliseconds": (dated("1705276800000", "1705363200000", "1705449600000"), {}),
    "epoch microseconds": (dated("1705276800000000", "1705363200000000", "1705449600000000"), {}),
    "epoch nanoseconds": (dated(*(f"{s}000000000" for s in (1705276800, 1705363200, 1705449600))), {}),
    "epoch minutes in UTC": (
        dated("1705311000", "1705311060", "1705311120"),
        {},
        VALUES,
        ["2024-01-15T09:30", "2024-01-15T09:31", "2024-01-15T09:32"],
    ),
    "epoch minutes on the clock of New York": (
        dated("1705311000", "1705311060", "1705311120"),
        {"timezone": "America/New_York"},
        VALUES,
        ["2024-01-15T04:30", "2024-01-15T04:31", "2024-01-15T04:32"],
    ),
    "Z at midnight": (dated(*(f"{d}T00:00:00Z" for d in DAYS)), {}),
    "days at midnight stay days on any clock": (
        dated(*(f"{d}T00:00:00Z" for d in DAYS)),
        {"timezone": "America/New_York"},
    ),
    "midnight of New York in UTC": (
        dated(*(f"{d}T05:00:00Z" for d in DAYS)),
        {"timezone": "America/New_York"},
    ),
    "offsets on the clock of New York, over the change of clocks": (
        dated("2024-03-08T14:30:00+00:00", "2024-03-11T09:30:00-04:00", "2024-03-12T13:30:00+00:00"),
        {"timezone": "America/New_York"},
        VALUES,
        ["2024-03-08T09:30", "2024-03-11T09:30", "2024-03-12T09:30"],
    ),
    "newest first": (HEADER + "".join(reversed(ROWS)), {}),
    "null and the like": (
        PLAIN.replace(",9,", ",null,").replace(",10,", ",N/A,").replace("14,11", "14, - "),
        {},
        [[10.5, 12.25, np.nan, 11, 1500], [11, 13, np.nan, 12.5, 2000], [12, 14, np.nan, 13, 1750]],
        DAYS,
    ),
    "a row of null alone": (
        HEADER + ROWS[0] + "2024-01-16,null,null,null,null,null\n" + ROWS[2],
        {},
        [VALUES[0], [np.nan] * 5, VALUES[2]],
        DAYS,
    ),
}


@pytest.mark.parametrize("oddity", READ)
def test_what_people_have_is_read_to_the_value(oddity: str) -> None:
    content, form, values, moments = (*READ[oddity], VALUES, DAYS)[:4]
    bars = _read(content, **form)
    np.testing.assert_array_equal(bars[["open", "high", "low", "close", "volume"]].to_numpy(), np.array(values, float))
    assert bars["date"].tolist() == [pd.Timestamp(moment) for moment in moments]
    assert bars["date"].dtype == "datetime64[us]"


def _read(content: str | bytes, symbol: str | None = None, **form: object) -> pd.DataFrame:
    raw = content if isinstance(content, bytes) else content.encode()
    settings = FileFormat.model_validate(form)
    return rows_of(parse_text(raw, "X.csv", settings, symbol=symbol), symbol, settings)[0]


# What is wrong or has two readings: (content, format, words that the sentence must hold).
REFUSED: dict[str, tuple[str | bytes, dict[str, object], str]] = {
    "day or month": (
        dated("01/02/2024", "02/02/2024", "03/02/2024"),
        {},
        "X.csv: line 2 holds the date '01/02/2024', which is 2024-02-01 (day first) or 2024-01-02 (month first), and "
        "no date in the file decides; set data.source.format.date_order to dmy or mdy.",
    ),
    "day first and month first": (
        dated("13/02/2024", "02/14/2024", "03/02/2024"),
        {},
        "X.csv, line 3: the date '02/14/2024' can have the month first only, and that of line 2, '13/02/2024', the day",
    ),
    "configured order against the dates": (
        dated("15/01/2024", "16/01/2024", "17/01/2024"),
        {"date_order": "mdy"},
        "X.csv, line 2: column date holds '15/01/2024', which is no date (mm/dd/yyyy)",
    ),
    "two-digit years": (
        dated("15.01.24", "16.01.24", "17.01.24"),
        {},
        "X.csv, line 2: the year of the date '15.01.24' does not have four digits; set data.source.format.date_format",
    ),
    "format that does not fit": (
        PLAIN,
        {"date_format": "%d.%m.%Y"},
        "X.csv, line 2: column date holds '2024-01-15', which is no date in the format %d.%m.%Y",
    ),
    "31 September": (
        dated("2023-09-30", "2023-09-31", "2023-10-01"),
        {},
        "X.csv, line 3: column date holds '2023-09-31'",
    ),
    "25 o'clock": (dated(*(f"{d} 25:00" for d in DAYS)), {}, "X.csv, line 2: column date holds '2024-01-15 25:00'"),
    "a day number of a spreadsheet": (
        dated("45306", "45307", "45308"),
        {},
        "line 2: column date holds '45306', which is",
    ),
    "seconds or year, month, day and hour": (
        dated("2024011500", "2024011600", "2024011700"),
        {},
        "holds the date '2024011500', which is seconds since 1970 or yyyymmddhh; set data.source.format.date_format to",
    ),
    "seconds and milliseconds": (
        dated("1705276800", "1705363200000", "1705449600"),
        {},
        "X.csv, line 3: column date holds '1705363200000', which is no date (other dates are seconds since 1970)",
    ),
    "offsets without a clock": (
        dated(*(f"{d}T16:00:00-05:00" for d in DAYS)),
        {},
        "X.csv: line 2 holds a moment (2024-01-15 16:00:00 by its own offset, 2024-01-15 21:00:00 in UTC), and whose "
        "clock counts is not known; set data.source.format.timezone to that of the exchange",
    ),
    "days in UTC that are not at midnight": (
        dated(*(f"{d}T05:00:00Z" for d in DAYS)),
        {},
        "line 2 holds a moment (2024-01-15 05:00:00 in UTC), and whose clock counts is not known",
    ),
    "an offset on some dates": (
        dated("2024-01-15T00:00:00Z", "2024-01-16T00:00:00", "2024-01-17T00:00:00Z"),
        {},
        "X.csv, line 3: the date has no offset from UTC, though others have one",
    ),
    "an empty date": (
        PLAIN.replace("2024-01-16", ""),
        {},
        "X.csv, line 3: the date is empty; write dates as YYYY-MM-DD",
    ),
    "two volumes": (
        HEADER.replace("volume", "Volume BTC,Volume USD") + beside(ROWS, "7"),
        {},
        "X.csv: column volume may be 'Volume BTC' (first '7') or 'Volume USD' (first '1500'); set "
        "data.source.format.columns to {volume: Volume BTC} or {volume: Volume USD}.",
    ),
    "two closes": (
        HEADER.replace("close", "price,last") + "".join(row.replace(",", ",1,", 1) for row in ROWS),
        {},
        "X.csv: column close may be 'price' (first '9') or 'last' (first '11'); set data.source.format.columns to",
    ),
    "a mapping to a name that is not there": (
        PLAIN,
        {"columns": {"volume": "Volumne"}},
        "X.csv: data.source.format.columns.volume names 'Volumne', which the file has not; did you mean 'volume'?",
    ),
    "no volume": (
        "date,open,high,low,close\n2024-01-15,1,1,1,1\n",
        {},
        "X.csv: lacks the column volume (its header is 'date,open,high,low,close'); name it in "
        "data.source.format.columns",
    ),
    "closes alone": (
        "date,close\n2024-01-15,1\n",
        {},
        "lacks the column open, high, low, volume (its header is 'date,close'); set data.source.closes_only to true",
    ),
    "decimal or thousands comma": (
        "date;open;high;low;close;volume\n2024-01-15;1,105;1,225;1,009;1,110;1500\n",
        {},
        "X.csv: line 2 holds '1,105', which is 1.105 or 1105, and no number in the file decides; set "
        "data.source.format.decimal to ',' (for 1.105) or '.' (for 1105).",
    ),
    "decimal or thousands point": (
        "date;open;high;low;close;volume\n2024-01-15;1.105;1.225;1.009;1.110;1500\n",
        {},
        "X.csv: line 2 holds '1.105', which is 1.105 or 1105, and no number in the file decides; set "
        "data.source.format.decimal to '.' (for 1.105) or ',' (for 1105).",
    ),
    "points between thousands in a file with commas": (
        HEADER + "2024-01-15,10,12,9,11,1.438\n2024-01-16,11,13,10,12,782\n",
        {},
        "X.csv: line 2 holds '1.438', which is 1.438 or 1438, and no number in the file decides",
    ),
    "decimal point and decimal comma": (
        PLAIN.replace("10.5", '"10,5"'),
        {},
        "the numbers contradict each other (",
    ),
    "groups of two digits": (
        PLAIN.replace("1500", '"15,00,000"'),
        {},
        "X.csv, line 2: column volume holds '15,00,000', which is no number with a decimal point; correct the cell",
    ),
    "a unit behind a price": (
        PLAIN.replace("10.5", "10.5K"),
        {},
        "line 2: column open holds '10.5K', which is no number",
    ),
    "a percentage": (PLAIN.replace("10.5", "10.5%"), {}, "line 2: column open holds '10.5%', which is no number"),
    "infinity among decimal commas": (
        GERMAN.replace("10,5", "inf"),
        {},
        "line 2: column open holds 'inf', which is no number",
    ),
    "an exponent beyond all numbers": (GERMAN.replace("10,5", "1e999"), {}, "holds '1e999', which is no finite number"),
    "one row in the wrong place, newest first": (
        HEADER + ROWS[2] + "2024-01-18,1,1,1,1,1\n" + ROWS[1] + ROWS[0],
        {},
        "X.csv, line 2: the date 2024-01-17 comes before 2024-01-18 in a file that is newest first; sort it by date.",
    ),
    "the same date twice": (dated(DAYS[0], DAYS[0], DAYS[1]), {}, "X.csv, line 3: the date 2024-01-15 is there twice"),
    "the header again in the middle": (
        PLAIN + PLAIN,
        {},
        "X.csv, line 5: column date holds 'date', which is no date",
    ),
    "a note below the rows": (PLAIN + "Source: somewhere\n", {}, "X.csv, line 5: 1 cells where the header has 6"),
    "decimal commas between commas": (
        PLAIN.replace("10.5", "10,5"),
        {},
        "X.csv, line 2: 7 cells where the header has 6",
    ),
    "no header": (
        "".join(ROWS),
        {},
        "the file needs a header with the columns date, open, high, low, close and volume",
    ),
    "a web page": ("<!DOCTYPE html>\n<html><body>404</body></html>\n", {}, "X.csv: the file is a web page or XML"),
    "JSON": ('{"date": [1]}', {}, "X.csv: the file is JSON"),
    "an Excel workbook": (
        zipped("[Content_Types].xml", "xl/workbook.xml"),
        {},
        "X.csv: the file is an Excel workbook; save the sheet as CSV.",
    ),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, "X.csv: the file is an Excel workbook"),
    "Parquet": (b"PAR1....PAR1", {}, "X.csv: the file is a Parquet file; set data.source.kind to parquet."),
    "zip of two files": (zipped("a.csv", "b.csv"), {}, "X.csv: the zip archive holds 2 files (a.csv, b.csv), not one"),
    "cut gzip": (gzip.compress(PLAIN.encode())[:-9], {}, "X.csv: the compressed file is cut, damaged or locked"),
    "UTF-16 without a mark": (
        PLAIN.encode("utf-16-le"),
        {},
        "the byte 0x00 stands in no text; the file is no CSV, or ",
    ),
    "cp1252 in a name that counts": (
        GERMAN.encode("cp1252"),
        {},
        "X.csv: the text is not UTF-8, so the name 'Eröffnung' of column open is a guess; set "
        "data.source.format.encoding",
    ),
    "an encoding that is none": (PLAIN, {"encoding": "utf-99"}, "data.source.format.encoding 'utf-99' is no encoding"),
    "an encoding that does not fit": ("ä" + PLAIN, {"encoding": "ascii"}, "X.csv: the bytes are no text in ascii"),
    "several symbols": (
        "symbol," + HEADER + "A," + ROWS[0] + "B," + ROWS[0],
        {},
        "X.csv: the file has rows of 2 symbols (A, B); say which.",
    ),
    "several tickers of yfinance": (
        yfinance("Close,Close,Low,Open,Volume", "X,Y,X,X,X"),
        {},
        "X.csv: the file has columns of X, Y; say which.",
    ),
    "a line without end": ("x" * 3_000_000, {}, "X.csv: no line can be a header"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_wrong_or_has_two_readings_is_refused_with_a_sentence(fault: str) -> None:
    content, form, words = REFUSED[fault]
    with pytest.raises(DataError) as caught:
        _read(content, **form)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith("X.csv")
    assert len(sentence) < 420
