"""The decision table case by case, and golden wording for each."""

import dataclasses
import json
from typing import Any

import pytest

from outsample.evaluation.verdict import Estimate, Findings, SkillTests, decide_level
from outsample.evaluation.wording import sentences_of, title_of
from outsample.io.files import write_json

NAN = float("nan")


def _tests(hedged: float, alpha: float, raw: float, mean: float, vanishes: bool = False) -> SkillTests:
    return SkillTests(1500, 500, 16, hedged, alpha, raw, mean, vanishes)


STRONG, MIDDLING, NOTHING = (0.001, 0.01, 0.001, 0.01), (0.12, 0.3, 0.4, 0.4), (0.6, 0.7, 0.8, 0.5)


@pytest.mark.parametrize(
    ("p", "kind", "vault_return", "look", "level"),
    [
        (STRONG, "trades", 0.1, 1, "evidence_over_buy_and_hold"),
        (STRONG, "trades", 0.1, 100, "evidence_over_buy_and_hold"),
        ((0.03, 0.2, 0.9, 0.9), "trades", 0.1, 1, "evidence_over_buy_and_hold"),
        ((0.03, 0.2, 0.9, 0.9), "trades", 0.1, 3, "weak"),
        # guards: the return must be above 0, the vault's own alpha p below .5, and positions must change
        (STRONG, "trades", 0.0, 1, "evidence_over_flat"),
        ((0.001, 0.55, 0.9, 0.9), "trades", 0.1, 1, "weak"),
        (STRONG, "holds one position", 0.1, 1, "evidence_over_flat"),
        ((0.001, 0.01, 0.9, 0.9), "holds one position", 0.1, 1, "none"),
        (STRONG, "never trades", 0.0, 1, "none"),
        # over flat
        ((0.9, 0.9, 0.001, 0.2), "trades", 0.1, 1, "evidence_over_flat"),
        ((0.9, 0.9, 0.001, 0.55), "trades", 0.1, 1, "weak"),
        ((0.9, 0.9, 0.02, 0.2), "trades", 0.1, 20, "none"),
        (MIDDLING, "trades", 0.1, 1, "weak"),
        (MIDDLING, "trades", 0.1, 2, "none"),
        (NOTHING, "trades", 0.1, 1, "none"),
    ],
)
def test_decision_table(p: tuple[float, ...], kind: str, vault_return: float, look: int, level: str) -> None:
    assert decide_level(_tests(*p), kind, vault_return, look) == level


def test_hedged_returns_that_vanish_are_no_skill_whatever_the_trials_say() -> None:
    assert decide_level(_tests(0.001, 0.0, 0.9, 0.9, vanishes=True), "trades", 0.5, 1) == "none"


def test_joined_p_values_weigh_by_bars() -> None:
    # z of .02 is 2.0537, of .3 is .5244: (sqrt(3) * 2.0537 + .5244) / 2 = 2.0408, whose tail is .0206
    assert _tests(0.02, 0.3, 0.5, 0.5).p_buy_and_hold == pytest.approx(0.0206, abs=5e-5)
    assert _tests(0.9, 0.9, 0.02, 0.3).p_flat == pytest.approx(0.0206, abs=5e-5)


def test_bad_arguments() -> None:
    for kind, look in (("trades", 0), ("sleeps", 1)):
        with pytest.raises(ValueError, match="look"):
            decide_level(_tests(*STRONG), kind, 0.1, look)


def _activity(kind: str) -> dict[str, Any]:
    trades = {"trades": 31, "holds one position": 1, "never trades": 0}[kind]
    exposure = {"trades": 0.62, "holds one position": 0.99, "never trades": 0.0}[kind]
    return {"kind": kind, "trades": trades, "exposure": exposure, "net_exposure": exposure / 2}


def _findings(p: tuple[float, ...], kind: str = "trades", **changes: Any) -> Findings:
    flat = kind == "never trades"
    findings = Findings(
        tests=_tests(*p),
        look=1,
        periods_per_year=252.0,
        confidence=0.95,
        simulated=False,
        activity=_activity(kind),
        activity_by_symbol={"AAPL": _activity(kind), "GOOG": _activity("never trades")},
        held={"AAPL": 1.0} if kind == "holds one position" else {},
        total_return=0.0 if flat else 0.123,
        buy_and_hold_return=0.2,
        mean_return=0.06,
        buy_and_hold_mean=0.1,
        sharpe=Estimate(NAN, NAN, NAN) if flat else Estimate(0.81, -0.2, 1.8),
        alpha=Estimate(0.021, -0.004, 0.05),
        beta=0.4,
        shown={"probabilistic_sharpe_ratio": 0.9},
    )
    return dataclasses.replace(findings, **changes)


def _text(findings: Findings) -> list[str]:
    return [title_of(findings), *sentences_of(findings)]


DID = (
    "Over the 500 bars of the vault it made 31 round trips (GOOG is never traded), with 62.0 % of its equity in the "
    "market on average (net 31.0 %)."
)
EARNED = (
    "It earned 12.3 % net of costs, where buy and hold earned 20.0 %; its Sharpe ratio is 0.81 (95 % interval -0.20 to "
    "1.80) per year."
)
ALPHA = " Its alpha to buy and hold is 2.1 % (95 % interval -0.4 % to 5.0 %) per year, at a beta of 0.40."
SHOWS = (
    "The smallest true Sharpe ratio that the vault's 500 bars show with a probability of 80 % is 1.77 per year (0.88 "
    "together with the 1,500 bars out of fold)"
)
TOO_FEW = f"{SHOWS}: they are too few to tell no skill from a smaller one."


