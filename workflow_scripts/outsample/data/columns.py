"""Which column of a file is which of ours, by the names that people and programs give them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outsample.config.files import BAR_COLUMNS
from outsample.data.layout import FORMAT_KEY, undecided
from outsample.errors import DataError

PRICES = ("open", "high", "low", "close")
NUMBERS = (*PRICES, "volume", "adj_close")
REQUIRED = ("date", *PRICES, "volume")
_SHOWN = 80
# Usual spellings, as `spelled` writes them; our own name counts before all of them.
_USUAL: dict[str, tuple[str, ...]] = {
    "date": (
        *("datetime", "date_time", "timestamp", "time", "day", "trade_date", "trading_day", "trading_date"),
        *("dtyyyymmdd", "gmt_time", "local_time", "utc_time", "open_time", "unix", "unix_timestamp", "epoch"),
        *("datum", "data", "fecha"),
    ),
    "open": ("o", "opening", "open_price", "opening_price", "price_open", "eroffnung", "erster", "otwarcie"),
    "high": ("h", "max", "high_price", "price_high", "highest", "hoch", "najwyzszy"),
    "low": ("l", "min", "low_price", "price_low", "lowest", "tief", "najnizszy"),
    "close": (
        *("c", "last", "price", "close_last", "close_price", "closing_price", "price_close", "last_price", "settle"),
        *("schluss", "schlusskurs", "zamkniecie"),
    ),
    "volume": ("vol", "v", "shares_traded", "total_volume", "traded_volume", "volumen", "stucke", "stuecke", "wolumen"),
    "adj_close": ("adjclose", "adjusted_close", "adjustedclose", "close_adj", "adj_closing_price", "adj_close_price"),
    "symbol": ("ticker", "sym", "instrument", "name"),
}
# Taken only where none of the usual ones is there; two of them are two readings.
_KINDS = {"volume": re.compile(r"volume_\w+|\w+_volume|vol_\w+|tickvol(ume)?")}


def spelled(name: str) -> str:
    """A name in lower case, without accents, marks and brackets, its words joined by underscores.

    >>> [spelled(n) for n in ("Adj. Close**", "<CLOSE>", "Volume (BTC)", "Close/Last", "Eröffnung")]
    ['adj_close', 'close', 'volume_btc', 'close_last', 'eroffnung']
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).replace("ł", "l")
    return re.sub(r"[\W_]+", "_", plain.lower()).strip("_")


def candidates(header: Sequence[str], column: str) -> list[int]:
    """Places of the columns that may be ours: those of our own name, else of a usual one, else of its kind."""
    names = [spelled(cell) for cell in header]
    own = [i for i, name in enumerate(names) if name == column]
    usual = [i for i, name in enumerate(names) if name in _USUAL.get(column, ())]
    kind = [i for i, name in enumerate(names) if column in _KINDS and _KINDS[column].fullmatch(name)]
    return own or usual or kind


def likeness(header: Sequence[str], mapping: Mapping[str, str]) -> int:
    """How many of our columns a line names, which tells the header from a note or a row of data."""
    named = {ours for ours, theirs in mapping.items() if theirs in [cell.strip() for cell in header]}
    return len(named | {column for column in (*REQUIRED, "adj_close") if candidates(header, column)})


@dataclass(frozen=True)
class Columns:
    """Place of each of our columns, and sentences on what was left out."""

    places: dict[str, int]
    notes: tuple[str, ...]


