"""The console script `outsample`: its commands and their arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import outsample
from outsample.errors import OutsampleError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="outsample", description=(outsample.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=f"outsample {outsample.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    config = commands.add_parser("config", help="write, check or show the configuration")
    actions = config.add_subparsers(required=True, metavar="ACTION")
    write = actions.add_parser("write", help="write config/base/default.yaml and config/schema.json from the models")
    write.set_defaults(run=_config_write)
    check = actions.add_parser(
        "check", help="check the generated files and every experiment; exit code 1 where one is wrong"
    )
    check.set_defaults(run=_config_check)
    show = actions.add_parser("show", help="show all settings of an experiment")
    show.add_argument("experiment", metavar="EXPERIMENT", help="name of a file in config/experiments, without .yaml")
    show.set_defaults(run=_config_show)
    study = commands.add_parser("study", help="write the trials of an experiment as an Optuna study")
    study.add_argument("experiment", metavar="EXPERIMENT", help="name of an experiment whose trials have been run")
    study.add_argument("--out", metavar="FILE.db", required=True, help="SQLite file, e.g. for optuna-dashboard")
    study.set_defaults(run=_study)
    _add_inspect_command(commands)
    _add_data_commands(commands)
    _add_feature_commands(commands)
    _add_package_commands(commands)
    return parser


def _add_inspect_command(commands: Any) -> None:
    inspect = commands.add_parser(
        "inspect", help="show what is recognised in a file of bars; exit code 1 where it cannot be read"
    )
    inspect.add_argument("file", metavar="FILE", help="a CSV or Parquet file")
    inspect.add_argument("--symbol", help="whose rows are meant in a file of several symbols")
    inspect.add_argument("--format", metavar="KEYS", help="keys of data.source.format, as 'date_order: dmy'")
    inspect.add_argument("--closes-only", action="store_true", help="use the closes alone, as data.source.closes_only")
    inspect.set_defaults(run=_inspect)


def _add_data_commands(commands: Any) -> None:
    fetch = commands.add_parser("fetch", help="fetch the bars of an experiment into data/, once, over the network")
    fetch.add_argument("experiment", metavar="EXPERIMENT", help="name of a file in config/experiments, without .yaml")
    fetch.add_argument("symbols", metavar="SYMBOL", nargs="*", help="some of its symbols; without any, all of them")
    fetch.add_argument("--retrieved", metavar="DATE", help="what origin.json shall give as the date of the retrieval")
    fetch.add_argument(
        "--note", metavar="TEXT", help="what origin.json shall say of the retrieval: terms, a ticket, ..."
    )
    fetch.add_argument(
        "--force", action="store_true", help="store the answers even where bars that are stored would be lost"
    )
    fetch.set_defaults(run=_fetch)
    lineage = commands.add_parser("lineage", help="print what a result was made of, with hashes, back to the raw files")
    lineage.add_argument("path", metavar="PATH", help="a file under results/, such as results/quickstart/report.html")
    lineage.add_argument("--json", action="store_true", help="print it as JSON")
    lineage.set_defaults(run=_lineage)


def _add_feature_commands(commands: Any) -> None:
    features = commands.add_parser("features", help="list what each feature is: formula, warm-up, reference")
    features.add_argument(
        "experiment", metavar="EXPERIMENT", nargs="?", help="list its features; without it, every feature there is"
    )
    features.add_argument("--write", action="store_true", help="write the table of every feature to docs/features.md")
    features.set_defaults(run=_features)


def _add_package_commands(commands: Any) -> None:
    verify = commands.add_parser("verify", help="verify a package: its files, and the decisions of its trace")
    verify.add_argument("package", metavar="PACKAGE", help="a .tar.gz that the rule package_model has written")
    trusted = verify.add_mutually_exclusive_group()
    trusted.add_argument("--sha256", metavar="HASH", help="refuse an archive of another sha256, 64 hexadecimal digits")
    trusted.add_argument("--document", metavar="package.json", help="refuse an archive of another sha256 than it names")
    verify.set_defaults(run=_verify)
    paper = commands.add_parser("paper", help="trade bars on paper with a package")
    paper.add_argument("package", metavar="PACKAGE", help="a .tar.gz that the rule package_model has written")
    paper.add_argument(
        "bars",
        metavar="BARS.csv",
        nargs="+",
        help="bars: one file SYMBOL.csv a symbol, or a column symbol; each symbol begins with the last bar that the "
        "package has seen",
    )
    paper.add_argument("--out", metavar="DIR", required=True, help="folder for ledger.csv, fills.csv and summary.json")
    paper.add_argument("--symbol", help="symbol of a single file that has no column symbol and another name")
    paper.add_argument(
        "--closed",
        metavar="DATE",
        action="append",
        default=[],
        help="a day without a session that the package's calendar does not know; may be given more than once",
    )
    paper.set_defaults(run=_paper)


def _config_write(_: argparse.Namespace) -> None:
    from outsample.cli.config import write

    write()


def _config_check(_: argparse.Namespace) -> None:
    from outsample.cli.config import check

    check()


def _config_show(arguments: argparse.Namespace) -> None:
    from outsample.cli.config import show

    show(arguments.experiment)


def _study(arguments: argparse.Namespace) -> None:
    from outsample.cli.study import study

    study(arguments.experiment, arguments.out)


def _inspect(arguments: argparse.Namespace) -> None:
    from outsample.cli.inspect import inspect

    inspect(arguments.file, arguments.symbol, arguments.format, arguments.closes_only)


def _fetch(arguments: argparse.Namespace) -> None:
    from outsample.cli.fetch import fetch

    fetch(arguments.experiment, arguments.symbols, arguments.retrieved, arguments.note, arguments.force)


def _lineage(arguments: argparse.Namespace) -> None:
    from outsample.cli.lineage import lineage

    lineage(arguments.path, arguments.json)


def _features(arguments: argparse.Namespace) -> None:
    from outsample.cli.features import show, write

    if arguments.write:
        write()
    else:
        show(arguments.experiment)


def _verify(arguments: argparse.Namespace) -> None:
    from outsample.cli.package import verify

    verify(arguments.package, arguments.sha256, arguments.document)


def _paper(arguments: argparse.Namespace) -> None:
    from outsample.cli.paper import paper

    paper(arguments.package, arguments.bars, arguments.out, arguments.symbol, arguments.closed)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a named error becomes one sentence on stderr.

    Args:
        argv: arguments after the program's name; None takes those of the process.
    Returns: the exit code.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except OutsampleError as error:
        print(f"outsample: {_printable(str(error))}", file=sys.stderr)
        return 1
    return 0


def _printable(sentence: str) -> str:
    """A sentence in one line: what it quotes of a stranger's file must not steer the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in sentence)


if __name__ == "__main__":
    sys.exit(main())