def _joined(hedged: str, raw: str, alpha: str, mean: str) -> str:
    return (
        f"Each joined p-value puts together 16 trials on 1,500 bars out of fold (over buy and hold {hedged}, above "
        f"zero {raw}) and the chosen agent on the vault ({alpha} and {mean})."
    )


def test_words_of_evidence_over_buy_and_hold() -> None:
    assert _text(_findings(STRONG)) == [
        "Evidence of skill over buy and hold",
        "The agent earned more than its share of the market's own movement: skill over buy and hold (joined p < "
        "0.001), below 0.05.",
        DID,
        EARNED,
        _joined("p = 0.001", "p = 0.001", "p = 0.010", "p = 0.010") + ALPHA,
        f"{SHOWS}.",
    ]


def test_words_of_evidence_over_flat_name_the_markets_drift() -> None:
    assert _text(_findings((0.9, 0.6, 0.001, 0.04)))[:2] == [
        "Evidence of a return above zero, but not of skill over buy and hold",
        "There is evidence of a return above zero (joined p < 0.001), below 0.05. The agent is not shown to have skill "
        "over buy and hold (joined p = 0.89). Its mean return is 6.0 % per year; its share of the market's own drift "
        "alone (beta 0.40 times buy and hold's 10.0 %) is 4.0 %.",
    ]


def test_words_of_one_position() -> None:
    text = _text(_findings((0.001, 0.01, 0.001, 0.04), "holds one position"))
    assert text[0] == (
        "Evidence of a return above zero, but not of skill over buy and hold: the agent holds one position throughout"
    )
    assert "The agent shows no skill over buy and hold: an agent that holds one position takes no decision." in text[1]
    assert text[2] == (
        "Over the 500 bars of the vault it holds one position throughout, as a fraction of the sleeve's equity: "
        "AAPL 1.00; it never trades GOOG."
    )
    none = _text(_findings(NOTHING, "holds one position"))
    assert none[:2] == [
        "No evidence of skill: the agent holds one position throughout",
        "The agent shows no skill over buy and hold: an agent that holds one position takes no decision. Nor is there "
        "evidence of a return above zero (joined p = 0.77).",
    ]


def test_words_of_an_agent_that_never_trades() -> None:
    assert _text(_findings((0.001, 1.0, 0.001, 1.0), "never trades", beta=0.0)) == [
        "No evidence of skill: the agent never trades",
        "An agent that never trades has shown neither skill nor a lack of it.",
        "It stays flat over all 500 bars of the vault.",
        "It earned 0.0 % net of costs, where buy and hold earned 20.0 %; its Sharpe ratio is undefined, since its "
        "returns do not vary.",
        TOO_FEW,
    ]


def test_words_of_no_evidence_tell_short_from_long_vaults() -> None:
    assert _text(_findings(NOTHING)) == [
        "No evidence of skill, on too few bars to tell",
        "There is evidence neither of skill over buy and hold (joined p = 0.68) nor of a return above zero (joined p = "
        "0.77).",
        DID,
        EARNED,
        _joined("p = 0.60", "p = 0.80", "p = 0.70", "p = 0.50") + ALPHA,
        TOO_FEW,
    ]
    long = _findings(NOTHING, tests=dataclasses.replace(_tests(*NOTHING), vault_bars=2000))
    assert title_of(long) == "No evidence of skill"
    assert sentences_of(long)[-1].endswith(": a Sharpe ratio of 1 would probably have shown.")
    assert not long.too_short


def test_words_of_a_hint() -> None:
    title, claim, *_ = _text(_findings(MIDDLING))
    assert title == "A hint of skill, but no evidence, on too few bars to tell"
    assert claim == (
        "There is a hint of skill over buy and hold (joined p = 0.10, below 0.2). This is no evidence: without any "
        "skill about 1 study in 12 gets this far, and 1 in 4 where trading is free."
    )
    failed_guard = sentences_of(_findings((0.001, 0.55, 0.9, 0.9)))[0]
    assert "(joined p = 0.004, below 0.2), but the vault alone does not bear it out." in failed_guard
    held = sentences_of(_findings((0.9, 0.9, 0.02, 0.6), "holds one position"))[0]
    assert "takes no decision. There is a hint of a return above zero (joined p = 0.049, below 0.2)" in held


def test_words_of_a_multiple_of_buy_and_hold() -> None:
    copy = _findings(NOTHING, tests=_tests(*NOTHING, vanishes=True))
    text = _text(copy)
    assert "its returns are a fixed multiple of buy and hold's." in text[1]
    assert not any("alpha" in sentence for sentence in text)


def test_words_of_later_looks_and_of_simulated_data() -> None:
    text = _text(_findings(STRONG, look=4, simulated=True))
    assert text[0] == "Evidence of skill over buy and hold (simulated data)"
    assert text[1].endswith("below 0.0125.")
    assert text[-3] == (
        "This is look 4 at this vault, and every look makes luck likelier: a claim needs a joined p below 0.0125 "
        "instead of 0.05."
    )
    assert text[-1] == (
        "The prices are simulated: this says something about the procedure, and nothing about a market."
    )
    assert _findings(STRONG, look=4).detectable_sharpe > _findings(STRONG).detectable_sharpe


def test_document_fits_its_schema(tmp_path) -> None:
    for findings in (_findings(STRONG), _findings(NOTHING, "never trades")):
        document = findings.document(title_of(findings), sentences_of(findings))
        write_json(document, tmp_path / "verdict.json", "verdict")
        written = json.loads((tmp_path / "verdict.json").read_text())
        assert written["level"] == findings.level
        assert written["tests"]["too_short"] == findings.too_short
        assert written["tests"]["alpha"] == {"value": 0.021, "lower": -0.004, "upper": 0.05}
        assert written["tests"]["probabilistic_sharpe_ratio"] == 0.9
