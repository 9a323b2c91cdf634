"""From the trial matrix to the final policy: the arms' choices, their comparison, the last training."""


rule select_strategy:
    input:
        suggestions=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/suggestions.json"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        rungs=rungs_of(),
    output:
        selection="results/{experiment}/selection/{arm}.json",
    log:
        "results/{experiment}/logs/select_strategy.{arm}.log",
    benchmark:
        "results/{experiment}/benchmarks/select_strategy.{arm}.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        # Another arm's weights must not rerun this one.
        weights=lambda wildcards: block(
            LOADED[wildcards.experiment], *weights_of(wildcards.arm)
        ),
        size=size_of,
        max_failed=lambda wildcards: settings_of(wildcards).search.max_failed,
        code=code_of("select_strategy"),
    message:
        "Choosing a strategy of {wildcards.experiment} by {wildcards.arm}"
    script:
        "../workflow_scripts/select_strategy.py"


rule compare_approaches:
    input:
        suggestions=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/suggestions.json"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        portfolios=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet"
        ),
        rungs=rungs_of(),
        matrices=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/matrix.parquet"
        ),
        development="results/{experiment}/development.parquet",
        quality="results/{experiment}/quality.json",
    output:
        table="results/{experiment}/approach_comparison.parquet",
        csv=report(
            "results/{experiment}/approach_comparison.csv",
            caption="../reports/captions/approaches.rst",
            category="{experiment}",
            labels={"result": "ways to choose, compared"},
        ),
        fold_metrics="results/{experiment}/fold_metrics.parquet",
        paths="results/{experiment}/paths.parquet",
    log:
        "results/{experiment}/logs/compare_approaches.log",
    benchmark:
        "results/{experiment}/benchmarks/compare_approaches.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=config_of(
            "market",
            "selection.multi_metric",
            "selection.ensemble",
            "evaluation",
            "folds.scheme",
            "search.warm_start",
        ),
        code=code_of("compare_approaches"),
    message:
        "Comparing the ways to choose a trial of {wildcards.experiment}"
    script:
        "../workflow_scripts/compare_approaches.py"


rule train_final:
    input:
        selection=lambda wildcards: (
            f"results/{wildcards.experiment}/selection/{settings_of(wildcards).selection.arm}.json"
        ),
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
        quality="results/{experiment}/quality.json",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
        transfer_rows=pretrained_on("results/{experiment}/transfer/development.parquet"),
        transfer_folds=pretrained_on("results/{experiment}/transfer/folds.parquet"),
    output:
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        manifest="results/{experiment}/policy/orbax.manifest.json",
        folder=directory("results/{experiment}/policy/orbax"),
        seeds=directory("results/{experiment}/policy/seeds"),
    log:
        "results/{experiment}/logs/train_final.log",
    benchmark:
        "results/{experiment}/benchmarks/train_final.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        settings=final_settings,
        code=code_of("train_final", agents=True),
    message:
        "Training the final policy of {wildcards.experiment}"
    script:
        "../workflow_scripts/train_final.py"
