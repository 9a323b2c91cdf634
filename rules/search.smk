"""The trials: what is tried, trained and accounted, round by round and rung by rung."""


rule suggest_trials:
    input:
        audit="results/{experiment}/audit_leakage.parquet",
        earlier_suggestions=earlier("suggestions.json"),
        earlier_scores=earlier("scores.parquet"),
        earlier_rungs=rungs_of(rounds=lambda wildcards: int(wildcards.round)),
        split="results/{experiment}/split.json",
        warm_config=warm_config,
        warm_splits=warm_splits,
        warm_suggestions=warm_files("suggestions.json"),
        warm_scores=warm_files("scores.parquet"),
        warm_rungs=warm_files("rung_*/rung.parquet"),
    output:
        suggestions="results/{experiment}/trials/{agent}/round_{round}/suggestions.json",
    log:
        "results/{experiment}/logs/suggest_trials.{agent}.{round}.log",
    benchmark:
        "results/{experiment}/benchmarks/suggest_trials.{agent}.{round}.tsv"
    wildcard_constraints:
        round="[0-9]+",
    conda:
        "../envs/search.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=lambda wildcards: block(
            LOADED[wildcards.experiment],
            f"agents.{wildcards.agent}",
            f"search.space.{wildcards.agent}",
            "search.sampler",
            "search.trials_per_round",
            "search.seed",
            "search.objective",
            "search.max_failed",
            "search.warm_start",
            # Weights that the sampler does not maximise must not redo the search.
            *weights_of(settings_of(wildcards).search.objective),
        ),
        code=code_of("suggest_trials", agents=True),
    message:
        "Suggesting the trials of round {wildcards.round} of {wildcards.agent} in {wildcards.experiment}"
    script:
        "../workflow_scripts/suggest_trials.py"


rule run_trials:
    input:
        suggestions="results/{experiment}/trials/{agent}/round_{round}/suggestions.json",
        audit="results/{experiment}/audit_leakage.parquet",
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
        quality="results/{experiment}/quality.json",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
    output:
        targets="results/{experiment}/trials/{agent}/round_{round}/shards/{scatteritem}.targets.parquet",
        lanes="results/{experiment}/trials/{agent}/round_{round}/shards/{scatteritem}.lanes.parquet",
        curves="results/{experiment}/trials/{agent}/round_{round}/shards/{scatteritem}.curves.parquet",
    log:
        "results/{experiment}/logs/run_trials.{agent}.{round}.{scatteritem}.log",
    benchmark:
        "results/{experiment}/benchmarks/run_trials.{agent}.{round}.{scatteritem}.tsv"
    wildcard_constraints:
        round="[0-9]+",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        settings=config_of("market", "gate", "search.seeds"),
        code=code_of("run_trials", agents=True),
    message:
        "Training shard {wildcards.scatteritem} of round {wildcards.round} of {wildcards.agent} in {wildcards.experiment}"
    script:
        "../workflow_scripts/run_trials.py"


rule run_rung:
    input:
        suggestions="results/{experiment}/trials/{agent}/round_{round}/suggestions.json",
        rung_before=rungs_before,
        states_before=rung_shards("states.npz", back=1),
        audit="results/{experiment}/audit_leakage.parquet",
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
        quality="results/{experiment}/quality.json",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
    output:
        targets="results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/shards/{scatteritem}.targets.parquet",
        lanes="results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/shards/{scatteritem}.lanes.parquet",
        curves="results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/shards/{scatteritem}.curves.parquet",
        # Every array of the training; of no use when the next rung has been trained.
        states=temp(
            "results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/shards/{scatteritem}.states.npz"
        ),
    log:
        "results/{experiment}/logs/run_rung.{agent}.{round}.{rung}.{scatteritem}.log",
    benchmark:
        "results/{experiment}/benchmarks/run_rung.{agent}.{round}.{rung}.{scatteritem}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        settings=config_of("market", "gate", "search.seeds", "search.rungs"),
        code=code_of("run_rung", agents=True),
    message:
        "Training shard {wildcards.scatteritem} of rung {wildcards.rung} of round {wildcards.round} of {wildcards.agent} in {wildcards.experiment}"
    script:
        "../workflow_scripts/run_rung.py"


rule score_rung:
    input:
        suggestions="results/{experiment}/trials/{agent}/round_{round}/suggestions.json",
        development="results/{experiment}/development.parquet",
        quality="results/{experiment}/quality.json",
        targets=rung_shards("targets.parquet"),
        lanes_shards=rung_shards("lanes.parquet"),
        curves_shards=rung_shards("curves.parquet"),
    output:
        table="results/{experiment}/trials/{agent}/round_{round}/rung_{rung}/rung.parquet",
    log:
        "results/{experiment}/logs/score_rung.{agent}.{round}.{rung}.log",
    benchmark:
        "results/{experiment}/benchmarks/score_rung.{agent}.{round}.{rung}.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=lambda wildcards: block(
            LOADED[wildcards.experiment],
            "market",
            "search.objective",
            "search.rungs.reduction_factor",
            *weights_of(settings_of(wildcards).search.objective),
        ),
        code=code_of("score_rung"),
    message:
        "Scoring rung {wildcards.rung} of round {wildcards.round} of {wildcards.agent} in {wildcards.experiment}"
    script:
        "../workflow_scripts/score_rung.py"


rule account_trials:
    input:
        development="results/{experiment}/development.parquet",
        quality="results/{experiment}/quality.json",
        targets=shards_of("targets.parquet"),
        lanes_shards=shards_of("lanes.parquet"),
        curves_shards=shards_of("curves.parquet"),
    output:
        matrix="results/{experiment}/trials/{agent}/round_{round}/matrix.parquet",
        portfolios="results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet",
        scores="results/{experiment}/trials/{agent}/round_{round}/scores.parquet",
        lanes="results/{experiment}/trials/{agent}/round_{round}/lanes.parquet",
        curves="results/{experiment}/trials/{agent}/round_{round}/curves.parquet",
    log:
        "results/{experiment}/logs/account_trials.{agent}.{round}.log",
    benchmark:
        "results/{experiment}/benchmarks/account_trials.{agent}.{round}.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=config_of("market"),
        levels=levels_of,
        code=code_of("account_trials"),
    message:
        "Accounting the trials of round {wildcards.round} of {wildcards.agent} in {wildcards.experiment}"
    script:
        "../workflow_scripts/account_trials.py"


rule describe_search:
    input:
        suggestions=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/suggestions.json"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        rungs=rungs_of(),
        selection=lambda wildcards: (
            f"results/{wildcards.experiment}/selection/{settings_of(wildcards).selection.arm}.json"
        ),
    output:
        history="results/{experiment}/search/history.parquet",
        importance="results/{experiment}/search/importance.parquet",
    log:
        "results/{experiment}/logs/describe_search.log",
    benchmark:
        "results/{experiment}/benchmarks/describe_search.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("describe_search"),
    message:
        "Describing the search of {wildcards.experiment}"
    script:
        "../workflow_scripts/describe_search.py"


rule find_pareto_front:
    input:
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        rungs=rungs_of(),
    output:
        pareto="results/{experiment}/selection/pareto.parquet",
    log:
        "results/{experiment}/logs/find_pareto_front.log",
    benchmark:
        "results/{experiment}/benchmarks/find_pareto_front.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("find_pareto_front"),
    message:
        "Finding the trials of {wildcards.experiment} that none beats in both return and drawdown"
    script:
        "../workflow_scripts/find_pareto_front.py"
