"""The package of a model, and the vault traded on paper with it. The report needs neither."""


rule package_model:
    input:
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        config="results/{experiment}/config.json",
        bars_manifest="results/{experiment}/bars.manifest.json",
        quality="results/{experiment}/quality.json",
        spec="results/{experiment}/features.spec.json",
        split="results/{experiment}/split.json",
        verdict="results/{experiment}/evaluation/verdict.json",
        features="results/{experiment}/features.parquet",
        validated="results/{experiment}/validated_bars.parquet",
        development="results/{experiment}/development.parquet",
        vault="results/{experiment}/vault.parquet",
        scalers="results/{experiment}/scalers.parquet",
        metrics="results/{experiment}/evaluation/metrics.parquet",
        audit_leakage="results/{experiment}/audit_leakage.parquet",
        audit_decisions="results/{experiment}/audit_decisions.parquet",
        lock="requirements.lock",
    output:
        # The name of the archive follows from its content, so the graph knows its folder only.
        package=directory("results/{experiment}/package"),
        document="results/{experiment}/package.json",
    log:
        "results/{experiment}/logs/package_model.log",
    benchmark:
        "results/{experiment}/benchmarks/package_model.tsv"
    conda:
        "../envs/package.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=config_of("market", "features"),
        user=user_code,
        code=code_of("package_model"),
    message:
        "Packing the model of {wildcards.experiment}"
    script:
        "../workflow_scripts/package_model.py"


rule paper_trade:
    input:
        document="results/{experiment}/package.json",
        vault="results/{experiment}/vault.parquet",
        returns="results/{experiment}/evaluation/returns.parquet",
        trades="results/{experiment}/evaluation/trades.parquet",
    output:
        ledger="results/{experiment}/paper/ledger.parquet",
        fills="results/{experiment}/paper/fills.parquet",
        paper="results/{experiment}/paper/paper.json",
    log:
        "results/{experiment}/logs/paper_trade.log",
    benchmark:
        "results/{experiment}/benchmarks/paper_trade.tsv"
    conda:
        "../envs/decide.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("paper_trade"),
    message:
        "Trading the vault of {wildcards.experiment} on paper"
    script:
        "../workflow_scripts/paper_trade.py"
