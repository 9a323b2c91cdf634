"""What the rules share: settings of an experiment, the hash of the code that is run, and one run at a time."""

import os
import sys
from pathlib import Path

from outsample.config.layers import block, document, experiments, load
from outsample.config.selection import RECIPES, arms_of
from outsample.data.paths import input_files
from outsample.errors import OutsampleError
from outsample.io.code import code_hash
from outsample.io.locking import hold_folder, writable_folder
from outsample.io.script import worth_retrying
from outsample.io.user_code import user_code_hash
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

ROOT = Path(workflow.basedir)


def load_experiments():
    """Every experiment, each checked, so that a wrong key anywhere stops the run before its first job."""
    chosen = config.get("experiment", "quickstart")
    return chosen, {
        name: load(name, config, ROOT) for name in sorted({*experiments(ROOT), chosen})
    }


try:
    EXPERIMENT, LOADED = load_experiments()
except OutsampleError as error:
    sys.exit(f"{type(error).__name__}: {error}")

EXPERIMENTS = list(LOADED)


def check_warm_starts():
    """Stop where experiments start from each other: each would wait for the others."""
    for name in LOADED:
        chain, other = [name], LOADED[name].settings.search.warm_start
        while other in LOADED and other not in chain:
            chain.append(other)
            other = LOADED[other].settings.search.warm_start
        if other == name and len(chain) > 1:
            sys.exit(
                f"search.warm_start goes in a circle ({' from '.join([*chain, name])}): leave it out of one of them."
            )


check_warm_starts()


onstart:
    if workflow.is_main_process:
        try:
            RUN_LOCK.append(hold_folder(Path(".outsample.lock")))
            writable_folder(Path("results"))
        except OutsampleError as error:
            sys.exit(str(error))


def keep_from_retrying(record):
    """Logging filter that drops nothing: a job that would fail again takes its rule's retries away.

    Snakemake knows one number of retries for every kind of failure. It logs a failed job before it looks at that number.
    """
    if getattr(record, "event", None) == LogEvent.JOB_ERROR:
        if not all(worth_retrying(log) for log in record.log):
            workflow.get_rule(record.rule_name).restart_times = 0
    return True


logger.addFilter(keep_from_retrying)
RUN_LOCK = []  # the handle lives as long as this process, and the lock with it
# One thread a process: numerical libraries read these when they are first imported, in each job.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
os.environ |= {"OUTSAMPLE_LOG_LEVEL": LOADED[EXPERIMENT].settings.logging.level}


def settings_of(wildcards):
    return LOADED[wildcards.experiment].settings


def config_of(*keys):
    """Params function: just these dotted keys of the experiment's settings, so that no other key reruns the rule."""
    return lambda wildcards: block(LOADED[wildcards.experiment], *keys)


def agent_modules(wildcards):
    agents = (
        [wildcards.agent]
        if "agent" in dict(wildcards.items())
        else settings_of(wildcards).search.agents
    )
    return [f"outsample.agents.{agent}" for agent in agents]


def control_modules(wildcards):
    """Agents that the null control trains."""
    own = settings_of(wildcards).null_control.search
    return agent_modules(wildcards) if own else ["outsample.agents.direct"]


def code_of(rule, agents=False, files=()):
    """Params function: hash of the code that the rule's script runs, with its agent's module where it trains one.

    `agents` may be a function of the wildcards that names the modules.
    """

    def hash_of(wildcards):
        paths = [ROOT / f for f in files]
        own = agents if callable(agents) else agent_modules
        modules = own(wildcards) if agents else ()
        return code_hash(
            ROOT / "workflow_scripts" / f"{rule}.py",
            modules,
            paths,
        )

    return hash_of


def user_code(wildcards):
    """Params function: hash of the user's file of features, so that a change of it reruns the rule."""
    return user_code_hash(settings_of(wildcards).features)


def weights_of(arm):
    """The keys of the weights of an arm."""
    weighed = arm in RECIPES and RECIPES[arm].score.startswith("multi_metric")
    return ["selection.multi_metric"] if weighed else []


def pretrained_on(pattern):
    """Input function: this file where the arm of the experiment starts from pre-trained weights, else none."""
    return lambda wildcards: (
        expand(pattern, experiment=wildcards.experiment)
        if RECIPES[settings_of(wildcards).selection.arm].transfer
        else []
    )


