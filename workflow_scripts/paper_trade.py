"""Trade the vault on paper with the package, bar by bar, and see that it is what the evaluation found: tables, JSON."""

from pathlib import Path

import pandas as pd

from outsample.io import read_json, read_table, write_json, write_table
from outsample.io.script import run_script
from outsample.packaging.contents import load
from outsample.paper.agreement import check_archive, compare, vault_feeds
from outsample.paper.broker import trade
from outsample.paper.ledger import fill_columns, ledger_columns, summary


def main(document, vault, returns, trades, ledger, fills, paper):
    made = read_json(document, "package")
    archive = Path(document).parent / "package" / made["file"]
    package = load(check_archive(archive.read_bytes() if archive.is_file() else None, made), made["file"])
    accounts = trade(package, vault_feeds(package, read_table(vault, "vault")), made["file"])
    table = pd.DataFrame(ledger_columns(accounts))
    agreement = compare(table, accounts, package, read_table(returns, "returns"), read_table(trades, "trades"))
    write_table(table, ledger, "paper_ledger")
    write_table(pd.DataFrame(fill_columns(accounts)), fills, "paper_fills")
    write_json(summary(package, accounts) | {"largest_difference": agreement}, paper, "paper")


if "snakemake" in globals():
    run_script(main, snakemake)
