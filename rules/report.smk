"""Pages made of tables: nothing is computed here that a table does not hold."""

REPORT_FILES = [
    "reports/report.ipynb",
    *sorted(
        str(p.relative_to(ROOT))
        for p in (ROOT / "workflow_scripts/outsample/report/assets").iterdir()
        if p.name != "images.js"
    ),
]
# Rules whose code made what the report shows, with whether an agent's module belongs to it, or which do.
CODE_SHOWN = {
    "ingest_bars": False,
    "validate_bars": False,
    "build_features": False,
    "split_vault": False,
    "make_folds": False,
    "audit_leakage": False,
    "suggest_trials": True,
    "run_trials": True,
    "account_trials": False,
    "select_strategy": False,
    "compare_approaches": False,
    "train_final": True,
    "audit_decisions": False,
    "evaluate": False,
    "describe_search": False,
    "explain_policy": False,
    "describe_performance": False,
    "run_surrogates": control_modules,
    "null_control": False,
}


rule build_report:
    input:
        notebook="reports/report.ipynb",
        lock="requirements.lock",
        config="results/{experiment}/config.json",
        bars_manifest="results/{experiment}/bars.manifest.json",
        quality="results/{experiment}/quality.json",
        feature_spec="results/{experiment}/features.spec.json",
        split="results/{experiment}/split.json",
        folds="results/{experiment}/folds.parquet",
        audit_leakage="results/{experiment}/audit_leakage.parquet",
        audit_decisions="results/{experiment}/audit_decisions.parquet",
        suggestions=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/suggestions.json"
        ),
        lanes=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/lanes.parquet"
        ),
        curves=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/curves.parquet"
        ),
        scores=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/scores.parquet"
        ),
        rungs=rungs_of(),
        selections=selections,
        pareto=only_where(
            lambda settings: settings.search.objective == "pareto",
            "results/{experiment}/selection/pareto.parquet",
        ),
        comparison="results/{experiment}/approach_comparison.parquet",
        fold_metrics="results/{experiment}/fold_metrics.parquet",
        paths="results/{experiment}/paths.parquet",
        policy="results/{experiment}/policy/policy.json",
        policy_manifest="results/{experiment}/policy/orbax.manifest.json",
        returns="results/{experiment}/evaluation/returns.parquet",
        metrics="results/{experiment}/evaluation/metrics.parquet",
        trades="results/{experiment}/evaluation/trades.parquet",
        random_agents="results/{experiment}/evaluation/random_agents.parquet",
        seeds="results/{experiment}/evaluation/seeds.parquet",
        robustness="results/{experiment}/evaluation/robustness.parquet",
        perturbed=only_where(
            lambda settings: settings.robustness.hyper_parameters,
            "results/{experiment}/evaluation/perturbed.parquet",
        ),
        looks="results/{experiment}/evaluation/looks.json",
        verdict="results/{experiment}/evaluation/verdict.json",
        null_control="results/{experiment}/null_control.json",
        search_history="results/{experiment}/search/history.parquet",
        parameter_importance="results/{experiment}/search/importance.parquet",
        explanation="results/{experiment}/explanation/explanation.parquet",
        explained="results/{experiment}/explanation/explained.json",
        rolling="results/{experiment}/performance/rolling.parquet",
        months="results/{experiment}/performance/months.parquet",
        histogram="results/{experiment}/performance/histogram.parquet",
        quantiles="results/{experiment}/performance/quantiles.parquet",
        drawdowns="results/{experiment}/performance/drawdowns.parquet",
        actions="results/{experiment}/performance/actions.parquet",
    output:
        provenance="results/{experiment}/provenance.json",
        report=report(
            "results/{experiment}/report.html",
            caption="../reports/captions/report.rst",
            category="{experiment}",
            labels={"result": "report"},
        ),
        summary="results/{experiment}/report.md",
    log:
        "results/{experiment}/logs/build_report.log",
    benchmark:
        "results/{experiment}/benchmarks/build_report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code_hashes=lambda wildcards: {
            rule: code_of(rule, agents)(wildcards)
            for rule, agents in code_shown(wildcards, CODE_SHOWN).items()
        },
        code=code_of("build_report", files=REPORT_FILES),
    message:
        "Writing the report of {wildcards.experiment}"
    script:
        "../workflow_scripts/build_report.py"