def final_settings(wildcards):
    """What the final training reads: the configured agents only where it pre-trains them."""
    transfer = RECIPES[settings_of(wildcards).selection.arm].transfer
    agents = [f"agents.{agent}" for agent in settings_of(wildcards).search.agents]
    return config_of("market", "gate", "final", *(agents if transfer else []))(
        wildcards
    )


def size_of(wildcards):
    """How many trials an arm takes the mean of; another size must not rerun an arm that takes the best alone."""
    ensemble = settings_of(wildcards).selection.ensemble
    return ensemble.size if RECIPES[wildcards.arm].ensemble else 1


def selections(wildcards):
    """The selection of every arm that the experiment can have."""
    return expand(
        "results/{experiment}/selection/{arm}.json",
        experiment=wildcards.experiment,
        arm=arms_of(settings_of(wildcards).data.transfer),
    )


def rounds_of(pattern):
    """Input function: the pattern for every agent, every round of the search, and the trials of pre-trained weights."""

    def files(wildcards):
        search = settings_of(wildcards).search
        transfer = ["transfer"] if settings_of(wildcards).data.transfer else []
        return expand(
            pattern,
            experiment=wildcards.experiment,
            agent=search.agents,
            round=[*range(search.rounds), *transfer],
        )

    return files


def levels_of(wildcards):
    """Rungs of a round; trials of pre-trained weights are trained in one go."""
    transfer = wildcards.round == "transfer"
    return 1 if transfer else settings_of(wildcards).search.rungs.levels


def rungs_run(search):
    """Numbers of the rungs that write who goes on: all but the last one, none where there is but one."""
    return range(search.rungs.levels - 1)


def rungs_of(rounds=None):
    """Input function: which trials went on from each rung, of every agent and round, or of those before this one."""

    def files(wildcards):
        search = settings_of(wildcards).search
        return expand(
            "results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/rung.parquet",
            experiment=wildcards.experiment,
            agent=search.agents if rounds is None else wildcards.agent,
            round=range(search.rounds if rounds is None else rounds(wildcards)),
            rung=rungs_run(search),
        )

    return files


def shards_of(name):
    """Input function: the file of this name of every shard of a round; with rungs, of all of them, one after another."""

    def files(wildcards):
        levels = levels_of(wildcards)
        return [
            f"{round_folder(wildcards)}/{f'rung_{rung}/' if levels > 1 else ''}shards/{item}.{name}"
            for rung in range(levels)
            for item in gather.trials("{scatteritem}")
        ]

    return files


def rung_shards(name, back=0):
    """Input function: the file of this name of every shard of this rung, or of one that is so far back."""
    return lambda wildcards: [
        f"{round_folder(wildcards)}/rung_{rung}/shards/{item}.{name}"
        for rung in [int(wildcards.rung) - back]
        if rung >= 0
        for item in gather.trials("{scatteritem}")
    ]


def rungs_before(wildcards):
    """Input function: which trials went on from each rung before this one."""
    return [
        f"{round_folder(wildcards)}/rung_{rung}/rung.parquet"
        for rung in range(int(wildcards.rung))
    ]


def round_folder(wildcards):
    return f"results/{wildcards.experiment}/trials/{wildcards.agent}/round_{wildcards.round}"


def warm_experiment(wildcards):
    """The experiment whose trials the search is told before its first one; empty is none."""
    other = settings_of(wildcards).search.warm_start
    return "" if other == wildcards.experiment else other  # which the script refuses


def warm_chain(wildcards):
    """That experiment, the one from which it was started itself, and so on."""
    chain, name = [], warm_experiment(wildcards)
    while name and name not in (*chain, wildcards.experiment):
        chain.append(name)
        name = LOADED[name].settings.search.warm_start if name in LOADED else ""
    return chain


def warm_files(
    name,
    agent=None,
    chain=lambda wildcards: [warm_experiment(wildcards)],
    rounds="[0-9]*",
):
    """Input function: the files of this name that an earlier study has left; its absence is the script's to tell."""

    def files(wildcards):
        return [
            str(path)
            for other in chain(wildcards)
            if other
            for path in sorted(
                Path(f"results/{other}/trials").glob(
                    f"{agent or wildcards.agent}/round_{rounds}/{name}"
                )
            )
            if still_made(other, path)
        ]

    return files


def still_made(other, path):
    """Whether the settings of an experiment still ask for a file below its trials: another search may have left it."""
    if other not in LOADED:
        return True
    search = LOADED[other].settings.search
    asked = {
        "round": [*map(str, range(search.rounds)), "transfer"],
        "rung": map(str, rungs_run(search)),
    }
    numbered = [part.partition("_") for part in path.parts[:-1]]
    return all(number in asked[kind] for kind, _, number in numbered if kind in asked)


