"""From raw bars to folds and their audit: nothing is trained here."""


rule merge_config:
    output:
        config="results/{experiment}/config.json",
    log:
        "results/{experiment}/logs/merge_config.log",
    benchmark:
        "results/{experiment}/benchmarks/merge_config.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        document=lambda wildcards: document(LOADED[wildcards.experiment]),
        code=code_of("merge_config"),
    message:
        "Merging the configuration of {wildcards.experiment}"
    script:
        "../workflow_scripts/merge_config.py"


rule ingest_bars:
    input:
        files=source_files,
    output:
        bars="results/{experiment}/bars.parquet",
        manifest="results/{experiment}/bars.manifest.json",
    log:
        "results/{experiment}/logs/ingest_bars.log",
    benchmark:
        "results/{experiment}/benchmarks/ingest_bars.tsv"
    conda:
        "../envs/core.yaml"
    threads: bar_threads
    resources:
        mem_mb=bar_memory,
        runtime=5,
    params:
        data=config_of(
            "data.source",
            "data.sources",
            "data.symbols",
            "data.references",
            "data.transfer",
        ),
        code=code_of("ingest_bars"),
    message:
        "Reading the bars of {wildcards.experiment}"
    script:
        "../workflow_scripts/ingest_bars.py"


rule validate_bars:
    input:
        bars="results/{experiment}/bars.parquet",
    output:
        validated="results/{experiment}/validated_bars.parquet",
        repairs="results/{experiment}/repairs.parquet",
        quality="results/{experiment}/quality.json",
    log:
        "results/{experiment}/logs/validate_bars.log",
    benchmark:
        "results/{experiment}/benchmarks/validate_bars.tsv"
    conda:
        "../envs/core.yaml"
    threads: bar_threads
    resources:
        mem_mb=bar_memory,
        runtime=5,
    params:
        settings=config_of("data", "market.fill", "validation"),
        code=code_of("validate_bars"),
    message:
        "Checking and adjusting the bars of {wildcards.experiment}"
    script:
        "../workflow_scripts/validate_bars.py"


rule build_features:
    input:
        validated="results/{experiment}/validated_bars.parquet",
    output:
        features="results/{experiment}/features.parquet",
        spec="results/{experiment}/features.spec.json",
    log:
        "results/{experiment}/logs/build_features.log",
    benchmark:
        "results/{experiment}/benchmarks/build_features.tsv"
    conda:
        "../envs/core.yaml"
    threads: bar_threads
    resources:
        mem_mb=bar_memory,
        runtime=5,
    params:
        settings=config_of("features", "data.references", "data.transfer"),
        user=user_code,
        code=code_of("build_features"),
    message:
        "Building the features of {wildcards.experiment}"
    script:
        "../workflow_scripts/build_features.py"


rule split_vault:
    input:
        features="results/{experiment}/features.parquet",
        spec="results/{experiment}/features.spec.json",
    output:
        development="results/{experiment}/development.parquet",
        vault="results/{experiment}/vault.parquet",
        split="results/{experiment}/split.json",
    log:
        "results/{experiment}/logs/split_vault.log",
    benchmark:
        "results/{experiment}/benchmarks/split_vault.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=config_of("vault"),
        code=code_of("split_vault"),
    message:
        "Locking the last span of {wildcards.experiment} away"
    script:
        "../workflow_scripts/split_vault.py"


rule make_folds:
    input:
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
    output:
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
        table="results/{experiment}/fold_table.csv",
        chart="results/{experiment}/fold_chart.svg",
    log:
        "results/{experiment}/logs/make_folds.log",
    benchmark:
        "results/{experiment}/benchmarks/make_folds.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=config_of("folds"),
        code=code_of("make_folds"),
    message:
        "Dividing the development span of {wildcards.experiment} into folds"
    script:
        "../workflow_scripts/make_folds.py"


rule audit_leakage:
    input:
        validated="results/{experiment}/validated_bars.parquet",
        features="results/{experiment}/features.parquet",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
        quality="results/{experiment}/quality.json",
    output:
        audit="results/{experiment}/audit_leakage.parquet",
    log:
        "results/{experiment}/logs/audit_leakage.log",
    benchmark:
        "results/{experiment}/benchmarks/audit_leakage.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=config_of(
            "features", "vault", "folds", "market", "data.references", "data.transfer"
        ),
        user=user_code,
        code=code_of("audit_leakage"),
    message:
        "Replacing the future of {wildcards.experiment} to see whether the past changes"
    script:
        "../workflow_scripts/audit_leakage.py"
