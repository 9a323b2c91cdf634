"""Calendars: which one some dates follow, its sessions, and bars per year."""

import numpy as np
import pytest

from outsample.data.calendar import Calendar, infer_calendar, sessions_between
from outsample.errors import ConfigError


def _days(first: str, last: str) -> np.ndarray:
    return np.arange(first, last, dtype="datetime64[D]")


def _weekdays(first: str, last: str) -> np.ndarray:
    days = _days(first, last)
    return days[np.is_busday(days)]


def _xnys(first: str, last: str) -> np.ndarray:
    return sessions_between("XNYS", np.datetime64(first), np.datetime64(last))


def test_sessions_of_new_york_leave_out_its_holidays() -> None:
    sessions = _xnys("2023-12-22", "2024-01-02")
    assert [str(d) for d in sessions] == [
        "2023-12-22", "2023-12-26", "2023-12-27", "2023-12-28", "2023-12-29", "2024-01-02"]  # fmt: skip


def test_a_span_without_sessions_has_none() -> None:
    assert len(_xnys("2024-01-06", "2024-01-07")) == 0
    assert len(sessions_between("weekdays", np.datetime64("2024-01-06"), np.datetime64("2024-01-07"))) == 0


def test_dates_tell_their_calendar() -> None:
    assert infer_calendar(_xnys("2013-01-02", "2016-12-30")) == Calendar("XNYS", True, 252.0)
    assert infer_calendar(_days("2014-01-01", "2016-01-01")) == Calendar("24/7", True, 365.0)
    assert infer_calendar(_weekdays("2000-01-03", "2002-01-01")) == Calendar("weekdays", True, 261.0)


def test_days_from_sunday_to_friday_are_those_of_currencies() -> None:
    days = _days("2007-01-01", "2010-01-01")
    days = days[days.astype(int) % 7 != 2]  # without Saturdays
    assert infer_calendar(days) == Calendar("FX", True, 313.0)
    short = np.delete(days, [100, 101, 102, 400])
    assert infer_calendar(short).name == "FX"
    sessions = sessions_between("FX", np.datetime64("2024-01-04"), np.datetime64("2024-01-08"))
    assert [str(d) for d in sessions] == ["2024-01-04", "2024-01-05", "2024-01-07", "2024-01-08"]
    assert infer_calendar(_weekdays("2007-01-01", "2010-01-01"), "24/5") == Calendar("24/5", False, 261.0)


def test_the_dates_of_another_exchange_are_weekdays_unless_it_is_named() -> None:
    london = sessions_between("XLON", np.datetime64("2015-01-01"), np.datetime64("2018-12-31"))
    assert infer_calendar(london).name == "weekdays"
    assert infer_calendar(london, "XLON") == Calendar("XLON", False, 253.0)
    assert infer_calendar(london, "LSE").name == "XLON"


def test_dates_of_no_calendar_are_counted() -> None:
    weekly = _days("2015-01-02", "2020-01-01")[::7]
    assert infer_calendar(weekly) == Calendar("observed", True, 52.18)
    six_days = _days("2015-01-01", "2020-01-01")
    six_days = six_days[six_days.astype(int) % 7 != 6]  # without Wednesdays
    assert infer_calendar(six_days).name == "observed"
    assert infer_calendar(six_days).periods_per_year == pytest.approx(365.25 * 6 / 7, abs=0.2)


def test_a_long_hole_and_a_few_missing_days_do_not_hide_the_calendar() -> None:
    days = _xnys("2013-01-02", "2020-12-31")
    holed = np.delete(np.concatenate([days[:500], days[1500:]]), [3, 50, 700])
    assert infer_calendar(holed).name == "XNYS"


def test_the_order_and_repetition_of_dates_do_not_matter() -> None:
    days = _xnys("2013-01-02", "2014-12-31")
    assert infer_calendar(np.concatenate([days[::-1], days])) == Calendar("XNYS", True, 252.0)


def test_bars_within_the_day_multiply_the_periods() -> None:
    hours = (_xnys("2019-01-02", "2019-12-31")[:, None] + np.arange(15, 22).astype("timedelta64[h]")).ravel()
    assert infer_calendar(hours) == Calendar("XNYS", True, 7 * 252.0)


def test_dates_beyond_the_reach_of_exchange_calendars_are_inferred_too() -> None:
    assert infer_calendar(_weekdays("2000-01-03", "2400-01-03")).name == "weekdays"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'NYES' is no calendar; did you mean XNYS or NYSE\?"):
        infer_calendar(_days("2024-01-01", "2024-02-01"), "NYES")


def test_a_calendar_that_cannot_serve_the_dates_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.calendar: XSHG cannot serve 1970-01-01 \.\. 2019-12-31"):
        infer_calendar(_weekdays("1970-01-01", "2020-01-01"), "XSHG")


def test_one_date_has_no_observed_calendar() -> None:
    with pytest.raises(ConfigError, match="one date has no calendar"):
        infer_calendar(_days("2024-01-02", "2024-01-03"), "observed")


def test_a_young_exchange_is_counted_over_the_years_it_has() -> None:
    days = sessions_between("AIXK", np.datetime64("2018-01-01"), np.datetime64("2023-12-31"))
    calendar = infer_calendar(days, "AIXK")
    assert calendar.periods_per_year == pytest.approx(len(days) / 6, abs=2)
