"""How often the whole procedure finds skill in noise; nothing that is trained or chosen depends on it."""


rule run_surrogates:
    input:
        validated="results/{experiment}/validated_bars.parquet",
        quality="results/{experiment}/quality.json",
        audit="results/{experiment}/audit_leakage.parquet",
    output:
        shard="results/{experiment}/null_control/shards/{scatteritem}.parquet",
    log:
        "results/{experiment}/logs/run_surrogates.{scatteritem}.log",
    benchmark:
        "results/{experiment}/benchmarks/run_surrogates.{scatteritem}.tsv"
    conda:
        "../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        settings=control_settings,
        user=user_code,
        code=code_of("run_surrogates", agents=control_modules),
    message:
        "Running the procedure on shard {wildcards.scatteritem} of the surrogates of {wildcards.experiment}"
    script:
        "../workflow_scripts/run_surrogates.py"


rule null_control:
    input:
        shards=surrogates_of(
            lambda wildcards: gather.surrogates(
                f"results/{wildcards.experiment}/null_control/shards/{{scatteritem}}.parquet"
            )
        ),
        matrices=surrogates_of(
            rounds_of(
                "results/{experiment}/trials/{agent}/round_{round}/matrix.parquet"
            )
        ),
        portfolios=surrogates_of(
            rounds_of(
                "results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet"
            )
        ),
        development="results/{experiment}/development.parquet",
        quality="results/{experiment}/quality.json",
    output:
        surrogates="results/{experiment}/null_control.parquet",
        shifted="results/{experiment}/null_control/shifted_targets.parquet",
        summary="results/{experiment}/null_control.json",
    log:
        "results/{experiment}/logs/null_control.log",
    benchmark:
        "results/{experiment}/benchmarks/null_control.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=config_of("market", "evaluation.resamples", "null_control"),
        code=code_of("null_control"),
    message:
        "Counting how often the procedure of {wildcards.experiment} found skill in noise"
    script:
        "../workflow_scripts/null_control.py"
