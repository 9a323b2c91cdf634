"""Rounds of the search: the same from the same past, defaults first, and bad spaces refused with a sentence."""

import optuna
import pytest
from optuna.trial import TrialState

from outsample.config.models import Dimension, Settings
from outsample.errors import ConfigError
from outsample.search.replayed import _points
from outsample.search.rounds import suggest
from outsample.search.told import Told, frozen
from outsample.search.warm import check_warm_start

SPACE = Settings().search.space["ppo"]
BASE = Settings().agents.ppo.model_dump()


def _rounds(sampler: str, seed: int, scores: list[float | None]) -> list[list[dict]]:
    first = suggest("ppo", BASE, SPACE, sampler, 0, 4, seed, [])
    earlier = [Told(trial["params"], score) for trial, score in zip(first, scores, strict=True)]
    return [first, suggest("ppo", BASE, SPACE, sampler, 1, 4, seed, earlier)]


@pytest.mark.parametrize("sampler", ["cmaes", "qmc", "random", "tpe"])
def test_rounds_are_a_function_of_seed_and_past(sampler: str) -> None:
    one, again = _rounds(sampler, 7, [0.1, 0.5, None, -0.2]), _rounds(sampler, 7, [0.1, 0.5, None, -0.2])
    assert one == again
    assert one != _rounds(sampler, 8, [0.1, 0.5, None, -0.2])
    assert [t["trial"] for r in one for t in r] == list(range(8))
    values = [t["params"]["learning_rate"] for r in one for t in r]
    assert len(set(values)) == 8


def test_the_first_trial_is_the_defaults() -> None:
    first, second = _rounds("tpe", 0, [0.0] * 4)
    assert first[0] == {"trial": 0, "origin": "defaults", "params": BASE}
    assert {t["origin"] for t in first[1:] + second} == {"tpe"}


def test_suggestions_stay_in_the_space_and_keep_what_is_not_searched() -> None:
    first, second = _rounds("tpe", 3, [0.3, 0.2, 0.1, None])
    for trial in first[1:] + second:
        for name, value in trial["params"].items():
            if name in SPACE:
                assert SPACE[name].low <= value <= SPACE[name].high
            else:
                assert value == BASE[name]


def test_tpe_learns_from_the_scores() -> None:
    space = {"discount": Dimension(low=0.0, high=1.0)}
    past = []
    for number in range(6):
        trials = suggest("ppo", BASE, space, "tpe", number, 5, 1, past)
        past += [Told(t["params"], -abs(t["params"]["discount"] - 0.25)) for t in trials]
    late = [params["discount"] for params, *_ in past[15:]]
    assert sum(abs(value - 0.25) < 0.15 for value in late) >= 9


def test_defaults_outside_the_space_and_failed_trials_are_no_obstacle() -> None:
    base = BASE | {"discount": 0.5}
    first = suggest("ppo", base, SPACE, "tpe", 0, 4, 0, [])
    second = suggest("ppo", base, SPACE, "tpe", 1, 4, 0, [Told(t["params"], None) for t in first])
    assert len(second) == 4
    assert first[0]["params"]["discount"] == 0.5


def test_one_trial_needs_no_space() -> None:
    assert suggest("ppo", BASE, {}, "tpe", 0, 1, 0, []) == [{"trial": 0, "origin": "defaults", "params": BASE}]
    with pytest.raises(ConfigError, match=r"search\.space\.ppo is empty"):
        suggest("ppo", BASE, {}, "tpe", 0, 2, 0, [])


