"""The block `data` of the configuration: which bars are used, and where they come from."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from outsample.config.block import Block, Name, key, refusal
from outsample.config.files import CsvSource as CsvSource
from outsample.config.files import PackageSource, ParquetSource
from outsample.config.remote import HttpSource, UrlSource, YfinanceSource

_MAX_SEED = 2**32 - 1


class SimulatedSource(Block):
    """Bars from a market of known truth: a two-state drift, or a random walk where `drift` is 0.

    The hidden state stays the same with probability `persistence` from one bar to the next; the close-to-close log
    return is +-`drift` by the state, plus Gaussian noise of standard deviation `volatility`.
    """

    kind: Literal["simulated"] = key("simulated", "Kind of source.", "-")
    bars: int = key(2500, "Bars of each symbol.", "bars", ge=10, le=10_000_000)
    drift: float = key(0.004, "Size of the drift of either state; 0 is a random walk.", "log return per bar", ge=0)
    volatility: float = key(0.01, "Standard deviation of the noise.", "log return per bar", gt=0)
    persistence: float = key(0.95, "Probability that the state stays.", "1", ge=0, le=1)
    seed: int = key(0, "Seed of the draw; each symbol draws its own stream from it.", "-", ge=0, le=_MAX_SEED)


AnySource = Annotated[
    CsvSource | ParquetSource | PackageSource | SimulatedSource | HttpSource | UrlSource | YfinanceSource,
    Field(discriminator="kind"),
]


class Data(Block):
    """Which bars are used."""

    source: AnySource = Field(CsvSource(), description="Where the bars come from.", json_schema_extra={"unit": "-"})
    sources: dict[Name, AnySource] = key(
        {}, "Symbol -> a source block that takes the place of data.source for this symbol.", "-"
    )
    symbols: list[Name] = key(
        ["AAPL", "AMZN", "GOOG", "NVDA"], "Symbols, each traded in a sleeve of its own.", "-", min_length=1
    )
    references: list[Name] = key(
        [], "Further symbols that are read and checked for features.cross, and never traded.", "-"
    )
    transfer: list[Name] = key(
        [],
        "Further symbols that are read and checked to pre-train weights on, and never traded; the arms with transfer "
        "need them.",
        "-",
    )
    start: datetime.date | None = key(None, "First date that is used; null is the first bar.", "date")
    end: datetime.date | None = key(None, "Last date that is used; null is the last bar.", "date")
    calendar: str = key(
        "auto",
        "Trading calendar: auto infers it from the dates, or a name of exchange-calendars such as XNYS, or 24/7.",
        "-",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        twice = [s for s in self.symbols if self.symbols.count(s) > 1]
        if twice:
            raise refusal("symbols", f"names {twice[0]} twice")
        for block in ("references", "transfer"):
            names = getattr(self, block)
            for name in names:
                if name in self.symbols or names.count(name) > 1:
                    raise refusal(
                        block, f"names {name}, which {'is traded' if name in self.symbols else 'is there twice'}"
                    )
        both = [name for name in self.transfer if name in self.references]
        if both:
            raise refusal(
                "transfer", f"names {both[0]}, which is in data.references too; features.cross may take it from here"
            )
        for name in self.sources:
            if name not in self.read_symbols:
                raise refusal(
                    ("sources", name), "is none of data.symbols, data.references or data.transfer", self.read_symbols
                )
        if self.start and self.end and self.start > self.end:
            raise refusal("start", f"{self.start} is after data.end {self.end}")
        return self

    def source_of(self, symbol: str) -> AnySource:
        """The source block of a symbol."""
        return self.sources.get(symbol, self.source)

    @property
    def read_symbols(self) -> list[str]:
        """The symbols whose bars are read and checked, sorted: those that are traded, and all others."""
        return sorted([*self.symbols, *self.untraded])

    @property
    def untraded(self) -> list[str]:
        """The symbols that are read and not traded."""
        return [*self.references, *self.transfer]
