"""Tests the rows of a batch's file: valid rows, faults of rows, and faults that make the whole file unusable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.apps.batch_rows import BadRow, read_csv, read_ndjson
from sandes.csv_files import MAX_LINE_BYTES, UnreadableFile
from sandes.protocol.app_api import BatchRow

NAMES = frozenset({"name"})
Read = list[BatchRow | BadRow]


def csv(content: bytes | str, *, pieces: int = 7, variables: frozenset[str] = NAMES) -> Read:
    return list(read_csv(cut(content, pieces), variables))


def ndjson(content: bytes | str, *, pieces: int = 7) -> Read:
    return list(read_ndjson(cut(content, pieces)))


def cut(content: bytes | str, size: int) -> Iterable[bytes]:
    data = content.encode() if isinstance(content, str) else content
    return (data[start : start + size] for start in range(0, len(data), size))


def codes(rows: Read) -> list[list[tuple[int, str, str]]]:
    return [[(fault.row, fault.field, fault.code) for fault in row.faults] for row in rows if isinstance(row, BadRow)]


def unreadable(rows: Iterable[BatchRow | BadRow]) -> tuple[str, str]:
    with pytest.raises(UnreadableFile) as error:
        list(rows)
    assert error.value.fault.row == 0
    return error.value.fault.field, error.value.fault.code


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without_mark", "with_mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_is_read_with_or_without_a_byte_order_mark_and_with_both_line_ends(mark: bytes, end: str) -> None:
    lines = ["client_ref,phone,name", "a,+919812345678,Asha", "", ",+919812345679,Ravi"]
    first, second = csv(mark + end.join(lines).encode())
    assert isinstance(first, BatchRow)
    assert (first.to.phone, first.variables, first.client_ref) == ("+919812345678", {"name": "Asha"}, "a")
    assert isinstance(second, BatchRow)
    assert second.client_ref is None


def test_commas_quotes_and_line_feeds_stand_between_quotes() -> None:
    (row,) = csv('phone,name\n+91,"a, ""b""\nc\u2028d"\n')
    assert isinstance(row, BatchRow)
    assert row.variables == {"name": 'a, "b"\nc\u2028d'}


def test_a_recipient_is_a_number_or_an_account_and_not_both() -> None:
    rows = csv("phone,account,name\n,aaaaaaaaaaaaa,x\n+91,aaaaaaaaaaaaa,x\n,,x\n,nonsense,x\n")
    assert isinstance(rows[0], BatchRow)
    assert codes(rows) == [[(2, "to", "recipient")], [(3, "to", "recipient")], [(4, "to/account", "bad_account")]]


def test_rows_with_too_few_or_too_many_cells_are_faults_of_their_own() -> None:
    rows = csv("phone,name\n+91\n+91,a,b\n+91,c\n")
    assert codes(rows) == [[(1, "row", "ragged")], [(2, "row", "ragged")]]
    assert isinstance(rows[2], BatchRow)


def test_too_long_values_and_control_characters_are_faults_of_their_row() -> None:
    rows = csv(f"phone,name,client_ref\n+91,{'x' * 501},\n+91,a\x07b,\n+91,a,{'r' * 65}\n")
    assert codes(rows) == [
        [(1, "variables/name", "too_long")],
        [(2, "variables/name", "control_characters")],
        [(3, "client_ref", "too_long")],
    ]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("phone;name", "wrong_delimiter"),
        ("phone\tname", "wrong_delimiter"),
        ("phone|name", "wrong_delimiter"),
        ("number,name", "no_recipient_column"),
        ("+919812345678,Asha", "no_recipient_column"),
        ("phone,name,name", "duplicate_column"),
        ("phone,name,age", "unknown_column"),
        ("phone", "missing_column"),
        ("", "no_recipient_column"),  # the row below an empty line is the header
    ],
)
def test_a_header_that_does_not_fit_makes_the_file_useless(header: str, code: str) -> None:
    assert unreadable(read_csv([f"{header}\n+91,x\n".encode()], NAMES)) == ("header", code)


@pytest.mark.parametrize("cell", ["????", "???? ??", " ??, ?", "#N/A", "#REF!", "#DIV/0!", "########", "\ufffd\ufffd"])
def test_letters_that_were_lost_and_errors_of_a_spreadsheet_are_not_sent(cell: str) -> None:
    rows = csv(f'phone,name,client_ref\n+911,"{cell}",a\n+912,Asha,b\n')
    assert codes(rows) == [[(1, "variables/name", "lost_value")]]
    assert [row.client_ref for row in rows] == ["a", "b"]


@pytest.mark.parametrize("cell", ["?", "Ready?", "https://x.in/?a=??", "#1", "N/A", "??? is the code", "", "#"])
def test_texts_with_question_marks_and_hashes_are_sent(cell: str) -> None:
    (row,) = csv(f'phone,name\n+911,"{cell}"\n')
    assert isinstance(row, BatchRow)
    assert row.variables == {"name": cell}


def test_a_fault_never_repeats_what_may_be_a_phone_number() -> None:
    with pytest.raises(UnreadableFile) as error:
        csv("phone,name,+919812345678\n")
    assert "98123" not in error.value.fault.message
    faults = [row.faults for row in ndjson('{"to":{"phone":"+91"},"+919812345678":1}\n') if isinstance(row, BadRow)]
    assert faults
    assert "98123" not in repr(faults)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings_are_recognised_and_refused(encoding: str) -> None:
    content = "phone,name\n+919812345678,Zoë\n".encode(encoding)
    assert unreadable(read_csv(cut(content, 5), NAMES)) == ("file", "encoding")
    assert unreadable(read_ndjson(cut(content, 5))) == ("file", "encoding") if encoding != "latin-1" else True


@pytest.mark.parametrize("content", ['phone,name\n+91,"a\n', 'phone,name\n+91,"a"b\n'])
def test_quotes_that_do_not_match_make_the_file_useless(content: str) -> None:
    assert unreadable(read_csv([content.encode()], NAMES)) == ("file", "bad_quoting")


def test_the_line_is_told_where_the_row_begins_whose_quotes_do_not_match() -> None:
    with pytest.raises(UnreadableFile) as error:
        csv('phone,name\n+911,a\n+912,"b\n' + "+913,c\n" * 100)
    assert error.value.fault.message.startswith("line 3:")


@pytest.mark.parametrize("before", ["\n\n", ",,\n", "sep=,\n", "\u200b,\n", "\ufeff"])
def test_rows_without_content_and_hints_stand_above_the_header(before: str) -> None:
    (row,) = csv(f"{before}\u200bphone,name\u200e\n+911,a\n\u200b,\u00ad\n\x1a")
    assert isinstance(row, BatchRow)
    assert dict(row.variables) == {"name": "a"}


def test_a_cell_without_end_is_not_gathered_in_memory() -> None:
    read = 0

    def endless() -> Iterable[bytes]:
        nonlocal read
        yield b'phone,name\n+91,"'
        while True:
            read += 1
            yield b"x" * 1000 + b"\n"

    assert unreadable(read_csv(endless(), NAMES)) == ("file", "bad_quoting")
    assert read < 200


@pytest.mark.parametrize("read", [lambda chunks: read_csv(chunks, NAMES), read_ndjson], ids=["csv", "ndjson"])
def test_a_line_without_end_is_not_gathered_in_memory(read: object) -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        yield b"phone,name\n"
        for _ in itertools.count():
            taken += 1
            yield b"x" * 1000

    assert unreadable(read(endless())) == ("file", "line_too_long")  # type: ignore[operator]
    assert taken <= MAX_LINE_BYTES // 1000 + 1


@pytest.mark.slow
def test_one_row_more_than_allowed_makes_the_file_useless() -> None:
    rows = read_csv(itertools.chain([b"phone,name\n"], itertools.repeat(b"+91,a\n" * 100, 1000)), NAMES)
    assert sum(isinstance(row, BatchRow) for row in rows) == 100_000
    rows = read_csv(itertools.chain([b"phone,name\n"], itertools.repeat(b"+91,a\n" * 100, 1000), [b"+91,b\n"]), NAMES)
    assert unreadable(rows) == ("file", "too_many_rows")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_useless(content: bytes) -> None:
    assert unreadable(read_ndjson([content])) == ("file", "no_rows")
    assert unreadable(read_csv([content], NAMES))[1] in {"no_header", "no_rows"}


def test_a_header_with_nothing_below_is_useless() -> None:
    assert unreadable(read_csv([b"phone,name\n"], NAMES)) == ("file", "no_rows")


def test_ndjson_lines_are_rows_and_anything_else_is_a_fault_of_its_line() -> None:
    good = '{"to":{"phone":"+91"},"variables":{"name":"a"},"client_ref":"r"}'
    rows = ndjson(
        "\n".join(
            [good, "", "[1]", "null", "{", '{"to":{}}', '{"to":{"phone":"+91"},"extra":1}', '{"to":{"phone":7}}', good]
        )
    )
    assert [isinstance(row, BatchRow) for row in rows] == [True, False, False, False, False, False, False, True]
    assert codes(rows) == [
        [(2, "row", "malformed_json")],
        [(3, "row", "malformed_json")],
        [(4, "row", "malformed_json")],
        [(5, "to", "recipient")],
        [(6, "extra", "unknown_field")],
        [(7, "to/phone", "not_a_string")],
    ]


def test_names_of_variables_are_names_and_there_are_not_too_many() -> None:
    many = ",".join(f'"v{number}":"x"' for number in range(21))
    rows = ndjson(
        f'{{"to":{{"phone":"+91"}},"variables":{{"A b":"x"}}}}\n{{"to":{{"phone":"+91"}},"variables":{{{many}}}}}'
    )
    assert codes(rows) == [[(1, "variables/?", "bad_name")], [(2, "variables", "too_many")]]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_rows_faults_or_a_useless_file(content: bytes, size: int) -> None:
    for read in (lambda chunks: read_csv(chunks, NAMES), read_ndjson):
        for prefix in (b"", b"phone,name\n"):
            try:
                rows = list(read(cut(prefix + content, size)))
            except UnreadableFile:
                continue
            assert rows


def good(content: str) -> list[dict[str, str]]:
    rows = list(read_csv([content.encode()], NAMES))
    assert not any(isinstance(row, BadRow) for row in rows), rows
    return [dict(row.variables) for row in rows if not isinstance(row, BadRow)]


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_end_as_any_spreadsheet_ends_them(end: str, size: int) -> None:
    data = end.join(["phone,name", "+919812345678,Asha", "+919812345679,Ravi", ""]).encode()
    rows = list(read_csv((data[at : at + size] for at in range(0, len(data), size)), NAMES))
    assert [row.variables for row in rows if not isinstance(row, BadRow)] == [{"name": "Asha"}, {"name": "Ravi"}]


def test_a_file_of_carriage_returns_may_be_longer_than_a_line() -> None:
    assert len(good("phone,name\r" + "+919812345678,Asha\r" * 10_000)) == 10_000


def test_a_carriage_return_inside_a_line_is_told_from_quotes() -> None:
    assert unreadable(read_csv([b"phone,name\n+919812345678,a\rb\n"], NAMES)) == ("file", "bad_line_ends")


@pytest.mark.parametrize(
    "content",
    [
        "phone,name,,\n+919812345678,Asha,,\n,,,\n,,,\n",
        "phone,name\n+919812345678,Asha\n,\n   \n\n",
        "phone,name, ,\n+919812345678,Asha\n",
        "phone,name\n\n,\n+919812345678,Asha,,,\n \t ,\u00a0\n",
    ],
)
def test_empty_columns_at_the_end_and_rows_without_content_are_passed_over(content: str) -> None:
    assert good(content) == [{"name": "Asha"}]


def test_an_empty_column_between_others_and_content_beyond_the_header_still_count() -> None:
    assert unreadable(read_csv([b"phone,,name\n+919812345678,,Asha\n"], NAMES)) == ("header", "unknown_column")
    (bad,) = read_csv([b"phone,name,,\n+919812345678,Asha,,x\n"], NAMES)
    assert isinstance(bad, BadRow)
    assert bad.faults[0].code == "ragged"