def test_int_and_categorical_dimensions() -> None:
    space = {
        "discount": Dimension(type="categorical", choices=[0.5, 0.9]),
        "gae_lambda": Dimension(type="int", low=0, high=1),
        "clip": Dimension(low=0.1, high=0.9, step=0.4),
    }
    trials = suggest("ppo", BASE, space, "random", 0, 12, 0, [])[1:]
    assert {t["params"]["discount"] for t in trials} == {0.5, 0.9}
    assert {t["params"]["gae_lambda"] for t in trials} == {0, 1}
    assert {t["params"]["clip"] for t in trials} == {0.1, 0.5, 0.9}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rat": Dimension(low=0.1, high=0.2)}, r"learning_rat is no parameter of ppo.*learning_rate"),
        ({"units": Dimension(type="int", low=2, high=8)}, r"units shapes the compiled program"),
        ({"clip": Dimension(low=0.1, high=1.5)}, r"clip reaches 1\.5, which the agent does not take: .*less than 1"),
        ({"dropout": Dimension(low=0, high=0.5)}, r"dropout reaches 0\.5, .* must be 0 with `torso: linear`"),
    ],
)
def test_bad_spaces_are_refused(space: dict[str, Dimension], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        suggest("ppo", BASE, space, "tpe", 0, 2, 0, [])


def test_a_space_is_checked_around_the_configured_settings() -> None:
    space = {"dropout": Dimension(low=0.1, high=0.5), "gradient_norm": Dimension(low=0.1, high=2.0)}
    first = suggest("ppo", BASE | {"torso": "tanh"}, space, "tpe", 0, 3, 0, [])
    assert (first[0]["params"]["dropout"], first[0]["params"]["gradient_norm"]) == (0.0, 0.0)  # off, as configured
    assert all(0.1 <= trial["params"]["dropout"] <= 0.5 for trial in first[1:])
    second = suggest("ppo", BASE | {"torso": "tanh"}, space, "tpe", 1, 3, 0, [Told(t["params"], 1.0) for t in first])
    assert all(0.1 <= trial["params"]["gradient_norm"] <= 2.0 for trial in second)


def test_a_round_needs_all_rounds_before_it() -> None:
    with pytest.raises(ValueError, match="round 1 follows 4 trials, not 0"):
        suggest("ppo", BASE, SPACE, "tpe", 1, 4, 0, [])


def test_optuna_is_as_loud_as_before() -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    suggest("ppo", BASE, SPACE, "tpe", 0, 2, 0, [])
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


STEPS = {
    "discount": Dimension(low=0.9, high=0.99, step=0.03),
    "learning_rate": Dimension(type="categorical", choices=[0.001, 0.01]),
}


def _all_rounds(sampler, space, rounds, each, score=lambda params: 0.0, seed=3):
    past = []
    for number in range(rounds):
        trials = suggest("ppo", BASE, space, sampler, number, each, seed, past)
        past += [Told(trial["params"], score(trial["params"])) for trial in trials]
    return [told.params for told in past]


def test_a_grid_is_walked_once_over_all_rounds_and_no_further() -> None:
    params = _all_rounds("grid", STEPS, 3, 3)
    points = {(p["discount"], p["learning_rate"]) for p in params[1:]}
    assert params[0] == BASE
    assert points == {(d, r) for d in (0.9, 0.93, 0.96, 0.99) for r in (0.001, 0.01)}
    with pytest.raises(ConfigError, match=r"is a grid of 8 points, .* ask for 9 trials at most, or add points"):
        _all_rounds("grid", STEPS, 2, 5)
    with pytest.raises(ConfigError, match=r"search\.space\.ppo\.discount has no steps"):
        suggest("ppo", BASE, SPACE, "grid", 0, 2, 0, [])


def test_points_of_a_grid_of_whole_numbers_and_of_steps_that_do_not_reach_the_end() -> None:
    assert _points("ppo", "n", optuna.distributions.IntDistribution(2, 8, step=3)) == [2, 5, 8]
    assert _points("ppo", "x", optuna.distributions.FloatDistribution(0.0, 1.0, step=0.1))[-1] == pytest.approx(1.0)


def test_a_sobol_sequence_goes_on_over_the_rounds_and_fills_the_space_evenly() -> None:
    space = {"discount": Dimension(low=0.0, high=1.0)}
    at_once = _all_rounds("qmc", space, 1, 17)
    assert _all_rounds("qmc", space, 17, 1) == at_once
    found = sorted(p["discount"] for p in at_once[1:])
    assert [int(16 * value) for value in found] == list(range(16))  # one in each sixteenth


def test_cmaes_learns_from_the_scores() -> None:
    space = {"discount": Dimension(low=0.0, high=1.0), "entropy": Dimension(low=0.0, high=1.0)}

    def score(params):
        return -abs(params["discount"] - 0.25) - abs(params["entropy"] - 0.75)

    late = [score(params) for params in _all_rounds("cmaes", space, 8, 6, score)[36:]]
    early = [score(params) for params in _all_rounds("random", space, 2, 6, score)]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.2
    failed = _all_rounds("cmaes", space, 3, 4, lambda params: None)
    assert len(failed) == 12


def _pair(params):
    return params["discount"], abs(params["discount"] - 0.25)  # more return with more drawdown, but none below 0.25


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_two_objectives_are_searched_together(sampler: str) -> None:
    space = {"discount": Dimension(low=0.0, high=1.0), "entropy": Dimension(low=0.0, high=1.0)}

    def rounds(score):
        past: list[Told] = []
        for number in range(5):
            trials = suggest("ppo", BASE, space, sampler, number, 7, 2, past, objectives=2)
            past += [Told(t["params"], score(t["params"])) for t in trials]
        return [told.params["discount"] for told in past]

    found = rounds(_pair)
    assert found == rounds(_pair)
    assert found != rounds(lambda params: (_pair(params)[1], _pair(params)[0]))  # it listens
    assert sum(value < 0.25 for value in found[21:]) <= sum(value < 0.25 for value in found[1:15])


def test_a_stopped_trial_is_told_as_pruned_and_of_two_objectives_as_failed() -> None:
    distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}
    one = frozen(Told({"x": 0.5}, 0.3, stopped=1), distributions)
    assert (one.state, one.intermediate_values) == (TrialState.PRUNED, {1: 0.3})
    assert frozen(Told({"x": 0.5}, (0.3, 0.1), stopped=1), distributions).state == TrialState.FAIL
    assert frozen(Told({"x": 0.5}, None, stopped=1), distributions).state == TrialState.FAIL
    for sampler in ("cmaes", "nsga2", "qmc", "tpe"):
        first = suggest("ppo", BASE, SPACE, sampler, 0, 4, 0, [])
        past = [Told(t["params"], 0.1 * t["trial"], 0 if t["trial"] % 2 else None) for t in first]
        assert len(suggest("ppo", BASE, SPACE, sampler, 1, 4, 0, past)) == 4