def match(
    header: Sequence[str], sample: Sequence[str], name: str, mapping: Mapping[str, str], closes_only: bool
) -> Columns:
    """Our columns among those of a file.

    Args:
        header: their names. sample: cells of the first row, which a refusal shows.
        mapping: `data.source.format.columns`. closes_only: open, high, low and volume need not be there.
    Raises: DataError where one is missing, is there twice, or may be two; where the mapping names none of theirs.
    """
    header = [cell.strip() for cell in header]
    places = {ours: _mapped(header, ours, theirs, name) for ours, theirs in mapping.items()}
    notes = []
    wanted = ("date", "close", "volume", "adj_close", "symbol") if closes_only else BAR_COLUMNS
    free = [cell if i not in places.values() else "" for i, cell in enumerate(header)]
    for column in wanted:
        if column in places or column == "time":
            continue
        found = [i for i in candidates(free, column) if i not in places.values()]
        if len(found) > 1:
            raise _several(column, found, header, sample, name)
        if found:
            places[column] = found[0]
    _unnamed_index(header, places)
    _time_of_day(header, sample, places)
    _require(header, places, name, closes_only)
    for column in ("date", "close", "volume"):
        others = [i for i in _others(header, column) if i not in places.values()]
        if column in places and column not in mapping and others:
            said = " and ".join(repr(header[i]) for i in others)
            notes.append(f"column {column} is {header[places[column]]!r}; {said} left out")
    return Columns(places, tuple(notes))


def _others(header: Sequence[str], column: str) -> list[int]:
    names = [spelled(cell) for cell in header]
    usual = [i for i, name in enumerate(names) if name in (column, *_USUAL[column])]
    return usual + [i for i, name in enumerate(names) if column in _KINDS and _KINDS[column].fullmatch(name)]


def _mapped(header: Sequence[str], ours: str, theirs: str, name: str) -> int:
    places = [i for i, cell in enumerate(header) if cell == theirs.strip()]
    if len(places) == 1:
        return places[0]
    if places:
        raise DataError(f"{name}: column {theirs!r} is there {len(places)} times; rename all but one.")
    close = difflib.get_close_matches(theirs, header, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(header)[:_SHOWN]}."
    raise DataError(f"{name}: {FORMAT_KEY}.columns.{ours} names {theirs!r}, which the file has not; {meant}")


def _several(column: str, found: Sequence[int], header: Sequence[str], sample: Sequence[str], name: str) -> DataError:
    spellings = {spelled(header[i]) for i in found}
    if len(spellings) == 1:
        twice = " and ".join(repr(header[i]) for i in found)
        return DataError(f"{name}: column {column} is there twice ({twice}); keep one and rename the other.")
    readings = " or ".join(
        f"{header[i]!r} (first {sample[i]!r})" if i < len(sample) else repr(header[i]) for i in found
    )
    values = " or ".join(f"{{{column}: {header[i]}}}" for i in found)
    return undecided(name, f"column {column} may be {readings}", "columns", values)


def _unnamed_index(header: Sequence[str], places: dict[str, int]) -> None:
    """The first column without a name is the date where none has it: the index of a saved pandas frame."""
    stored = [i for i, cell in enumerate(header) if spelled(cell) == "index_level_0"]
    if "date" not in places and stored:
        places["date"] = stored[0]
    elif "date" not in places and header and spelled(header[0]) in ("", "unnamed_0", "index"):
        places["date"] = 0


def _time_of_day(header: Sequence[str], sample: Sequence[str], places: dict[str, int]) -> None:
    """A column of times beside that of dates belongs to it."""
    if "time" in places or "date" not in places:
        return
    for i, cell in enumerate(header):
        if spelled(cell) == "time" and i not in places.values():
            value = sample[i].strip() if i < len(sample) else ""
            if re.fullmatch(r"\d{1,2}:\d{2}.*|\d{3,6}|0", value):
                places["time"] = i


def _require(header: Sequence[str], places: Mapping[str, int], name: str, closes_only: bool) -> None:
    missing = [c for c in (("date", "close") if closes_only else REQUIRED) if c not in places]
    if not missing:
        return
    found = ",".join(header)
    first = found if len(found) <= _SHOWN else found[: _SHOWN - 1] + "…"
    advice = f"name it in {FORMAT_KEY}.columns"
    if len(missing) >= 5:
        advice = "the file needs a header with the columns date, open, high, low, close and volume"
    elif "close" in places and set(missing) >= {"open", "high", "low"}:
        advice = "set data.source.closes_only to true to use the closes alone"
    raise DataError(f"{name}: lacks the column {', '.join(missing)} (its header is {first!r}); {advice}.")
