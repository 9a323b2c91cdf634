"""The layers of the configuration: what wins, what is refused, and in which words."""

from pathlib import Path

import pytest
import yaml

from outsample.config.layers import agent_params, block, chosen, document, experiments, load
from outsample.config.models import Settings
from outsample.errors import ConfigError
from outsample.hashing import sha256_of
from outsample.io import read_json, write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path):
    """A repository's config/ with the shipped base, plain environments and one empty experiment; returns its writer."""
    files = {
        "base/default.yaml": (ROOT / "config/base/default.yaml").read_text(encoding="utf-8"),
        "environments/development.yaml": "",
        "environments/production.yaml": "logging: {level: warning}\n",
        "experiments/quickstart.yaml": "",
    }

    def write(**more):
        for name, text in (files | {f"{k.replace('__', '/')}.yaml": v for k, v in more.items()}).items():
            path = tmp_path / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def sentence(experiment="quickstart", overrides=None, root=ROOT):
    with pytest.raises(ConfigError) as caught:
        load(experiment, overrides or {}, root)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


def test_the_later_layer_wins(repository):
    experiment = "folds: {n_folds: 7, inner_folds: 3}\nlogging: {level: debug}\n"
    root = repository(experiments__mine=experiment)
    assert load("quickstart", root=root).settings == Settings()
    production = load("quickstart", {"environment": "production"}, root)
    assert production.settings.logging.level == "warning"
    assert production.environment == "production"
    overrides = {"experiment": "mine", "environment": "production", "folds": {"n_folds": "8"}}
    mine = load("mine", overrides, root).settings
    assert (mine.folds.n_folds, mine.folds.inner_folds, mine.folds.min_train) == (8, 3, 0.4)
    assert mine.logging.level == "debug"


def test_the_base_file_is_a_layer(repository):
    base = (ROOT / "config/base/default.yaml").read_text(encoding="utf-8")
    root = repository(base__default=base.replace("n_folds: 5", "n_folds: 6"))
    assert load("quickstart", root=root).settings.folds.n_folds == 6
    repository(base__default=base.replace("n_folds: 5", "n_fold: 6"))
    expected = "config/base/default.yaml (base layer): folds.n_fold is not a key; did you mean folds.n_folds?"
    assert sentence(root=root) == expected


def test_the_command_line_sets_science_of_the_chosen_experiment_only(repository):
    root = repository(experiments__mine="")
    overrides = {"experiment": "mine", "folds": {"n_folds": 8}, "logging": {"level": "debug"}}
    assert load("mine", overrides, root).settings.folds.n_folds == 8
    other = load("quickstart", overrides, root).settings
    assert other.folds.n_folds == 5
    assert other.logging.level == "debug"
    assert chosen({"experiment": 2024}) == "2024"
    assert chosen() == "quickstart"


def test_words_of_the_command_line_are_read_as_yaml_reads_them_except_where_a_key_takes_text():
    overrides = {
        "data": {"symbols": ["600519", "ON", "true"], "start": "2012-01-03", "end": "null"},
        "agents": {"ppo": {"learning_rate": "2e-3"}},
        "market": {"short_selling": "false", "commission": "1"},
        "report": {"title": "2024"},
        "search": {"space": {"ppo": {"discount": {"type": "categorical", "choices": ["0.8", "0.9"]}}}},
    }
    settings = load("quickstart", overrides, ROOT).settings
    assert settings.data.symbols == ["600519", "ON", "true"]
    assert (str(settings.data.start), settings.data.end) == ("2012-01-03", None)
    assert settings.agents.ppo.learning_rate == 0.002
    assert (settings.market.short_selling, settings.market.commission) == (False, 1.0)
    assert settings.report.title == "2024"
    assert settings.search.space["ppo"]["discount"].choices == [0.8, 0.9]