@pytest.mark.parametrize("sampler", ["cmaes", "tpe"])
def test_a_warm_start_pulls_the_first_round_to_what_was_good(sampler: str) -> None:
    space = {"discount": Dimension(low=0.0, high=1.0), "entropy": Dimension(low=0.0, high=1.0)}
    grid = [Told(BASE | {"discount": x / 20, "entropy": 0.5}, -abs(x / 20 - 0.8)) for x in range(21)]
    warm = [t for r in range(4) for t in suggest("ppo", BASE, space, sampler, 0, 6, r, [], warm=grid)[1:]]
    cold = [t for r in range(4) for t in suggest("ppo", BASE, space, sampler, 0, 6, r, [])[1:]]
    assert [t["trial"] for t in warm[:5]] == [1, 2, 3, 4, 5]  # its own numbers: the earlier ones are no trials here

    def distance(trials):
        return sum(abs(t["params"]["discount"] - 0.8) for t in trials) / len(trials)

    assert distance(warm) < distance(cold) - 0.05


def test_a_warm_start_that_cannot_be_is_refused_with_a_sentence() -> None:
    there = {"settings": {"search": {"space": {"ppo": {n: d.model_dump() for n, d in SPACE.items()}}}}}
    check_warm_start("", "new", "ppo", SPACE, [], 0, 0)
    check_warm_start("old", "new", "ppo", SPACE, [there], 2, 2)
    with pytest.raises(ConfigError, match=r"is old, but results/old holds no scored trials of ppo; run that"):
        check_warm_start("old", "new", "ppo", SPACE, [], 0, 0)
    with pytest.raises(ConfigError, match=r"old, of which 1 rounds of ppo are scored and 2 suggested; let that"):
        check_warm_start("old", "new", "ppo", SPACE, [there], 2, 1)
    other = {n: d for n, d in SPACE.items() if n != "discount"} | {"clip": Dimension(low=0.1, high=0.2)}
    with pytest.raises(ConfigError, match=r"old, whose search\.space\.ppo differs in clip, discount: set the same"):
        check_warm_start("old", "new", "ppo", other, [there], 2, 2)
    with pytest.raises(ConfigError, match=r"warm_start of old is that experiment itself"):
        check_warm_start("old", "old", "ppo", SPACE, [there], 2, 2)
    last = {"old": "2019-12-31", "older": "2014-12-31"}
    check_warm_start("old", "new", "ppo", SPACE, [there], 2, 2, "2020-01-02", last)
    with pytest.raises(
        ConfigError, match=r"old has scored bars up to 2019-12-31, and the vault of new begins on 2019-"
    ):
        check_warm_start("old", "new", "ppo", SPACE, [there], 2, 2, "2019-12-31", last)
    few = [Told(BASE | {"discount": 0.95, "entropy": 0.05, "learning_rate": 0.002}, 1.0)] * 9
    with pytest.raises(ConfigError, match=r"a study with 9 scored trials within the space, .* at least 10"):
        suggest("ppo", BASE, SPACE, "cmaes", 0, 4, 0, [], warm=few)