def warm_splits(wildcards):
    """Input function: up to which date the earlier study, and those that led to it, have looked."""
    return [
        f"results/{other}/split.json"
        for other in warm_chain(wildcards)
        if other in LOADED or warm_config(wildcards)
    ]


def warm_config(wildcards):
    """Input function: the settings of the earlier study, where it has left any trial."""
    return [
        f"results/{other}/config.json"
        for other in [warm_experiment(wildcards)]
        if warm_files("scores.parquet")(wildcards)
    ]


def only_where(asked, pattern):
    """Input function: this file, or none where the settings do not ask for it."""
    return lambda wildcards: (
        expand(pattern, experiment=wildcards.experiment)
        if asked(settings_of(wildcards))
        else []
    )


def code_shown(wildcards, always):
    """The rules whose code made what a report shows: those that always do, and those that were asked for."""
    settings = settings_of(wildcards)
    search = settings.search
    more = {
        "prepare_transfer": (settings.data.transfer, False),
        "suggest_transfer": (settings.data.transfer, False),
        "run_transfer": (settings.data.transfer, True),
        "run_rung": (search.rungs.levels > 1, True),
        "score_rung": (search.rungs.levels > 1, False),
        "find_pareto_front": (search.objective == "pareto", False),
        "run_perturbed": (settings.robustness.hyper_parameters, True),
    }
    return always | {rule: agents for rule, (run, agents) in more.items() if run}


def experiments_run():
    """Experiments with a verdict on disk; one that was never run is not run for the page that compares them."""
    return [
        name
        for name in EXPERIMENTS
        if Path(f"results/{name}/evaluation/verdict.json").is_file()
    ]


def check_shards(shards):
    """Stop when the profile asks for more shards than a round has lanes."""
    settings = LOADED[EXPERIMENT].settings
    lanes = (
        settings.search.trials_per_round * settings.folds.splits * settings.search.seeds
    )
    starts = settings.folds.splits * settings.search.seeds
    if settings.data.transfer and shards > starts:
        sys.exit(
            f"The profile asks for {shards} shards (set-scatter: trials), but {EXPERIMENT} has only {starts} "
            f"pre-trainings (folds x seeds); set trials={starts} or less."
        )
    if shards > lanes:
        sys.exit(
            f"The profile asks for {shards} shards (set-scatter: trials), but a round of {EXPERIMENT} has only {lanes} "
            f"lanes (trials x folds x seeds); set trials={lanes} or less."
        )


def source_files(wildcards):
    """The files of the sources that exist; ingest_bars says which one is missing."""
    data = settings_of(wildcards).data
    return input_files(data, data.read_symbols)


def megabytes(wildcards):
    """Size of each file of bars; simulated bars as if they were written out at 60 bytes a bar."""
    source = settings_of(wildcards).data.source
    simulated = [source.bars * 60 / 1e6] if source.kind == "simulated" else []
    return [
        Path(path).stat().st_size / 1e6 for path in source_files(wildcards)
    ] + simulated


def bar_threads(wildcards):
    """Two threads where reading or computing a symbol beside writing another pays."""
    return 2 if sum(megabytes(wildcards)) > 50 else 1


def bar_memory(wildcards):
    """Megabytes of a job that has two symbols at a time in memory."""
    return max(1000, round(500 + 20 * max(megabytes(wildcards), default=0)))


def earlier(name):
    """Input function: the file of this name of every round before this one."""
    return lambda wildcards: expand(
        f"results/{{experiment}}/trials/{{agent}}/round_{{round}}/{name}",
        experiment=wildcards.experiment,
        agent=wildcards.agent,
        round=range(int(wildcards.round)),
    )


CONTROLLED = (
    *("market", "features", "vault", "folds", "gate", "evaluation"),
    *("null_control", "agents.direct"),
    *("data.symbols", "data.references", "data.transfer"),
)


def control_settings(wildcards):
    """What the control reads: the search, the agents, the final seeds and how the arms weigh only where each surrogate
    gets them all. Else each has one trial, so that no weight changes the choice."""
    own = settings_of(wildcards).null_control.search
    more = ("agents", "search", "final", "selection") if own else ("selection.arm",)
    return config_of(*CONTROLLED, *more)(wildcards)


def surrogates_of(files):
    """Input function: these files, or none where the experiment has no surrogates."""
    return lambda wildcards: (
        files(wildcards) if settings_of(wildcards).null_control.surrogates else []
    )