rule summarise_metrics:
    input:
        metrics="results/{experiment}/evaluation/metrics.parquet",
        verdict="results/{experiment}/evaluation/verdict.json",
    output:
        summary="results/{experiment}/metrics.json",
    log:
        "results/{experiment}/logs/summarise_metrics.log",
    benchmark:
        "results/{experiment}/benchmarks/summarise_metrics.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_of("summarise_metrics"),
    message:
        "Summarising the metrics of {wildcards.experiment}"
    script:
        "../workflow_scripts/summarise_metrics.py"


rule build_timings:
    input:
        report="results/{experiment}/report.html",
        folds="results/{experiment}/folds.parquet",
        suggestions=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/suggestions.json"
        ),
        lanes=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/lanes.parquet"
        ),
        curves=rounds_of(
            "results/{experiment}/trials/{agent}/round_{round}/curves.parquet"
        ),
    output:
        timings=report(
            "results/{experiment}/timings.html",
            caption="../reports/captions/timings.rst",
            category="{experiment}",
            labels={"result": "times and memory"},
        ),
    log:
        "results/{experiment}/logs/build_timings.log",
    benchmark:
        "results/{experiment}/benchmarks/build_timings.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        folder=lambda wildcards: f"results/{wildcards.experiment}/benchmarks",
        code=code_of("build_timings", files=REPORT_FILES[1:]),
    message:
        "Writing the time and memory of each rule of {wildcards.experiment}"
    script:
        "../workflow_scripts/build_timings.py"


rule publish_report:
    input:
        report=f"results/{EXPERIMENT}/report.html",
    output:
        published="results/report.html",
    log:
        f"results/{EXPERIMENT}/logs/publish_report.log",
    benchmark:
        f"results/{EXPERIMENT}/benchmarks/publish_report.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=5,
    params:
        code=code_of("publish_report"),
    message:
        f"Copying the report of {EXPERIMENT} to results/report.html"
    script:
        "../workflow_scripts/publish_report.py"


# On demand only, for they need a browser: `snakemake --cores 2 results/<experiment>/report.pdf`.
rule print_report:
    input:
        report="results/{experiment}/report.html",
    output:
        pdf="results/{experiment}/report.pdf",
    log:
        "results/{experiment}/logs/print_report.log",
    benchmark:
        "results/{experiment}/benchmarks/print_report.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_of("print_report"),
    message:
        "Printing the report of {wildcards.experiment}"
    script:
        "../workflow_scripts/print_report.py"


rule draw_figures:
    input:
        report="results/{experiment}/report.html",
    output:
        figures=directory("results/{experiment}/figures"),
    log:
        "results/{experiment}/logs/draw_figures.log",
    benchmark:
        "results/{experiment}/benchmarks/draw_figures.tsv"
    conda:
        "../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_of(
            "draw_figures",
            files=["workflow_scripts/outsample/report/assets/images.js"],
        ),
    message:
        "Drawing the figures of {wildcards.experiment}"
    script:
        "../workflow_scripts/draw_figures.py"


rule compare_experiments:
    input:
        configs=lambda wildcards: expand(
            "results/{name}/config.json", name=experiments_run()
        ),
        verdicts=lambda wildcards: expand(
            "results/{name}/evaluation/verdict.json", name=experiments_run()
        ),
        metrics=lambda wildcards: expand(
            "results/{name}/evaluation/metrics.parquet", name=experiments_run()
        ),
        selections=lambda wildcards: [
            f"results/{name}/selection/{LOADED[name].settings.selection.arm}.json"
            for name in experiments_run()
        ],
    output:
        page=report(
            "results/compare.html",
            caption="../reports/captions/compare.rst",
            category="all experiments",
            labels={"result": "experiments compared"},
        ),
    log:
        "results/logs/compare_experiments.log",
    benchmark:
        "results/benchmarks/compare_experiments.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_of("compare_experiments", files=REPORT_FILES[1:]),
    message:
        "Comparing the experiments that were run"
    script:
        "../workflow_scripts/compare_experiments.py"
