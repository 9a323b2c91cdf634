"""The table of all features: what `outsample features` prints and docs/features.md shows."""

from __future__ import annotations

from outsample.config.features import FeatureSet
from outsample.features.registry import INDICATORS, Feature, Indicator, requested_features

# Every registered feature at its usual parameters.
EVERY = FeatureSet.model_validate(
    {
        "sma_cross": [(20, 50)],
        "adx": 14,
        "aroon": 14,
        "bollinger_width": 20,
        "deviation": [20],
        "parkinson": [20],
        "garman_klass": [20],
        "drawdown": [60],
        "dollar_volume": 20,
        "calendar": {"weekday": True, "month_day": True, "month": True, "time_of_day": True},
        "cross": [{"symbol": "SPY", "returns": [5], "beta": 60, "strength": [20]}],
    }
)
HEADERS = ("feature", "group", "key of `features`", "formula", "warm-up (bars)", "start", "reference", "TA-Lib")
_BEGIN, _END = "<!-- features: written by `outsample features --write` -->", "<!-- end of features -->"


def _row(indicator: Indicator, feature: Feature) -> tuple[str, ...]:
    return (
        feature.name,
        feature.group,
        indicator.setting,
        feature.formula,
        str(feature.warm_up),
        indicator.start,
        feature.reference,
        indicator.ta_lib or "-",
    )


def feature_rows(settings: FeatureSet = EVERY) -> list[tuple[str, ...]]:
    """One row of `HEADERS` a feature, in the order of the policy's inputs."""
    by_id = {indicator.id: indicator for indicator in INDICATORS}
    return [_row(by_id[feature.indicator], feature) for feature in requested_features(settings)]


def as_text(rows: list[tuple[str, ...]]) -> str:
    """The rows in columns of equal width, under their headers."""
    lines = [HEADERS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def as_markdown(rows: list[tuple[str, ...]]) -> str:
    """The rows as a table of Markdown."""
    lines = [HEADERS, ("---",) * len(HEADERS), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_table(page: str) -> str | None:
    """A page with the table of every feature between its two marks; None where it has no such marks."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{begin}\n{as_markdown(feature_rows())}\n{end}{after}" if end else None