def test_a_source_whose_kind_changes_replaces_the_block_below(repository):
    root = repository(experiments__mine="data: {source: {kind: simulated, bars: 100}, symbols: [S]}")
    source = load("mine", root=root).settings.data.source
    assert (source.kind, source.bars, source.drift) == ("simulated", 100, 0.004)
    overrides = {"experiment": "mine", "data": {"source": {"drift": "0"}}}
    source = load("mine", overrides, root).settings.data.source
    assert (source.bars, source.drift) == (100, 0.0)
    overrides = {"experiment": "mine", "data": {"source": {"kind": "csv"}}}
    assert load("mine", overrides, root).settings.data.source.path == "data/market/{symbol}.csv"


def test_a_search_space_is_merged_and_null_takes_a_dimension_out(repository):
    text = "search: {space: {ppo: {discount: null, entropy: {low: 0.01}, clip: {low: 0.1, high: 0.3}}}}"
    space = load("mine", root=repository(experiments__mine=text)).settings.search.space["ppo"]
    assert list(space) == ["clip", "entropy", "learning_rate", "weight_decay"]
    assert (space["entropy"].low, space["entropy"].high, space["entropy"].log) == (0.01, 0.1, True)
    assert load("quickstart", {"search": None}, ROOT).settings.search == Settings().search


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("dta: {}", "dta", "data"),
        ("folds: {n_fold: 3}", "folds.n_fold", "folds.n_folds"),
        ("data: {source: {pth: x}}", "data.source.pth", "data.source.path"),
        ("data: {source: {kind: simulated, bar: 9}}", "data.source.bar", "data.source.bars"),
        ("agents: {pop: {}}", "agents.pop", "agents.ppo"),
        ("agents: {ppo: {learning_rat: 1}}", "agents.ppo.learning_rat", "agents.ppo.learning_rate"),
        ("search: {spaces: {}}", "search.spaces", "search.space"),
        ("search: {space: {pop: {}}}", "search.space.pop", "search.space.ppo"),
        (
            "search: {space: {ppo: {discont: {low: 0.1, high: 1}}}}",
            "search.space.ppo.discont",
            "search.space.ppo.discount",
        ),
        (
            "search: {space: {ppo: {discount: {hihg: 1}}}}",
            "search.space.ppo.discount.hihg",
            "search.space.ppo.discount.high",
        ),
        (
            "selection: {multi_metric: {sharp: 1}}",
            "selection.multi_metric.sharp",
            "selection.multi_metric.sharpe",
        ),
        ("commission: 3", "commission", "market.commission"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_that_is_valid(repository, text, key, nearest):
    found = sentence("mine", root=repository(experiments__mine=text))
    assert found.startswith(f"config/experiments/mine.yaml (experiment layer): {key} is no")
    assert found.endswith(f"; did you mean {nearest}?")
    as_words = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - what Snakemake reads the command line with
    overrides = {"experiment": "mine"} | as_words
    found = sentence("mine", overrides, root=repository(experiments__mine=""))
    assert found.startswith(f"command line: {key} is no")
    assert found.endswith(f"; did you mean {nearest}?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folds: {n_folds: many}", 'folds.n_folds must be a whole number, but is "many".'),
        ("folds: {n_folds: 2.5}", "folds.n_folds must be a whole number, but is 2.5."),
        ("folds: {n_folds: true}", "folds.n_folds must be a whole number, but is true."),
        ("folds: {n_folds: 1}", "folds.n_folds must be at least 2, but is 1."),
        ("folds: 5", "folds must be a block of keys, but is 5."),
        ("market: {grid: fine}", 'market.grid (fraction of equity) must be a number, but is "fine".'),
        ("market: {grid: .nan}", "market.grid (fraction of equity) must be a finite number, but is NaN."),
        (
            "market: {grid: }",
            "market.grid (fraction of equity) must be a number, but is null; leave the key out to keep its default.",
        ),
        ("market: {fill: open}", 'market.fill must be one of next_open, next_close, but is "open".'),
        ("market: {short_selling: 1}", "market.short_selling must be true or false, but is 1."),
        ("data: {symbols: AAPL}", 'data.symbols must be a list, in brackets, but is "AAPL".'),
        ("data: {symbols: []}", "data.symbols must be a list of 1 or more, but is []."),
        ("data: {symbols: [A, 7]}", "data.symbols[1] must be text, but is 7; put it in quotes to make it text."),
        ("data: {symbols: [A, A]}", "data.symbols names A twice."),
        (
            "data: {start: 2020-02-30}",
            'data.start (date) must be a date such as 2020-01-31, but is "2020-02-30".',
        ),
        ("data: {start: 2021-01-01, end: 2020-01-01}", "data.start 2021-01-01 is after data.end 2020-01-01."),
        (
            "data: {sources: {'': null}}",
            'data.sources."" must be letters, digits and . _ = ^ - only, a letter or digit first, but is "".',
        ),
        (
            "data: {sources: {AAPL: {path: x}}}",
            'data.sources.AAPL must be a block that states its kind, but is {"path": "x"}.',
        ),
        (
            "data: {sources: {AAPL: {kind: csv, pth: x}}}",
            "data.sources.AAPL.pth is not a key; did you mean data.sources.AAPL.path?",
        ),
        (
            "data: {sources: {AAPL: {kind: simulated, bars: 5}}}",
            "data.sources.AAPL.bars (bars) must be at least 10, but is 5.",
        ),
        (
            "data: {source: {path: 'own/{symbol}*.csv'}}",
            "data.source.path 'own/{symbol}*.csv' also takes symbols with a longer name; write it as {symbol}_*.csv.",
        ),
        (
            "data: {source: {format: {columns: {vol: X}}}}",
            "data.source.format.columns.vol is no column of bars; did you mean data.source.format.columns.volume?",
        ),
        (
            "data: {source: {kind: cvs}}",
            'data.source.kind must be one of csv, parquet, package, simulated, http, url, yfinance, but is "cvs".',
        ),
        (
            "data: {source: {bars: 100}}",
            "data.source.bars is not a key of this kind of source; it needs data.source.kind: simulated.",
        ),
        (
            "data: {end: 2020-01-01}\nvault: {start: 2030-01-01}",
            "vault.start 2030-01-01 is after data.end 2020-01-01.",
        ),
        (
            "data: {start: 2020-01-01}\nvault: {start: 2020-01-01}",
            "vault.start 2020-01-01 is not after data.start 2020-01-01.",
        ),
        (
            "features: {macd: [26, 12, 9]}",
            "features.macd has the fast span 26, which is not below the slow span 12.",
        ),
        ("features: {macd: [12, 26]}", "features.macd[2] is missing; features.macd needs it."),
        ("features: {sma: [10, 10]}", "features.sma names 10 twice."),
        ("features: {sma: [1]}", "features.sma[0] (bars) must be at least 2, but is 1."),
        (
            "evaluation: {sma_cross: [50, 20]}",
            "evaluation.sma_cross has the fast window 50, which is not below the slow window 20.",
        ),
        ("search: {agents: [sac]}", 'search.agents[0] must be a2c, direct, dqn or ppo, but is "sac".'),
        (
            "agents: {dqn: {prioritised: true}}",
            "agents.dqn.prioritised needs `pairs: sampled`; all pairs of a bar are learnt from as they are.",
        ),
        (
            "agents: {a2c: {dropout: 0.2}}",
            "agents.a2c.dropout must be 0 with `torso: linear`; only tanh and relu have units that it can drop.",
        ),
        (
            "agents: {dqn: {account_inputs: true, n_step: 3}}",
            "agents.dqn.account_inputs needs `pairs: all` and `n_step: 1`; set it to false, or those two.",
        ),
        ("search: {agents: [dqn, dqn]}", "search.agents names an agent twice."),
        (
            "data: {symbols: [AAPL], transfer: [AAPL]}",
            "data.transfer names AAPL, which is traded.",
        ),
        (
            "data: {symbols: [AAPL], references: [GOOG], transfer: [GOOG]}",
            "data.transfer names GOOG, which is in data.references too; features.cross may take it from here.",
        ),
        (
            "selection: {arm: enhanced}",
            "selection.arm enhanced needs other symbols to pre-train on; name some in data.transfer, or choose another "
            "arm.",
        ),
        (
            "{selection: {arm: ensemble}, agents: {ppo: {alternatives: [{account_inputs: true}]}}}",
            "selection.arm ensemble takes the mean of several policies, which hold other positions than their mean, "
            "and agents.ppo.account_inputs lets each see its account; switch it off, or choose another arm.",
        ),
        (
            "market.commission: 3",
            "market.commission is not a key; write it as nested blocks, {market: {commission: ...}}",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(repository, text, expected):
    with pytest.raises(ConfigError) as caught:
        load("mine", root=repository(experiments__mine=text))
    assert str(caught.value) == f"config/experiments/mine.yaml (experiment layer): {expected}"


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("torso: {type: categorical, choices: [tanh]}", "torso shapes the compiled program"),
        ("updates: {type: int, low: 10, high: 20}", "updates shapes the compiled program"),
        ("discount: {high: 1.5}", "discount reaches 1.5, which agents.ppo.discount does not take"),
        ("discount: {type: categorical, choices: [0.9, tanh]}", "discount reaches 'tanh', which agents.ppo.discount"),
        ("discount: {low: 2}", "discount.low 2 is above high 0.99"),
        ("discount: {low: 0, log: true}", "discount.low must be above 0 on a logarithmic scale"),
        ("discount: {choices: [0.9]}", "discount.choices needs `type: categorical`"),
        ("discount: {type: categorical}", "discount.choices must name the choices"),
        ("discount: {type: categorical, choices: [0.9], low: 0}", "discount.low has no meaning in a categorical"),
        ("entropy: {step: 0.01}", "entropy.step must be above 0, and left out where log is true"),
        ("clip: {low: 0.1}", "clip.high is missing"),
        (
            "dropout: {low: 0, high: 0.5}",
            "dropout reaches 0.5, which agents.ppo.dropout does not take: dropout must be 0",
        ),
        ("reward_scale: {type: int, low: 1.5, high: 200}", "reward_scale.low must be a whole number"),
        ("nothing: null", "nothing must be a block of keys, but is null; null takes out"),
    ],
)
def test_a_dimension_that_cannot_be_searched_is_refused(repository, dimension, expected):
    root = repository(experiments__mine=f"search: {{space: {{ppo: {{{dimension}}}}}}}")
    assert f"(experiment layer): search.space.ppo.{expected}" in sentence("mine", root=root)


