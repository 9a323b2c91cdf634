"""Tables and documents: schema checked both ways, the same content the same bytes, nothing half-written."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from outsample.errors import SchemaError
from outsample.hashing import canonical_json, sha256_frame
from outsample.io import (
    read_json,
    read_symbols,
    read_table,
    sha256_file,
    write_json,
    write_table,
    writing_table,
)
from outsample.io.files import replacing


def lanes(**changes):
    columns = {"agent": ["ppo", "ppo"], "trial": [1, 0], "fold": [0, 0], "seed": [0, 0]}
    return pd.DataFrame(
        columns
        | {"network": "linear", "gate_bound": [0.5, -0.25], "gate_open": [True, False], "failure": ["", ""]}
        | changes
    )


def test_table_comes_back_sorted_by_its_keys(tmp_path):
    write_table(lanes(), tmp_path / "lanes.parquet", "lanes")
    back = read_table(tmp_path / "lanes.parquet", "lanes")
    assert back["trial"].tolist() == [0, 1]
    assert back["gate_bound"].tolist() == [-0.25, 0.5]
    assert str(back["trial"].dtype) == "int32"


def test_order_of_rows_and_columns_does_not_change_the_bytes(tmp_path):
    write_table(lanes(), tmp_path / "a.parquet", "lanes")
    write_table(
        lanes().iloc[::-1][["failure", "seed", "network", "gate_open", "gate_bound", "fold", "agent", "trial"]],
        tmp_path / "b.parquet",
        "lanes",
    )
    assert sha256_file(tmp_path / "a.parquet") == sha256_file(tmp_path / "b.parquet")


def test_group_column_gets_a_row_group_each(tmp_path):
    frame = pd.DataFrame(
        {"symbol": ["B", "A", "A"], "row": [0, 0, 1], "trial": 0, "fold": 0, "seed": 0, "target": [1.0, 0.0, -1.0]}
    )
    write_table(frame, tmp_path / "targets.parquet", "targets", groups="symbol")
    assert pq.ParquetFile(tmp_path / "targets.parquet").num_row_groups == 2
    assert read_table(tmp_path / "targets.parquet", "targets", symbol="A")["target"].tolist() == [0.0, -1.0]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (lanes().drop(columns="seed"), "lacks seed"),
        (lanes(wall_clock=[0, 1]), "unexpected wall_clock"),
        (lanes(failure=["", None]), "column failure of the table lanes is empty in row"),
        (lanes(trial=[1, 1]), "twice"),
        (lanes(gate_bound=["x", "y"]), "wrong type"),
    ],
)
def test_table_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path, frame, sentence):
    with pytest.raises(SchemaError, match=sentence):
        write_table(frame, tmp_path / "lanes.parquet", "lanes")
    assert list(tmp_path.iterdir()) == []


def test_reading_refuses_another_table_a_wrong_type_and_a_missing_file(tmp_path):
    write_table(lanes(), tmp_path / "lanes.parquet", "lanes")
    with pytest.raises(SchemaError, match="the table curves lacks inner"):
        read_table(tmp_path / "lanes.parquet", "curves")
    wide = pq.read_table(tmp_path / "lanes.parquet")
    wide = wide.set_column(wide.column_names.index("trial"), "trial", wide["trial"].cast("int64"))
    pq.write_table(wide, tmp_path / "wide.parquet")
    with pytest.raises(SchemaError, match="column trial is of type int64, not of int32"):
        read_table(tmp_path / "wide.parquet", "lanes")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(SchemaError, match="not readable"):
        read_table(tmp_path / "text.parquet", "lanes")
    with pytest.raises(SchemaError, match="not readable"):
        read_table(tmp_path / "absent.parquet", "lanes")


def test_features_may_have_further_columns_of_floats(tmp_path):
    bar = {"symbol": ["A"], "date": pd.to_datetime(["2020-01-02"]).as_unit("us")}
    bar |= {c: [1.0] for c in ("open", "high", "low", "close", "volume", "factor")}
    write_table(pd.DataFrame(bar | {"rsi_14": [float("nan")]}), tmp_path / "f.parquet", "features")
    assert read_table(tmp_path / "f.parquet", "features")["rsi_14"].isna().all()


def test_document_keeps_its_keys_and_turns_nan_into_null(tmp_path):
    document = {"look": 2, "vault": "a", "model": "b"}
    write_json(document, tmp_path / "looks.json", "looks")
    assert read_json(tmp_path / "looks.json", "looks") == document
    assert canonical_json({"b": float("nan"), "a": (1, 2)}) == '{"a":[1,2],"b":null}'


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"look": 1, "vault": "a"}, "lacks model"),
        ({"look": 1, "vault": "a", "model": "b", "when": 0}, "unexpected key when"),
        ({"look": True, "vault": "a", "model": "b"}, "look of the document looks is True"),
        ({"look": 1.5, "vault": "a", "model": "b"}, "not of type integer"),
    ],
)
def test_document_that_does_not_fit_is_refused(tmp_path, document, sentence):
    with pytest.raises(SchemaError, match=sentence):
        write_json(document, tmp_path / "looks.json", "looks")
    assert list(tmp_path.iterdir()) == []


def test_document_with_infinity_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json({"arrays": [float("inf")], "sha256": ""}, tmp_path / "m.json", "policy_manifest")
    assert list(tmp_path.iterdir()) == []


def test_unreadable_documents_are_named(tmp_path):
    (tmp_path / "half.json").write_text('{"look": 1,')
    (tmp_path / "list.json").write_text("[]")
    for name in ("half.json", "list.json", "absent.json"):
        with pytest.raises(SchemaError, match=name):
            read_json(tmp_path / name, "looks")


def test_interrupted_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "kept.txt"
    target.write_text("old")

    def interrupted():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_frame_hash_sees_values_names_and_order():
    frame = pd.DataFrame(
        {"symbol": ["A", "B"], "close": [1.0, 2.0], "date": pd.to_datetime(["2020-01-01", "2020-01-02"])}
    )
    same = frame.copy()
    assert sha256_frame(frame) == sha256_frame(same)
    assert sha256_frame(frame) != sha256_frame(frame.iloc[::-1])
    assert sha256_frame(frame) != sha256_frame(frame.rename(columns={"close": "open"}))
    assert sha256_frame(frame) != sha256_frame(frame.assign(close=[1.0, 2.0000001]))


def _bars_of(symbol, days):
    dates = pd.date_range("2024-01-01", periods=days).astype("datetime64[us]")
    prices = {column: np.arange(1.0, days + 1) for column in ("open", "high", "low", "close", "volume", "adj_close")}
    return pd.DataFrame({"symbol": symbol, "date": dates} | prices)


def test_a_table_written_symbol_by_symbol_is_the_one_written_at_once_and_is_read_back_by_symbol(tmp_path):
    parts = {"A": _bars_of("A", 3), "B": _bars_of("B", 2)}
    with writing_table(tmp_path / "parts.parquet", "bars") as write:
        for rows in parts.values():
            write(rows.sample(frac=1.0, random_state=0))
    write_table(pd.concat(parts.values()), tmp_path / "whole.parquet", "bars")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "parts.parquet", "bars"), read_table(tmp_path / "whole.parquet", "bars")
    )
    for path in ("parts.parquet", "whole.parquet"):  # symbols share the row group of the second
        found = dict(read_symbols(tmp_path / path, "bars"))
        assert list(found) == ["A", "B"]
        for symbol, rows in found.items():
            pd.testing.assert_frame_equal(rows, parts[symbol])
    dates = dict(read_symbols(tmp_path / "parts.parquet", "bars", ["date"]))
    assert list(dates["B"].columns) == ["symbol", "date"]


def test_a_symbol_in_several_row_groups_is_read_as_one(tmp_path):
    write_table(_bars_of("A", 4), tmp_path / "whole.parquet", "bars")
    pq.write_table(pq.read_table(tmp_path / "whole.parquet"), tmp_path / "groups.parquet", row_group_size=3)
    ((symbol, rows),) = read_symbols(tmp_path / "groups.parquet", "bars")
    assert (symbol, len(rows)) == ("A", 4)


@pytest.mark.parametrize(
    ("symbols", "words"), [(["B", "A"], "A follows B"), (["A", "A"], "A follows A"), ([], "has no rows")]
)
def test_symbols_out_of_order_twice_or_none_leave_no_file(tmp_path, symbols, words):
    def write_all():
        with writing_table(tmp_path / "x.parquet", "bars") as write:
            for symbol in symbols:
                write(_bars_of(symbol, 2))

    with pytest.raises(SchemaError, match=words):
        write_all()
    assert list(tmp_path.iterdir()) == []
