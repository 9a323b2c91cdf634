"""Trials that start from weights pre-trained on other symbols; only where data.transfer names some."""


rule prepare_transfer:
    input:
        validated="results/{experiment}/validated_bars.parquet",
        development="results/{experiment}/development.parquet",
        split="results/{experiment}/split.json",
    output:
        rows="results/{experiment}/transfer/development.parquet",
        folds="results/{experiment}/transfer/folds.parquet",
    log:
        "results/{experiment}/logs/prepare_transfer.log",
    benchmark:
        "results/{experiment}/benchmarks/prepare_transfer.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=config_of(
            "features",
            "folds",
            "data.symbols",
            "data.references",
            "data.transfer",
        ),
        user=user_code,
        code=code_of("prepare_transfer"),
    message:
        "Preparing the symbols on which {wildcards.experiment} pre-trains"
    script:
        "../workflow_scripts/prepare_transfer.py"


rule suggest_transfer:
    input:
        first="results/{experiment}/trials/{agent}/round_0/suggestions.json",
    output:
        suggestions="results/{experiment}/trials/{agent}/round_transfer/suggestions.json",
    log:
        "results/{experiment}/logs/suggest_transfer.{agent}.log",
    benchmark:
        "results/{experiment}/benchmarks/suggest_transfer.{agent}.tsv"
    conda:
        "../envs/search.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        rounds=lambda wildcards: settings_of(wildcards).search.rounds,
        code=code_of("suggest_transfer"),
    message:
        "Taking the first trials of {wildcards.agent} in {wildcards.experiment} again, for pre-trained weights"
    script:
        "../workflow_scripts/suggest_transfer.py"


rule run_transfer:
    input:
        suggestions="results/{experiment}/trials/{agent}/round_transfer/suggestions.json",
        audit="results/{experiment}/audit_leakage.parquet",
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
        quality="results/{experiment}/quality.json",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
        transfer_rows="results/{experiment}/transfer/development.parquet",
        transfer_folds="results/{experiment}/transfer/folds.parquet",
    output:
        targets="results/{experiment}/trials/{agent}/round_transfer/shards/{scatteritem}.targets.parquet",
        lanes="results/{experiment}/trials/{agent}/round_transfer/shards/{scatteritem}.lanes.parquet",
        curves="results/{experiment}/trials/{agent}/round_transfer/shards/{scatteritem}.curves.parquet",
    log:
        "results/{experiment}/logs/run_transfer.{agent}.{scatteritem}.log",
    benchmark:
        "results/{experiment}/benchmarks/run_transfer.{agent}.{scatteritem}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        settings=lambda wildcards: block(
            LOADED[wildcards.experiment],
            f"agents.{wildcards.agent}",
            *("market", "gate", "search.seeds"),
        ),
        code=code_of("run_transfer", agents=True),
    message:
        "Training shard {wildcards.scatteritem} of {wildcards.agent} in {wildcards.experiment} from pre-trained weights"
    script:
        "../workflow_scripts/run_transfer.py"