def test_the_space_of_an_agent_that_is_not_searched_is_not_used_and_that_of_no_agent_refused(repository):
    text = "search: {agents: [a2c], space: {dqn: {discount: {low: 0.5}}}}"
    loaded = load("mine", root=repository(experiments__mine=text))
    assert loaded.settings.search.space["dqn"]["discount"].low == 0.5
    assert block(loaded, "search.space.a2c") == block(load("quickstart", root=ROOT), "search.space.a2c")
    found = sentence("mine", root=repository(experiments__mine="search: {agents: [a2c], space: {dqm: {}}}"))
    assert "search.space.dqm is no agent; did you mean search.space.dqn?" in found


def test_an_environment_may_set_logging_only(repository):
    root = repository(environments__development="market: {commission: 1}")
    assert sentence(root=root) == (
        "config/environments/development.yaml (environment layer): market.commission may not be set by an environment, "
        "which sets gates, logging only; set it in config/experiments/quickstart.yaml or on the command line."
    )
    root = repository(environments__development="loging: {level: info}")
    assert sentence(root=root).endswith("(environment layer): loging is not a key; did you mean logging?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folds:\n  n_folds: 3\n  n_folds: 4\n", ", line 3: the key n_folds stands here again, after line 2"),
        ("data: {}\nfolds: {}\ndata: {}\n", ", line 3: the key data stands here again, after line 1"),
        ("data: {symbols: [A}\n", ", line 1: "),
        ("data:\n\tsymbols: [A]\n", ", line 2: "),
        ("- data\n", ": must hold keys such as `data:`, but holds list."),
        ("3: 4\n", ", line 1: the key 3 must be text"),
        ("data: !!python/object/apply:os.getcwd []\n", ", line 1: could not determine a constructor"),
        ("data: !!binary aGk=\n", ", line 1: could not determine a constructor"),
        ("data: &a {source: *a}\n", " (experiment layer): blocks stand more than 20 deep"),
        ("data: \x07\n", ": not readable as YAML in UTF-8"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(repository, text, expected):
    found = sentence("mine", root=repository(experiments__mine=text))
    assert found.startswith(f"config/experiments/mine.yaml{expected}")


def test_a_file_that_is_no_utf_8_is_refused(repository):
    root = repository()
    (root / "config/experiments/mine.yaml").write_bytes(b"report: {title: \xff}")
    assert sentence("mine", root=root).startswith("config/experiments/mine.yaml: not readable as YAML in UTF-8")


def test_names_are_checked_and_the_nearest_named(tmp_path):
    assert sentence("quikstart").endswith("did you mean quickstart?")
    assert sentence("quickstart", {"experiment": "quikstart"}).endswith("did you mean quickstart?")
    assert sentence("quickstart", {"environment": "prodction"}).endswith("did you mean production?")
    assert (
        sentence("quickstart", {"experimnt": "x"}) == "command line: experimnt is not a key; did you mean experiment?"
    )
    assert sentence("../secrets").startswith('"../secrets" is no name of an experiment')
    assert "start in the repository's folder" in sentence(root=tmp_path)


def test_a_broken_command_line_says_how_to_write_it():
    word = "{source: {path: x/{symbol}.csv}}"
    assert sentence(overrides={"data": word}) == (
        f'command line: data must be a block of keys, but is "{word}"; write {{key: value}}, with quotes around a '
        "value that holds braces itself."
    )
    assert sentence(overrides={"data": {"symbols": {"A"}}}) == "command line: \"{'A'}\" is set, which no key takes."


def test_every_shipped_experiment_loads_in_every_environment():
    assert experiments(ROOT) == sorted(experiments(ROOT))
    assert {"planted_edge", "quickstart", "random_walk"} <= set(experiments(ROOT))
    for name in experiments(ROOT):
        for environment in ("development", "staging", "production"):
            settings = load(name, {"environment": environment}, ROOT).settings
            simulated = settings.data.source.kind == "simulated"
            assert simulated == (name in {"planted_edge", "random_walk"})
            assert not simulated or settings.report.title.startswith("Simulated")


def test_the_document_fits_its_schema_and_its_hash_its_settings(tmp_path):
    loaded = load("quickstart", {"vault": {"start": "2020-01-02"}}, ROOT)
    write_json(document(loaded), tmp_path / "config.json", "config")
    read = read_json(tmp_path / "config.json", "config")
    assert read["settings"]["vault"]["start"] == "2020-01-02"
    assert read["sha256"] == sha256_of(read["settings"]) == loaded.sha256
    assert loaded.sha256 != load("quickstart", {}, ROOT).sha256


def test_the_order_of_keys_in_a_file_changes_nothing(repository):
    root = repository(
        experiments__one="market: {slippage: 1, commission: 2}\nsearch: {space: {ppo: {clip: {high: 0.3, low: 0.1}}}}",
        experiments__two="search: {space: {ppo: {clip: {low: 0.1, high: 0.3}}}}\nmarket: {commission: 2, slippage: 1}",
    )
    one, two = load("one", root=root), load("two", root=root)
    assert one.sha256 == two.sha256
    assert repr(block(one, "search", "market")) == repr(block(two, "market", "search"))


def test_a_block_holds_just_the_keys_asked_for():
    loaded = load("quickstart", {"data": {"start": "2012-01-03"}}, ROOT)
    assert block(loaded, "data.start", "features.macd", "gate") == {
        "data": {"start": "2012-01-03"},
        "features": {"macd": [12, 26, 9]},
        "gate": {"level": 0.05, "block": 20, "resamples": 2000},
    }
    assert set(block(loaded, "search.space.ppo")["search"]["space"]["ppo"]) == {
        "discount",
        "entropy",
        "learning_rate",
        "weight_decay",
    }
    with pytest.raises(KeyError):
        block(loaded, "gate.levl")


def test_agent_params_hold_every_setting_of_the_agent():
    params = agent_params(load("quickstart", {"agents": {"ppo": {"updates": "8"}}}, ROOT).settings, "ppo")
    assert params["updates"] == 8
    assert set(params) == set(type(Settings().agents.ppo).model_fields)
