"""Choose one strategy by one arm, a pure function of the trials' scores (JSON); no trial is trained again."""

import pandas as pd

from outsample.io import read_json, read_table, write_json
from outsample.io.script import run_script
from outsample.selection.arms import select


def main(suggestions, scores, selection, *, arm, weights):
    trials = [
        (document["agent"], trial)
        for path in suggestions
        for document in [read_json(path, "suggestions")]
        for trial in document["trials"]
    ]
    frame = pd.concat([read_table(path, "scores") for path in scores], ignore_index=True)
    chosen = select(arm, frame, trials, weights["selection"]["multi_metric"] if weights else None)
    write_json(chosen, selection, "selection")


if "snakemake" in globals():
    run_script(main, snakemake)
