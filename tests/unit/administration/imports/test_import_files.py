"""Tests files of officials: reading of CSV and XLSX, and the faults that make a whole file unusable."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from sandes.administration.imports import import_files, import_xlsx
from sandes.administration.imports.import_files import ALIASES, Cells, Header, read_csv, read_xlsx, text_of
from sandes.csv_files import UnreadableFile

DAY = datetime(2030, 3, 31)  # noqa: DTZ001  # as spreadsheets have them: without a zone
SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
HEADER = ("Mobile No.", "Full_Name", "DESIGNATION", "e-mail", "Date of Retirement")


def csv(text: str | bytes, *, pieces: int = 7) -> list[Cells]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_csv(data[start : start + pieces] for start in range(0, len(data), pieces)))


def workbook(*rows: Iterable[Any], header: Iterable[Any] = HEADER) -> io.BytesIO:
    book = Workbook()
    for row in (header, *rows):
        book.active.append(list(row))  # type: ignore[union-attr]
    return saved(book)


def saved(book: Workbook) -> io.BytesIO:
    file = io.BytesIO()
    book.save(file)
    return file


def unreadable(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(UnreadableFile) as error:
        list(call())
    return error.value.fault.field, error.value.fault.code


# Columns


@pytest.mark.parametrize(("column", "alias"), [(c, alias) for c, aliases in ALIASES.items() for alias in aliases])
def test_a_column_is_known_by_each_of_its_names(column: str, alias: str) -> None:
    others = "" if column == "phone" else "phone,"
    written = alias.upper().replace(" ", "_")
    (row,) = csv(f"{others}  {written} \n{'1,' if others else ''}x\n")
    assert row.values[column] == "x"


def test_headings_are_compared_without_case_blanks_and_marks() -> None:
    (row,) = csv("S. No.,Mobile  No.*,FULL-NAME:\n1,+919800000001,Asha\n")
    assert (row.row, dict(row.values)) == (2, {"phone": "+919800000001", "name": "Asha"})


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("name,post", "no_phone_column"),
        ("phone;name", "wrong_delimiter"),
        ("phone\tname", "wrong_delimiter"),
        ("phone,mobile", "duplicate_column"),
        ("phone,department,office", "duplicate_column"),
        ("phone,salary", "unknown_column"),
        ("phone,,name", "unknown_column"),
    ],
)
def test_a_header_that_cannot_be_understood_ends_the_import(header: str, code: str) -> None:
    assert unreadable(lambda: csv(f"{header}\n1,2,3\n")) == ("header", code)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("phone,name,desgnation", "column 3 (C) is none that an import knows; columns are phone, name, post, unit,"),
        ("phone,,name", "column 2 (B) has no name; columns are phone,"),
        ("phone,mobile", "column 2 (B) is a second one of phone"),
        ("s no," * 27 + "phone,salary", "column 29 (AC) is none that an import knows"),
        ("s no," * 701 + "phone,mobile", "column 703 (AAA) is a second one of phone"),
    ],
)
def test_a_column_is_told_by_the_letters_of_the_spreadsheet_with_what_is_known(header: str, told: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        csv(f"{header}\n1\n")
    assert error.value.fault.message.startswith(told)


def test_an_empty_file_has_no_header() -> None:
    assert unreadable(lambda: csv("")) == ("header", "no_header")
    assert unreadable(lambda: csv("phone\n\n  \n")) == ("file", "no_rows")


def test_no_name_of_an_unknown_column_is_repeated() -> None:
    with pytest.raises(UnreadableFile) as error:
        csv("phone,+919812345678\n1,2\n")
    assert "98123" not in str(error.value.fault)


# Titles above the header


def header_of(text: str) -> Header:
    found: list[Header] = []
    list(read_csv([text.encode()], found.append))
    return found[0]


def test_titles_above_the_header_are_passed_over_and_its_row_is_told() -> None:
    text = "Government of X\n\nOfficers,as of 31/03/2027,,\nS.No.,Mobile No.,Full  Name\n1,+919800000001,Asha\n"
    assert header_of(text) == Header(4, {"phone": "Mobile No.", "name": "Full Name"})
    assert [(row.row, dict(row.values)) for row in csv(text)] == [(5, {"phone": "+919800000001", "name": "Asha"})]


def test_without_titles_the_header_is_the_first_row() -> None:
    assert header_of("\ufeffphone\n1\n") == Header(1, {"phone": "phone"})


def test_a_row_with_a_number_is_no_title() -> None:
    assert unreadable(lambda: csv("name,contact\nAsha,+91 98000 00001\nphone,name\n1,a\n")) == (
        "header",
        "no_phone_column",
    )


def test_titles_are_few() -> None:
    assert len(csv("title\n" * import_files.MAX_TITLE_ROWS + "phone\n1\n")) == 1
    assert unreadable(lambda: csv("title\n" * (import_files.MAX_TITLE_ROWS + 1) + "phone\n1\n")) == (
        "header",
        "no_phone_column",
    )


# CSV


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_end_as_any_spreadsheet_ends_them(end: str) -> None:
    rows = csv(end.join(["phone,name", "+919812345678,Asha", '+919812345679,"Ravi', 'Rao"', ""]))
    assert [row.row for row in rows] == [2, 3]


def test_a_carriage_return_inside_a_line_is_told_from_quotes() -> None:
    assert unreadable(lambda: csv("phone,name\n1,a\rb\n")) == ("file", "bad_line_ends")


@pytest.mark.parametrize(
    "content",
    [
        "phone\n1\n".encode("utf-16"),
        "phone\n1\n".encode("utf-16-le"),
        "phone,name\n1,André\n".encode("cp1252"),
        b"phone\n1\x002\n",
        b"PK\x03\x04\xff\xfe\x00",
    ],
    ids=["utf-16", "utf-16-le", "windows-1252", "null", "zip"],
)
def test_other_encodings_are_told_apart_from_utf_8(content: bytes) -> None:
    assert unreadable(lambda: csv(content)) == ("file", "encoding")


def test_a_byte_order_mark_is_passed_over() -> None:
    (row,) = csv(b"\xef\xbb\xbf" + "फ़ोन,नाम\n1,आशा\n".encode())
    assert dict(row.values) == {"phone": "1", "name": "आशा"}


def test_rows_have_the_numbers_that_a_spreadsheet_shows() -> None:
    rows = csv('\nphone,name\n1,"a\nb"\n,\n\n2,b,\n3\n4,c,d\n')
    assert [(row.row, row.fault) for row in rows] == [(3, None), (6, None), (7, "ragged"), (8, "ragged")]


def test_a_formula_in_a_column_that_is_passed_over_does_no_harm() -> None:
    assert [row.fault for row in csv("S.No.,phone,name\n=A1+1,+911,Asha\n2,=B1,Ravi\n")] == [None, "formula/phone"]


@pytest.mark.parametrize("serial", ["7", "7.", "(7)", "=A1+1"])
def test_a_row_that_is_only_numbered_is_empty(serial: str) -> None:
    rows = csv(f"S.No.,phone,name\n1,+911,Asha\n{serial},,\n{serial}\n8,+912,Ravi\n")
    assert [(row.row, row.fault) for row in rows] == [(2, None), (5, None)]


@pytest.mark.parametrize("cells", ["9812345678,,", "Asha,,", "7,,,more"])
def test_a_row_with_anything_else_beside_the_columns_is_not_passed_over(cells: str) -> None:
    assert [row.row for row in csv(f"S.No.,phone,name\n1,+911,Asha\n{cells}\n")] == [2, 3]


def test_quotes_behind_a_blank_are_quotes() -> None:
    (row,) = csv('phone, name, post\n+911, "Rao, Asha", "Clerk"\n')
    assert dict(row.values) == {"phone": "+911", "name": "Rao, Asha", "post": "Clerk"}


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("titles", ["", "sep=;\n", "Officials of the Ministry\n\n"])
def test_other_marks_between_columns_are_named_below_titles_too(mark: str, titles: str) -> None:
    assert (
        unreadable(lambda: csv(f"{titles}phone{mark}name{mark}post\n+911{mark}Asha{mark}Clerk\n"))[1]
        == "wrong_delimiter"
    )


def test_a_formula_makes_a_row_useless() -> None:
    rows = csv('phone,name\n1,=HYPERLINK("x")\n2,  =1+1\n3,a=b\n')
    assert [row.fault for row in rows] == ["formula/name", "formula/name", None]


def test_a_row_that_nobody_sees_is_none() -> None:
    assert [row.row for row in csv("phone,name\n\u200b,\u00ad\n1,a\n\ufeff,\n\x1a")] == [3]


def test_the_line_is_told_where_a_row_begins() -> None:
    with pytest.raises(UnreadableFile) as error:
        csv('phone,name\n1,"a\nb"\n2,"c\n' + "3,d\n" * 100)
    assert error.value.fault.message.startswith("line 4:")


def test_quotes_that_do_not_match_end_the_import() -> None:
    assert unreadable(lambda: csv('phone,name\n1,"a\n')) == ("file", "bad_quoting")
    assert unreadable(lambda: csv("phone,name\n1," + "x" * 140_000 + "\n")) == ("file", "line_too_long")


def test_more_rows_than_allowed_end_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_files, "MAX_ROWS", 3)
    assert len(csv("phone\n1\n2\n3\n")) == 3
    assert unreadable(lambda: csv("phone\n1\n2\n3\n4\n")) == ("file", "too_many_rows")


# XLSX


def test_a_spreadsheet_is_read_as_a_file_of_the_same_rows() -> None:
    file = workbook(
        (9812345678, "Asha Rao", "Officer", "a@x.example", DAY),
        (None, None),
        ("+919812345679", "Ravi", "Clerk"),
    )
    first, second = read_xlsx(file)
    assert (first.row, second.row) == (2, 4)
    assert text_of(first.values["phone"]) == "9812345678"
    assert first.values["retirement"] == DAY
    assert second.values["email"] is None


def test_texts_that_are_shared_between_cells_are_read_as_excel_writes_them() -> None:
    def shared(xml: bytes) -> bytes:
        cells = b'<c r="A2"><v>9.812345678E9</v></c><c r="B2" t="s"><v>1</v></c><c r="C2" t="s"><v>0</v></c>'
        return xml.replace(b"</sheetData>", b'<row r="2">' + cells + b"</row></sheetData>")

    file = edited(workbook(), SHEET, shared)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(file, "a") as archive:
        texts = f'<sst xmlns="{space}"><si><t>Clerk</t></si><si><r><t>Asha </t></r><r><t>Rao</t></r></si></sst>'
        archive.writestr(STRINGS, texts)
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    listed = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    (row,) = read_xlsx(edited(file, "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", listed)))
    assert [text_of(row.values[name]) for name in ("phone", "name", "post")] == ["9812345678", "Asha Rao", "Clerk"]


def test_only_the_first_sheet_counts() -> None:
    book = Workbook()
    book.active.append(["phone"])  # type: ignore[union-attr]
    book.active.append([1])  # type: ignore[union-attr]
    book.create_sheet("more").append(["salary"])
    assert len(list(read_xlsx(saved(book)))) == 1


def test_cells_beyond_the_header_make_a_row_ragged() -> None:
    rows = list(read_xlsx(workbook((1, "a"), (2, "b", "c"), header=("phone", "name"))))
    assert [row.fault for row in rows] == [None, "ragged"]
    far = Workbook()
    far.active.append(["phone"])  # type: ignore[union-attr]
    far.active.append([1])  # type: ignore[union-attr]
    far.active.cell(row=3, column=1, value=2)  # type: ignore[union-attr]
    far.active.cell(row=3, column=60, value="x")  # type: ignore[union-attr]
    assert [row.fault for row in read_xlsx(saved(far))] == [None, "ragged"]


def test_formulas_are_told_from_their_values() -> None:
    rows = list(read_xlsx(workbook(("=1+1", "a"), (2, "=B2"), (3, "c"), header=("phone", "name"))))
    assert [row.fault for row in rows] == ["formula/phone", "formula/name", None]


def test_a_formula_over_an_array_is_one_too() -> None:
    book = edited(workbook((1, "a"), header=("phone", "name")), SHEET, array_formula)
    assert [row.fault for row in read_xlsx(book)] == ["formula/phone"]


def array_formula(sheet: bytes) -> bytes:
    return sheet.replace(b"<v>1</v>", b'<f t="array" ref="A2:A3">SUM(B1)</f><v>1</v>')


def test_a_row_far_down_costs_nothing_and_one_beyond_all_is_not_waited_for() -> None:
    def far(number: bytes) -> list[Cells]:
        sheet = edited(workbook((1,), header=("phone",)), SHEET, lambda xml: xml.replace(b'r="2"', number))
        return list(read_xlsx(sheet))

    assert [row.row for row in far(b'r="900000"')] == [900_000]
    with pytest.raises(UnreadableFile):
        far(b'r="99999999999999"')


def edited(file: io.BytesIO, part: str, change: Callable[[bytes], bytes]) -> io.BytesIO:
    """Return the workbook with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename == part else content)
    return out


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
    ids=["laughs", "external-dtd", "external-entity"],
)
@pytest.mark.parametrize("part", [SHEET, "xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_no_document_type_is_read(declaration: bytes, part: str) -> None:
    file = workbook((1, "a"))

    def declare(xml: bytes) -> bytes:
        start = xml.index(b"?>") + 2 if xml.startswith(b"<?xml") else 0
        return xml[:start] + declaration + xml[start:]

    assert unreadable(lambda: read_xlsx(edited(file, part, declare))) == ("file", "not_xlsx")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp037", "utf-32"])
def test_a_document_type_does_not_hide_in_another_encoding(encoding: str) -> None:
    def encode(xml: bytes) -> bytes:
        text = re.sub(r"^<\?xml.*?\?>", "", xml.decode())
        return f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x []>{text}'.encode(encoding)

    assert unreadable(lambda: read_xlsx(edited(workbook((1, "a")), SHEET, encode))) == ("file", "not_xlsx")


def test_an_encoding_that_is_only_declared_is_refused() -> None:
    def declare(xml: bytes) -> bytes:
        return b'<?xml version="1.0" encoding="cp037"?>' + xml

    assert unreadable(lambda: read_xlsx(edited(workbook((1, "a")), SHEET, declare))) == ("file", "not_xlsx")


def test_a_document_type_across_two_pieces_is_seen() -> None:
    def pad(xml: bytes) -> bytes:
        filler = import_xlsx._PIECE_BYTES - 5
        return b"<!--" + b" " * (filler - 7) + b"-->" + b"<!DOCTYPE x []>" + xml

    assert unreadable(lambda: read_xlsx(edited(workbook((1, "a")), SHEET, pad))) == ("file", "not_xlsx")


# Bombs


def bomb(unpacked: int, *, part: str = SHEET, declared: int | None = None, crc: int | None = None) -> io.BytesIO:
    """Make a workbook with a part of spaces. Its directory may declare a wrong size."""
    file = edited(workbook((1, "a")), part, lambda xml: xml)
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            if info.filename != part:
                new.writestr(info.filename, old.read(info))
        with new.open(part, "w", force_zip64=False) as stream:
            stream.write(b"<x>")
            piece = b" " * 1_000_000
            for _ in range(unpacked // len(piece)):
                stream.write(piece)
    data = bytearray(out.getvalue())
    if declared is not None:
        at = data.rindex(part.encode()) - 46  # the entry of the part is the last one in the directory
        assert data[at : at + 4] == b"PK\x01\x02"
        struct.pack_into("<I", data, at + 24, declared)
        if crc is not None:
            struct.pack_into("<I", data, at + 16, crc)
    return io.BytesIO(bytes(data))


def memory_of(call: Callable[[], Any]) -> int:
    """Return the most bytes that the call has allocated at any time."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


GIGABYTE = 1_000_000_000


def whole_gigabyte(part: str) -> Any:
    return pytest.param(part, GIGABYTE, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("part", "size"),
    [whole_gigabyte(SHEET), (STRINGS, 10_000_000), ("xl/styles.xml", 10_000_000), ("xl/1.png", 10_000_000)],
)
def test_a_gigabyte_that_is_declared_is_not_unpacked(part: str, size: int) -> None:
    file = bomb(size, part=part)
    taken = memory_of(lambda: unreadable(lambda: read_xlsx(file)) == ("file", "too_large") or pytest.fail("read"))
    assert taken < 2_000_000


@pytest.mark.parametrize(
    ("part", "size"),
    [(SHEET, 50_000_000), (STRINGS, 50_000_000), whole_gigabyte("xl/styles.xml"), ("[Content_Types].xml", 50_000_000)],
)
def test_a_gigabyte_that_is_not_declared_is_not_unpacked(part: str, size: int) -> None:
    """The checksum is that of the declared part, so the library that reads the zip finds nothing wrong."""
    declared = 100_000
    start = (b"<x>" + b" " * declared)[:declared]
    file = bomb(size, part=part, declared=declared, crc=zlib.crc32(start))
    taken = memory_of(lambda: unreadable(lambda: read_xlsx(file)))
    assert taken < 4_000_000


def test_many_parts_that_are_small_add_up() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(workbook((1, "a"))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        for number in range(import_xlsx.MAX_PARTS):
            new.writestr(f"xl/media/{number}", b"")
    assert unreadable(lambda: read_xlsx(out)) == ("file", "too_large")


def test_a_part_that_is_packed_too_well_is_refused() -> None:
    assert unreadable(lambda: read_xlsx(bomb(5_000_000))) == ("file", "too_large")


def test_more_tags_than_rows_can_need_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_xlsx, "MAX_TAGS", 5_000)
    file = edited(workbook((1, "a")), SHEET, lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b"<a/>" * 6_000))
    assert unreadable(lambda: read_xlsx(file)) == ("file", "too_large")


def test_other_packings_and_doubled_or_locked_parts_are_refused() -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as new:
            new.writestr("[Content_Types].xml", b"<x/>")
        assert unreadable(lambda out=out: read_xlsx(out)) == ("file", "not_xlsx")  # type: ignore[misc]
    doubled = workbook((1, "a"))
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET, b"<x/>")
    assert unreadable(lambda: read_xlsx(doubled)) == ("file", "not_xlsx")


def sheet_of(*rows: str, strings: str | None = None) -> io.BytesIO:
    """Make a workbook whose sheet has these rows of cells, and optionally texts that cells share."""
    data = "".join(f'<row r="{number}">{cells}</row>' for number, cells in enumerate(rows, start=1))
    whole = re.compile(rb"<sheetData.*</sheetData>", re.DOTALL)
    file = edited(workbook(), SHEET, lambda xml: whole.sub(f"<sheetData>{data}</sheetData>".encode(), xml))
    if strings is None:
        return file
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(STRINGS, f'<sst xmlns="{space}"><si><t xml:space="preserve">{strings}</t></si></sst>')
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    listed = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    return edited(file, "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", listed))


@pytest.mark.parametrize("where", ["shared", "inline"])
def test_a_text_that_no_spreadsheet_can_hold_is_refused_before_anything_touches_it(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named_by_each_cell(length: int) -> io.BytesIO:
        text = " " + "x" * (length - 2) + " "
        if where == "shared":
            return sheet_of('<c t="s"><v>0</v></c>' * 3, strings=text)
        return sheet_of(f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>')

    assert unreadable(lambda: read_xlsx(named_by_each_cell(32_767))) == ("header", "no_phone_column")
    touched: list[object] = []
    monkeypatch.setattr(import_files, "_is_empty", touched.append)
    assert unreadable(lambda: read_xlsx(named_by_each_cell(32_768))) == ("file", "too_long")
    assert touched == []


def test_a_formula_that_cells_share_is_not_made_up_for_each_of_them() -> None:
    """A formula of a megabyte would take a second for each cell."""
    shared = "A1+" * 300 + "A1"
    cells = f'<c r="A2"><f t="shared" ref="A2:C2" si="0">{shared}</f><v>1</v></c>' + "".join(
        f'<c r="{column}2"><f t="shared" si="0"/><v>1</v></c>' for column in "BC"
    )
    sheet = import_xlsx.open_sheet(sheet_of('<c r="A1" t="str"><v>phone</v></c>', cells))
    assert [row.values for row in sheet.rows] == [("phone",), ("=", "=", "=")]


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (SHEET, b"<x"),
        (SHEET, b""),
        (SHEET, b'<worksheet><sheetData><row r="x"/></sheetData></worksheet>'),
        ("xl/styles.xml", b"no xml"),
        ("xl/workbook.xml", b"<x/>"),
        ("[Content_Types].xml", b"<x/>"),
    ],
)
def test_what_openpyxl_stumbles_over_is_a_fault_of_the_file(part: str, content: bytes) -> None:
    file = edited(workbook((1, "a")), part, lambda _: content)
    assert unreadable(lambda: read_xlsx(file))[1] in {"not_xlsx", "no_header"}


@pytest.mark.parametrize(
    "cell", [b"<v>9e999999</v>", b"<v>" + b"9" * 5_000 + b"</v>", b"<v>x</v>", b""], ids=["e", "long", "text", "none"]
)
def test_odd_numbers_do_no_harm(cell: bytes) -> None:
    file = edited(workbook((1, "a")), SHEET, lambda xml: xml.replace(b"<v>1</v>", cell))
    assert outcome_of(file) in {"read", "not_xlsx"}


def test_what_is_no_zip_is_no_workbook() -> None:
    for content in (b"", b"PK", b"phone,name\n1,a\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100):
        assert unreadable(lambda content=content: read_xlsx(io.BytesIO(content))) == ("file", "not_xlsx")  # type: ignore[misc]


def outcome_of(file: io.BytesIO) -> str:
    try:
        list(read_xlsx(file))
    except UnreadableFile as error:
        return error.fault.code
    return "read"


def test_a_cut_off_or_damaged_workbook_is_refused() -> None:
    outcomes: set[str] = set()
    whole = workbook(*((number, "a") for number in range(500))).getvalue()
    for at in range(100, len(whole) - 100, max(1, len(whole) // 23)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        for content in (whole[:at], bytes(damaged)):
            outcomes.add(outcome_of(io.BytesIO(content)))
    assert "not_xlsx" in outcomes
    assert outcomes <= {"read", "not_xlsx", "too_large", "no_rows", "no_header", "unknown_column", "no_phone_column"}


# What cells say


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("  a ", "a"),
        (12, "12"),
        (9812345678.0, "9812345678"),
        (1.5, "1.5"),
        (True, "yes"),
        (False, "no"),
        (date(2030, 1, 2), "2030-01-02"),
    ],
)
def test_a_cell_says_what_was_typed(cell: object, text: str) -> None:
    assert text_of(cell) == text
