"""Dates and times as people write them, read into naive moments at the exchange.

A stamp with an offset, or a count of seconds since 1970, is a moment anywhere; where all stand at midnight they are
days and are taken as they are, else `data.source.format.timezone` says whose clock counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from outsample.config.files import FileFormat
from outsample.data.dates import day_text
from outsample.data.layout import FORMAT_KEY, Rows, shown, undecided
from outsample.errors import DataError

_TIME = (
    r"(?:(?:[T ,]+|\s+-\s+)(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<p>[AaPp]\.?[Mm]\.?))?)?\s*(?P<z>Z|(?:GMT|UTC)?[+-]\d{2}:?\d{2}|GMT|UTC)?$"
)
_NUMERIC = r"^(?P<a>\d{1,4})[-/.](?P<b>\d{1,2})[-/.](?P<c>\d{1,4})\.?" + _TIME
_DAY_MONTH = r"^(?P<a>\d{1,2})[- /.](?P<b>[A-Za-z]{3,9})\.?[- /,]+(?P<c>\d{4})" + _TIME
_MONTH_DAY = r"^(?P<b>[A-Za-z]{3,9})\.? (?P<a>\d{1,2}),? +(?P<c>\d{4})" + _TIME
_COMPACT = (
    r"^(?P<c>\d{4})(?P<b>\d{2})(?P<a>\d{2})"
    r"(?:[T ]?(?P<h>\d{2}):?(?P<m>\d{2})(?::?(?P<s>\d{2}))?)?(?P<z>Z)?$"
)
_EPOCH = r"^\d{9,19}(\.\d+)?$"
_HOURS = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])$"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
# Unit -> seconds since 1970 of 1973 and of 2100, in that unit: no two units share a number.
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EARLIEST, _LATEST = 10**8, 4_102_444_800
_DAILY = np.timedelta64(20, "h")  # bars whose usual distance is more than this are days
ADVICE = f"write dates as YYYY-MM-DD, with a time YYYY-MM-DD HH:MM:SS, or set {FORMAT_KEY}.date_format"
_ZERO = np.timedelta64(0, "us")


@dataclass(frozen=True)
class Stamps:
    """Moments [T] (NaT: null cell), how they were written, and whose clock they show."""

    moments: NDArray[np.datetime64]
    dates: str
    timezone: str


def read_stamps(cells: pa.Array, form: FileFormat, rows: Rows) -> Stamps:
    """Moments of cleaned cells.

    Raises: DataError where a cell is no date like the others, or two readings fit.
    """
    if form.date_format is not None:
        return _by_format(cells, form, rows)
    there = pc.is_valid(cells)
    if not pc.any(there).as_py():
        return Stamps(np.full(len(cells), np.datetime64("NaT"), "datetime64[us]"), "empty", "as in the file")
    fits = {
        p: pc.sum(pc.match_substring_regex(cells, p)).as_py() or 0
        for p in (_NUMERIC, _COMPACT, _EPOCH, _DAY_MONTH, _MONTH_DAY)
    }
    if fits[_EPOCH] and fits[_EPOCH] >= max(fits.values()) and not _all_days(cells, fits):
        return _by_epoch(cells, form, rows)
    pattern = max(fits, key=lambda p: fits[p])
    odd = pc.and_(there, pc.invert(pc.fill_null(pc.match_substring_regex(cells, pattern), False)))
    if pc.any(odd).as_py():
        raise _no_date(cells, int(odd.to_numpy(zero_copy_only=False).argmax()), rows)
    parts = _Parts(cells, pattern)
    order, said = _order(parts, pattern, form, rows)
    moments = parts.moments(order)
    invalid = np.isnat(moments) & parts.there
    if invalid.any():
        raise _no_date(cells, int(invalid.argmax()), rows, f" ({said})")
    return _localise(moments, parts.offsets(rows), said, form, rows)


def _all_days(cells: pa.Array, fits: dict[str, int]) -> bool:
    """Whether digits alone are years, months, days and times rather than counts of seconds."""
    if fits[_COMPACT] < fits[_EPOCH]:
        return False
    parts = _Parts(cells, _COMPACT)
    moments = parts.moments("dmy")
    years = moments.astype("datetime64[Y]").astype(int) + 1970
    return not (np.isnat(moments) & parts.there).any() and bool(((years >= 1900) & (years < 2100))[parts.there].all())


class _Parts:
    """The parts of dates that match one pattern, as numbers [T]; 0 where a part or the cell is not there."""

    def __init__(self, cells: pa.Array, pattern: str) -> None:
        self.cells = cells
        self._found = pc.extract_regex(cells, pattern)
        self.there = pc.is_valid(cells).to_numpy(zero_copy_only=False)
        self._names = {field.name for field in self._found.type}

    def text(self, name: str) -> pa.Array:
        """A part as text, empty where it is not there."""
        if name not in self._names:
            return pa.array([""] * len(self._found))
        return pc.fill_null(pc.struct_field(self._found, name), "")

    def lengths(self, name: str) -> NDArray[np.int64]:
        return pc.utf8_length(self.text(name)).to_numpy(zero_copy_only=False).astype(np.int64)

    def number(self, name: str) -> NDArray[np.int64]:
        text = self.text(name)
        if name == "b" and pc.any(pc.match_substring_regex(text, "[A-Za-z]")).as_py():
            return _month_numbers(text)
        filled = pc.if_else(pc.equal(text, ""), "0", text)
        return pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False).astype(np.int64)

    def moments(self, order: str) -> NDArray[np.datetime64]:
        """Local moments [T]; NaT where the day or the time does not exist."""
        a, b, c = (self.number(n) for n in "abc")
        year, month, day = {"ymd": (a, b, c), "dmy": (c, b, a), "mdy": (c, a, b)}[order]
        months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
        days = months.astype("datetime64[D]") + (day - 1)
        valid = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months) & (year >= 1)
        hour, minute, second = (self.number(n) for n in "hms")
        half = self.text("p")
        afternoon = pc.starts_with(pc.utf8_lower(half), "p").to_numpy(zero_copy_only=False)
        halved = pc.not_equal(half, "").to_numpy(zero_copy_only=False)
        valid &= (hour < 24) & (minute < 60) & (second < 60) & (~halved | ((hour >= 1) & (hour <= 12)))
        hour = np.where(halved, hour % 12 + 12 * afternoon, hour)
        fraction = pc.cast(pc.utf8_slice_codeunits(pc.utf8_rpad(self.text("f"), 9, "0"), 0, 6), pa.int64())
        micros = (hour * 3600 + minute * 60 + second) * 1_000_000 + fraction.to_numpy(zero_copy_only=False)
        moments = days.astype("datetime64[us]") + micros.astype("timedelta64[us]")
        return np.where(valid & self.there, moments, np.datetime64("NaT"))

    def offsets(self, rows: Rows) -> NDArray[np.timedelta64] | None:
        """Offsets from UTC [T], or None where no stamp has one.

        Raises: DataError where some have one and some have none.
        """
        text = self.text("z")
        lacks = pc.equal(text, "").to_numpy(zero_copy_only=False) & self.there
        if lacks.sum() == self.there.sum():
            return None
        if lacks.any():
            raise DataError(
                f"{rows.at(int(lacks.argmax()))}: the date has no offset from UTC, though others have one; write all "
                "dates with it, or none."
            )
        coded = pc.dictionary_encode(text)
        values = np.array([_minutes(z) for z in coded.dictionary.to_pylist()], "timedelta64[m]")
        return values[coded.indices.to_numpy(zero_copy_only=False)].astype("timedelta64[us]")


def _minutes(zone: str) -> int:
    digits = zone.removeprefix("GMT").removeprefix("UTC").replace(":", "")
    if digits in ("", "Z"):
        return 0
    return (-1 if digits[0] == "-" else 1) * (int(digits[1:3]) * 60 + int(digits[3:5]))


def _month_numbers(text: pa.Array) -> NDArray[np.int64]:
    coded = pc.dictionary_encode(pc.utf8_lower(text))
    numbers = [
        _MONTHS.index(m) + 1 if m in _MONTHS else _FULL.index(m) + 1 if m in _FULL else 9 if m == "sept" else 0
        for m in coded.dictionary.to_pylist()
    ]
    return np.array(numbers, np.int64)[coded.indices.to_numpy(zero_copy_only=False)]


def _order(parts: _Parts, pattern: str, form: FileFormat, rows: Rows) -> tuple[str, str]:
    """The order of the parts of dates, and how it is said."""
    if pattern != _NUMERIC:
        return "dmy", "yyyymmdd" if pattern == _COMPACT else "day, name of the month, year"
    long_a, long_c = parts.lengths("a") == 4, parts.lengths("c") == 4
    if not (long_a | long_c | ~parts.there).all():
        row = int((~(long_a | long_c) & parts.there).argmax())
        raise DataError(
            f"{rows.at(row)}: the year of the date {shown(parts.cells[row])} does not have four digits; set "
            f"{FORMAT_KEY}.date_format, as %d.%m.%y, %m/%d/%y or %y-%m-%d."
        )
    if long_a.any() and long_c.any():
        row = int((long_a if long_a.sum() < long_c.sum() else long_c).argmax())
        raise DataError(
            f"{rows.at(row)}: the date {shown(parts.cells[row])} has its year in another place than most; {ADVICE}."
        )
    if long_a.any():
        if form.date_order not in (None, "ymd"):
            raise DataError(f"{rows.name}: the dates begin with the year; correct {FORMAT_KEY}.date_order.")
        return "ymd", "yyyy-mm-dd"
    return _day_or_month(parts, form, rows)


def _day_or_month(parts: _Parts, form: FileFormat, rows: Rows) -> tuple[str, str]:
    said = {"dmy": "dd/mm/yyyy", "mdy": "mm/dd/yyyy"}
    first, second = parts.number("a"), parts.number("b")
    day_first, month_first = first > 12, second > 12
    if form.date_order in said:
        return form.date_order, said[form.date_order]
    if form.date_order == "ymd":
        raise DataError(f"{rows.name}: the dates end with the year; correct {FORMAT_KEY}.date_order.")
    if day_first.any() and month_first.any():
        one, other = int(day_first.argmax()), int(month_first.argmax())
        raise DataError(
            f"{rows.at(other)}: the date {shown(parts.cells[other])} can have the month first only, and that of "
            f"{rows.line(one)}, {shown(parts.cells[one])}, the day first only; write all dates in one order."
        )
    pointed = pc.all(pc.match_substring_regex(parts.cells, r"^\d{1,2}\.\d{1,2}\.")).as_py()
    if day_first.any() or month_first.any() or pointed:
        order = "mdy" if month_first.any() else "dmy"
        return order, said[order].replace("/", "." if pointed else "/")
    row = int((parts.there & (first != second)).argmax()) if (first != second).any() else int(parts.there.argmax())
    readings = {order: day_text(parts.moments(order)[row]) for order in said}
    if not (first != second)[parts.there].any():
        return "dmy", said["dmy"]  # 05/05/2024 is the same day in either order
    what = (
        f"{rows.line(row)} holds the date {shown(parts.cells[row])}, which is {readings['dmy']} (day first) or "
        f"{readings['mdy']} (month first), and no date in the file decides"
    )
    raise undecided(rows.name, what, "date_order", "dmy or mdy")


def _by_epoch(cells: pa.Array, form: FileFormat, rows: Rows) -> Stamps:
    numbers = (
        pc.cast(pc.if_else(pc.match_substring_regex(cells, r"^\d{1,19}(\.\d+)?$"), cells, None), pa.float64())
        .to_numpy(zero_copy_only=False)
        .astype(np.float64)
    )
    there = pc.is_valid(cells).to_numpy(zero_copy_only=False)
    inside = {u: (numbers >= _EARLIEST * k) & (numbers <= _LATEST * k) for u, k in _UNITS.items()}
    unit = max(inside, key=lambda u: int(inside[u].sum()))
    odd = there & ~inside[unit]
    if odd.any():
        raise _no_date(cells, int(odd.argmax()), rows, f" (other dates are {unit} since 1970)")
    hours = pc.all(pc.match_substring_regex(cells, _HOURS)).as_py()
    if hours:
        row = int(there.argmax())
        what = f"{rows.line(row)} holds the date {shown(cells[row])}, which is seconds since 1970 or yyyymmddhh"
        raise undecided(rows.name, what, "date_format", "'%Y%m%d%H', or write the dates with colons")
    whole = pc.cast(pc.if_else(pc.is_valid(cells), pc.replace_substring_regex(cells, r"\..*$", ""), "0"), pa.int64())
    counts = whole.to_numpy(zero_copy_only=False)
    fractions = np.where(there, numbers - np.floor(numbers), 0.0)
    per_unit = 1_000_000 / _UNITS[unit]
    micros = counts * int(per_unit) if per_unit >= 1 else counts // int(1 / per_unit)
    micros = micros + np.rint(fractions * per_unit).astype(np.int64)
    moments = np.where(there, micros.astype("datetime64[us]"), np.datetime64("NaT"))
    return _localise(moments, np.full(len(moments), _ZERO), f"{unit} since 1970", form, rows)


def _by_format(cells: pa.Array, form: FileFormat, rows: Rows) -> Stamps:
    text, utc = cells.to_pandas().astype(object), "%z" in str(form.date_format)
    try:
        parsed = pd.to_datetime(text, format=form.date_format, errors="coerce", utc=utc)
    except ValueError as error:
        raise DataError(f"{FORMAT_KEY}.date_format: {form.date_format!r} is no format of dates ({error}).") from error
    bad = parsed.isna().to_numpy() & pc.is_valid(cells).to_numpy(zero_copy_only=False)
    if bad.any():
        raise _no_date(cells, int(bad.argmax()), rows, f" in the format {form.date_format}")
    moments = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]") if utc else parsed.to_numpy()
    offsets = np.full(len(moments), _ZERO) if utc else None
    return _localise(moments.astype("datetime64[us]"), offsets, str(form.date_format), form, rows)


def localise(moments: NDArray[np.datetime64], form: FileFormat, rows: Rows) -> Stamps:
    """Stamps of typed moments in UTC, as a Parquet file with a time zone has them."""
    return _localise(moments, np.full(len(moments), _ZERO), "typed, in UTC", form, rows)


def _localise(
    moments: NDArray[np.datetime64], offsets: NDArray[np.timedelta64] | None, said: str, form: FileFormat, rows: Rows
) -> Stamps:
    """Naive moments at the exchange from local moments and their offsets from UTC."""
    there = ~np.isnat(moments)
    if offsets is None:
        return Stamps(moments, said, "as in the file")
    days = moments.astype("datetime64[D]")
    if (moments[there] == days[there]).all():
        return Stamps(moments, said, "days as in the file, all at midnight")
    utc = moments - offsets
    zone = form.timezone
    distances = np.abs(np.diff(np.sort(utc[there])))
    daily = len(distances) == 0 or np.median(distances.astype(np.int64)) >= _DAILY.astype("timedelta64[us]").astype(int)
    if zone is None and ((offsets[there] != _ZERO).any() or daily):
        row = int((there & (moments != days)).argmax())
        there_utc = f"{day_text(utc[row])} in UTC"
        local = f"{day_text(moments[row])} by its own offset, " if offsets[row] != _ZERO else ""
        raise undecided(
            rows.name,
            f"{rows.line(row)} holds a moment ({local}{there_utc}), and whose clock counts is not known",
            "timezone",
            "that of the exchange, such as America/New_York or UTC",
        )
    if zone is None:
        return Stamps(utc, said, "UTC")
    clock = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
    return Stamps(clock.astype("datetime64[us]"), said, f"converted to {zone}")


def _no_date(cells: pa.Array, row: int, rows: Rows, rest: str = "") -> DataError:
    return DataError(f"{rows.at(row)}: column date holds {shown(cells[row])}, which is no date{rest}; {ADVICE}.")
