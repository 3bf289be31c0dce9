"""Small Parquet files: a table in as few bytes as polars can write it, without what every reader knows already."""

import io

import polars as pl

LENGTH, MAGIC = 4, b"PAR1"
"""A Parquet file ends with its footer, the length of the footer (so many bytes, little-endian), and these letters."""

NAME = b"ARROW:schema"
"""Name of an entry of the footer that repeats the columns for Arrow, in base64: half of the footer of a small table."""

BEGIN = b"\x19\x1c\x18" + bytes([len(NAME)]) + NAME + b"\x18"
"""How the entries begin if it is the only one: the next field, a list of one struct; its fields 1 and 2 are texts."""

NEXT_TEXT, AFTER_NEXT_TEXT = 0x18, 0x28
"""The head of a text whose field follows on the one before, and of one that leaves a field out between them."""


def packed(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet, as small as it gets. The bytes follow from the table and the version of polars.

    Brotli at its highest level makes pages of a few hundred bytes smaller than zstd does. The columns are not repeated
    for Arrow, unless a type needs it (categories do): `polars.read_parquet` gives exactly this table.
    """
    out = io.BytesIO()
    frame.write_parquet(out, compression="brotli", compression_level=11, statistics=False)
    short = without_arrow(out.getvalue())
    again = pl.read_parquet(io.BytesIO(short))
    return short if again.schema == frame.schema and again.equals(frame) else out.getvalue()


def without_arrow(data: bytes) -> bytes:
    """Return a Parquet file without the columns for Arrow; a file without them as it is.

    The footer is a struct in Thrift's compact protocol: version, columns, rows, row groups, entries, program. A field
    has a head with its type and its distance from the field before it, so the head of the program changes.
    Source: Apache Parquet format, file metadata (parquet.thrift); Apache Thrift, compact protocol.
    """
    end = len(data) - LENGTH - len(MAGIC)
    begin = end - int.from_bytes(data[end : end + LENGTH], "little")
    at = data.rfind(BEGIN, begin, end)
    if at < 0:
        return data
    size, after = number(data, at + len(BEGIN))
    after += size + 1  # the text, and the end of the struct
    if data[after - 1] != 0 or data[after] != NEXT_TEXT:
        return data
    footer = data[begin:at] + bytes([AFTER_NEXT_TEXT]) + data[after + 1 : end]
    return data[:begin] + footer + len(footer).to_bytes(LENGTH, "little") + MAGIC


def number(data: bytes, at: int) -> tuple[int, int]:
    """Return the whole number that begins at a place, seven bits in a byte, the low ones first; and where it ends."""
    found, shift = 0, 0
    while True:
        found |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return found, at
