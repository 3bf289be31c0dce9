"""Packed tables are what polars reads back bit for bit, and have nothing in the footer that readers do not need."""

import io
import math

import numpy as np
import polars as pl
import pytest

from experiments import packing
from experiments.packing import number, packed, without_arrow
from sim.show.published import known, published

EDGES = [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1 / 3, None]
"""Numbers that an encoding could change."""


def drawn(seed: int, height: int) -> pl.DataFrame:
    """A table with columns of every type that is published, and values that are missing."""
    rng = np.random.default_rng(seed)
    words = ["", "SFT", "ARROW:schema", "KL(P‖q)", None]
    return pl.DataFrame(
        {
            "run": pl.Series([f"{n:012x}" for n in rng.integers(1 << 48, size=height)], dtype=pl.String),
            "word": pl.Series([words[n] for n in rng.integers(len(words), size=height)], dtype=pl.String),
            "step": rng.integers(-(1 << 62), 1 << 62, size=height),
            "small": pl.Series(rng.integers(-9, 9, size=height), dtype=pl.Int32),
            "count": pl.Series(rng.integers(1 << 32, size=height), dtype=pl.UInt32),
            "valid": pl.Series([[True, False, None][n] for n in rng.integers(3, size=height)], dtype=pl.Boolean),
            "edge": pl.Series([EDGES[n] for n in rng.integers(len(EDGES), size=height)], dtype=pl.Float64),
            **{f"number_{n}": rng.normal(size=height) for n in range(int(rng.integers(1, 40)))},
        }
    )


def bits(frame: pl.DataFrame) -> list[bytes]:
    """Every number of a table, bit by bit."""
    floats = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    return [frame[name].fill_null(7.0).to_numpy().tobytes() for name in floats]


def plain(frame: pl.DataFrame) -> bytes:
    """The table as polars writes it with the same compression."""
    out = io.BytesIO()
    frame.write_parquet(out, compression="brotli", compression_level=11, statistics=False)
    return out.getvalue()


@pytest.mark.parametrize("height", [0, 1, 40, 700])
def test_a_packed_table_is_read_back_bit_for_bit(height: int) -> None:
    frame = drawn(height, height)
    found = packed(frame)
    again = pl.read_parquet(io.BytesIO(found))
    assert again.schema == frame.schema
    assert again.equals(frame)
    assert bits(again) == bits(frame)
    assert pl.read_parquet_metadata(io.BytesIO(found)) == {}
    assert set(pl.read_parquet_metadata(io.BytesIO(plain(frame)))) == {"ARROW:schema"}
    assert len(found) < len(plain(frame)) - 20 * frame.width


def test_a_type_that_needs_arrow_keeps_it() -> None:
    frame = pl.DataFrame({"arm": pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"]))})
    assert pl.read_parquet(io.BytesIO(without_arrow(plain(frame)))).schema != frame.schema
    assert pl.read_parquet(io.BytesIO(packed(frame))).schema == frame.schema


def test_only_the_footer_is_searched() -> None:
    """Text of the table that looks like the entry stays, also where it is not compressed."""
    text = packing.BEGIN.decode("ascii")
    frame = pl.DataFrame({"ARROW:schema": [text, "", text * 2]})
    out = io.BytesIO()
    frame.write_parquet(out, compression="uncompressed")
    found = without_arrow(out.getvalue())
    assert found.count(packing.BEGIN) == out.getvalue().count(packing.BEGIN) - 1 >= 3
    assert pl.read_parquet_metadata(io.BytesIO(found)) == {}
    assert pl.read_parquet(io.BytesIO(found)).equals(frame)
    assert without_arrow(found) == found, "without an entry a file stays as it is"


def test_another_layout_of_the_footer_is_left_alone() -> None:
    data = plain(drawn(1, 5))
    at = data.rfind(packing.BEGIN)
    size, after = number(data, at + len(packing.BEGIN))
    changed = bytearray(data)
    changed[after + size + 1] = 0x19  # another type of the next field
    assert without_arrow(bytes(changed)) == bytes(changed)
    assert without_arrow(data) != data


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 40])
def test_whole_numbers_in_groups_of_seven_bits(value: int) -> None:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    data = b"\xff" + bytes([group | 0x80 for group in groups[:-1]] + groups[-1:]) + b"\xff"
    assert number(data, 1) == (value, len(data) - 1)


@pytest.mark.parametrize("name", known())
def test_the_tables_in_the_repository_have_no_entry(name: str) -> None:
    """If not: a table was written by an older version of `packed`; publish it again."""
    found = published(name)
    for table in found.tables:
        assert pl.read_parquet_metadata(found.file(table)) == {}, f"{name}, {table}"
