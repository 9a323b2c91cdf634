"""The vault is opened here, once, after the decisions have been audited."""


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


rule evaluate:
    input:
        audit="results/{experiment}/audit_decisions.parquet",
        onnx="results/{experiment}/policy/policy.onnx",
        policy="results/{experiment}/policy/policy.json",
        vault="results/{experiment}/vault.parquet",
        split="results/{experiment}/split.json",
        quality="results/{experiment}/quality.json",
        portfolios=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/portfolios.parquet"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
    output:
        returns="results/{experiment}/evaluation/returns.parquet",
        metrics="results/{experiment}/evaluation/metrics.parquet",
        trades="results/{experiment}/evaluation/trades.parquet",
        random_agents="results/{experiment}/evaluation/random_agents.parquet",
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
        settings=config_of("market", "evaluation"),
        ledger="vault_ledger.jsonl",
        code=code_of("evaluate"),
    message:
        "Opening the vault of {wildcards.experiment}"
    script:
        "../workflow_scripts/evaluate.py"
