"""The vault is opened here, once, after the decisions have been audited; what drives and what came of them is described."""


rule audit_decisions:
    input:
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        development="results/{experiment}/development.parquet",
        validated="results/{experiment}/validated_bars.parquet",
        split="results/{experiment}/split.json",
    output:
        audit="results/{experiment}/audit_decisions.parquet",
    log:
        "results/{experiment}/logs/audit_decisions.log",
    benchmark:
        "results/{experiment}/benchmarks/audit_decisions.tsv"
    conda:
        "../envs/decide.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=config_of("features"),
        user=user_code,
        code=code_of("audit_decisions"),
    message:
        "Replacing the future of {wildcards.experiment} to see whether decisions change"
    script:
        "../workflow_scripts/audit_decisions.py"


rule run_perturbed:
    input:
        selection=lambda wildcards: (
            f"results/{wildcards.experiment}/selection/{settings_of(wildcards).selection.arm}.json"
        ),
        portfolios=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet"
        ),
        development="results/{experiment}/development.parquet",
        spec="results/{experiment}/features.spec.json",
        quality="results/{experiment}/quality.json",
        folds="results/{experiment}/folds.parquet",
        scalers="results/{experiment}/scalers.parquet",
    output:
        table="results/{experiment}/evaluation/perturbed.parquet",
    log:
        "results/{experiment}/logs/run_perturbed.log",
    benchmark:
        "results/{experiment}/benchmarks/run_perturbed.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=120,
    params:
        settings=config_of("market", "gate", "search.seeds", "search.space"),
        code=code_of("run_perturbed", agents=True),
    message:
        "Training the chosen settings of {wildcards.experiment} with each number 10 % lower and higher"
    script:
        "../workflow_scripts/run_perturbed.py"


rule evaluate:
    input:
        audit="results/{experiment}/audit_decisions.parquet",
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        seeds="results/{experiment}/policy/seeds",
        vault="results/{experiment}/vault.parquet",
        split="results/{experiment}/split.json",
        quality="results/{experiment}/quality.json",
        portfolios=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        # Trials looked at before this search: they count where luck among many is judged.
        warm_suggestions=warm_files("suggestions.json", "*", warm_chain, "*"),
    output:
        returns="results/{experiment}/evaluation/returns.parquet",
        metrics="results/{experiment}/evaluation/metrics.parquet",
        trades="results/{experiment}/evaluation/trades.parquet",
        random_agents="results/{experiment}/evaluation/random_agents.parquet",
        seeds_table="results/{experiment}/evaluation/seeds.parquet",
        robustness_table="results/{experiment}/evaluation/robustness.parquet",
        verdict="results/{experiment}/evaluation/verdict.json",
        looks="results/{experiment}/evaluation/looks.json",
    log:
        "results/{experiment}/logs/evaluate.log",
    benchmark:
        "results/{experiment}/benchmarks/evaluate.tsv"
    conda:
        "../envs/decide.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=config_of("market", "evaluation", "robustness.crash"),
        ledger="vault_ledger.jsonl",
        code=code_of("evaluate"),
    message:
        "Opening the vault of {wildcards.experiment}"
    script:
        "../workflow_scripts/evaluate.py"


rule explain_policy:
    input:
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        development="results/{experiment}/development.parquet",
        quality="results/{experiment}/quality.json",
    output:
        table="results/{experiment}/explanation/explanation.parquet",
        document="results/{experiment}/explanation/explained.json",
    log:
        "results/{experiment}/logs/explain_policy.log",
    benchmark:
        "results/{experiment}/benchmarks/explain_policy.tsv"
    conda:
        "../envs/decide.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=config_of("market"),
        code=code_of("explain_policy"),
    message:
        "Shuffling each feature of {wildcards.experiment} to see which decisions change"
    script:
        "../workflow_scripts/explain_policy.py"


rule describe_performance:
    input:
        returns="results/{experiment}/evaluation/returns.parquet",
        quality="results/{experiment}/quality.json",
    output:
        rolling="results/{experiment}/performance/rolling.parquet",
        months="results/{experiment}/performance/months.parquet",
        histogram="results/{experiment}/performance/histogram.parquet",
        quantiles="results/{experiment}/performance/quantiles.parquet",
        drawdowns="results/{experiment}/performance/drawdowns.parquet",
        actions="results/{experiment}/performance/actions.parquet",
        equity=report(
            "results/{experiment}/equity.csv",
            caption="../reports/captions/equity.rst",
            category="{experiment}",
            labels={"result": "equity on the vault"},
        ),
    log:
        "results/{experiment}/logs/describe_performance.log",
    benchmark:
        "results/{experiment}/benchmarks/describe_performance.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=config_of("market.risk_free_rate", "evaluation.confidence"),
        code=code_of("describe_performance"),
    message:
        "Describing the returns of {wildcards.experiment} on the vault"
    script:
        "../workflow_scripts/describe_performance.py"
