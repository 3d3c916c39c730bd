"""Tests workbooks of programs and of attackers: the values that Excel shows are read, in bounded memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from sandes.administration.imports import import_xlsx
from sandes.administration.imports.import_files import Header, read_xlsx, text_of
from sandes.administration.imports.import_xlsx import ErrorValue, open_sheet
from sandes.csv_files import UnreadableFile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>phone</t></is></c><c r="B1" t="inlineStr"><is><t>name</t></is></c></row>'
)
FORMATS = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>'
STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="[$-14009]dd\\-mmm\\-yyyy;@"/>'
    '<numFmt numFmtId="165" formatCode="[Red]0.00&quot; days&quot;"/></numFmts>'
)


def raw(
    rows: str = "",
    *,
    main: str = MAIN,
    office: str = OFFICE,
    sheets: str = '<sheet name="One" sheetId="1" r:id="rId1"/>',
    workbook: str = "",
    columns: str = "",
    changed: dict[str, str | bytes] | None = None,
    left_out: set[str] = frozenset(),  # type: ignore[assignment]
) -> io.BytesIO:
    """Make a workbook by hand, with parts of it `changed` or `left_out`."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relationships((1, f"{office}/officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": (
            f'<workbook xmlns="{main}" xmlns:r="{office}">{workbook}<sheets>{sheets}</sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": relationships(
            (1, f"{office}/worksheet", "worksheets/sheet1.xml"),
            (2, f"{office}/worksheet", "worksheets/sheet2.xml"),
            (3, f"{office}/chartsheet", "chartsheets/sheet1.xml"),
            (4, f"{office}/styles", "styles.xml"),
            (5, f"{office}/sharedStrings", "sharedStrings.xml"),
        ),
        "xl/worksheets/sheet1.xml": sheet(HEADER + rows, main, columns),
        "xl/styles.xml": f'<styleSheet xmlns="{main}">{STYLES}{FORMATS}</styleSheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (parts | (changed or {})).items():
            if name not in left_out:
                archive.writestr(name, content)
    return out


def sheet(rows: str, main: str = MAIN, columns: str = "") -> str:
    return f'<worksheet xmlns="{main}">{columns}<sheetData>{rows}</sheetData></worksheet>'


def relationships(*targets: tuple[int, str, str]) -> str:
    listed = "".join(f'<Relationship Id="rId{id}" Type="{kind}" Target="{to}"/>' for id, kind, to in targets)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def row(*cells: str, number: int = 2) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def values(file: io.BytesIO) -> list[tuple[object, ...]]:
    return [found.values for found in open_sheet(file).rows][1:]


def code(file: io.BytesIO) -> str:
    with pytest.raises(UnreadableFile) as error:
        list(read_xlsx(file))
    return error.value.fault.code


# What is seen is what is read


def test_the_first_sheet_that_is_not_hidden_is_read_and_named() -> None:
    book = Workbook()
    book.active.title = "Left last year"  # type: ignore[union-attr]
    book.active.append(["phone"])  # type: ignore[union-attr]
    book.active.append([1])  # type: ignore[union-attr]
    book.active.sheet_state = "hidden"  # type: ignore[union-attr]
    very = book.create_sheet("secret")
    very.append(["phone"])
    very.sheet_state = "veryHidden"
    seen = book.create_sheet("Officers")
    for cells in (["List of officers"], [], ["Mobile No.", "Name"], [2, "Asha"]):
        seen.append(cells)
    file, headers = io.BytesIO(), list[Header]()
    book.save(file)
    (only,) = read_xlsx(file, headers.append)
    assert (only.row, dict(only.values)) == (4, {"phone": 2, "name": "Asha"})
    assert headers == [Header(3, {"phone": "Mobile No.", "name": "Name"}, "Officers")]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_workbook_without_a_visible_sheet_is_a_fault_of_the_file(state: str) -> None:
    sheets = f'<sheet name="One" sheetId="1" state="{state}" r:id="rId1"/>'
    assert code(raw(row("<c><v>1</v></c>"), sheets=sheets)) == "no_visible_sheet"


def test_a_chart_in_front_is_no_sheet_of_rows() -> None:
    sheets = '<sheet name="Chart" sheetId="1" r:id="rId3"/><sheet name="One" sheetId="2" r:id="rId1"/>'
    assert open_sheet(raw(row("<c><v>1</v></c>"), sheets=sheets)).name == "One"


def test_a_hidden_row_is_not_imported_and_is_named() -> None:
    rows = row("<c><v>1</v></c>") + '<row r="3" hidden="1"><c><v>2</v></c></row>' + row("<c><v>3</v></c>", number=4)
    assert [(one.row, one.fault) for one in read_xlsx(raw(rows))] == [(2, None), (3, "hidden"), (4, None)]


def test_a_hidden_column_that_counts_is_a_fault_of_the_file() -> None:
    cols = '<cols><col min="2" max="2" hidden="1" width="9"/></cols>'
    assert code(raw(row("<c><v>1</v></c>"), columns=cols)) == "hidden_column"
    assert len(list(read_xlsx(raw(row("<c><v>1</v></c>"), columns=cols.replace('"2"', '"3"'))))) == 1


def test_a_column_without_width_and_a_row_without_height_are_hidden() -> None:
    cols = '<cols><col min="2" max="2" width="0" customWidth="1"/></cols>'
    assert code(raw(row("<c><v>1</v></c>"), columns=cols)) == "hidden_column"
    rows = '<row r="2" ht="0" customHeight="1"><c><v>1</v></c></row><row r="3" ht="15.75"><c><v>2</v></c></row>'
    assert [(one.row, one.fault) for one in read_xlsx(raw(rows))] == [(2, "hidden"), (3, None)]


def test_a_column_too_narrow_to_show_anything_is_hidden() -> None:
    cols = '<cols><col min="2" max="2" width="0.1"/></cols>'
    assert code(raw(row("<c><v>1</v></c>"), columns=cols)) == "hidden_column"
    rows = '<row r="2" ht="0.3"><c><v>1</v></c></row><row r="3" ht="6"><c><v>2</v></c></row>'
    assert [(one.row, one.fault) for one in read_xlsx(raw(rows))] == [(2, "hidden"), (3, None)]


def test_columns_without_a_width_by_default_are_hidden_but_for_those_that_have_one() -> None:
    nothing = '<sheetFormatPr defaultColWidth="0" defaultRowHeight="15"/>'
    assert code(raw(row("<c><v>1</v></c>"), columns=nothing)) == "hidden_column"
    shown = nothing + '<cols><col min="1" max="2" width="12"/></cols>'
    assert len(list(read_xlsx(raw(row("<c><v>1</v></c>"), columns=shown)))) == 1


def test_rows_of_groups_that_are_collapsed_are_hidden_as_filtered_ones() -> None:
    rows = '<row r="2" outlineLevel="1" hidden="1"><c><v>1</v></c></row><row r="3" collapsed="1"><c><v>2</v></c></row>'
    assert [(one.row, one.fault) for one in read_xlsx(raw(rows))] == [(2, "hidden"), (3, None)]


@pytest.mark.parametrize(
    ("ranges", "faults"),
    [
        (["B2:B3"], ["merged", "merged", None, None]),
        (["A3:B3"], [None, "merged", None, None]),
        (["B2:B3", "$B$3:$B$5"], ["merged"] * 4),
        (["A1:B1"], [None] * 4),
        (["C2:D5", "Z1:Z9"], [None] * 4),
        (["A1:B2"], ["merged", None, None, None]),
    ],
)
def test_a_row_with_merged_cells_is_named_since_only_the_first_of_them_has_the_value(
    ranges: list[str], faults: list[str | None]
) -> None:
    rows = "".join(row("<c><v>1</v></c><c><v>2</v></c>", number=number) for number in range(2, 6))
    merged = "".join(f'<mergeCell ref="{one}"/>' for one in ranges)
    content = sheet(HEADER + rows).replace("</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>")
    found = list(read_xlsx(raw(changed={"xl/worksheets/sheet1.xml": content})))
    assert [one.fault for one in found] == faults


def test_ranges_of_merged_cells_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_xlsx, "MAX_MERGED", 2)
    for count, fault in ((2, None), (3, "too_large")):
        merged = "<mergeCells>" + '<mergeCell ref="A1:B1"/>' * count + "</mergeCells>"
        content = sheet(HEADER + row("<c><v>1</v></c>")).replace("</sheetData>", "</sheetData>" + merged)
        workbook = raw(changed={"xl/worksheets/sheet1.xml": content})
        assert (code(workbook) if fault else len(list(read_xlsx(workbook)))) == (fault or 1)


@pytest.mark.parametrize("reference", ["", "A", "1:2", ":A1", "A1:B", "AAAA1:B2"])
def test_a_range_that_no_spreadsheet_has_is_a_fault_of_the_file(reference: str) -> None:
    content = sheet(HEADER + row("<c><v>1</v></c>")).replace(
        "</sheetData>", f'</sheetData><mergeCells><mergeCell ref="{reference}"/></mergeCells>'
    )
    assert code(raw(changed={"xl/worksheets/sheet1.xml": content})) == "not_xlsx"


def test_rows_keep_the_numbers_that_the_spreadsheet_shows() -> None:
    rows = row("<c><v>1</v></c>", number=7) + row('<c t="inlineStr"><is><t> </t></is></c>', number=8)
    assert [one.row for one in read_xlsx(raw(rows + row("<c><v>2</v></c>", number=9)))] == [7, 9]


# Forms of the format


def test_the_strict_form_is_read() -> None:
    file = raw(
        row('<c r="A2"><v>9812345674</v></c>', '<c r="B2" t="d"><v>2028-03-31</v></c>'),
        main=STRICT,
        office=STRICT_OFFICE,
    )
    assert values(file) == [(9812345674, datetime(2028, 3, 31))]  # noqa: DTZ001


def test_a_time_of_day_without_a_date_is_text_and_no_fault_of_the_file() -> None:
    assert values(raw(row('<c r="A2" t="d"><v>10:30:00</v></c>'))) == [("10:30:00",)]


@pytest.mark.parametrize(
    "target", ["/xl/worksheets/sheet1.xml", "./worksheets/sheet1.xml", "../xl/worksheets/Sheet1.xml"]
)
def test_a_part_may_be_named_from_the_root_of_the_package(target: str) -> None:
    named = relationships((1, f"{OFFICE}/worksheet", target))
    assert values(raw(row("<c><v>1</v></c>"), changed={"xl/_rels/workbook.xml.rels": named})) == [(1,)]


@pytest.mark.parametrize("name", ["xl/SharedStrings.xml", "XL/sharedstrings.XML", "xl\\sharedStrings.xml"])
def test_names_of_parts_do_not_differ_by_case(name: str) -> None:
    file = raw(row('<c r="A2" t="s"><v>0</v></c>'), changed={name: f'<sst xmlns="{MAIN}"><si><t>Asha</t></si></sst>'})
    assert values(file) == [("Asha",)]


def test_two_parts_whose_names_differ_by_case_only_are_refused() -> None:
    part = f'<sst xmlns="{MAIN}"/>'
    assert code(raw(changed={"xl/sharedStrings.xml": part, "xl/SharedStrings.xml": part})) == "not_xlsx"


@pytest.mark.parametrize(
    "styles",
    [
        f'<styleSheet xmlns="{MAIN}"><fills count="2"><fill/><fill/></fills>{FORMATS}</styleSheet>',
        f'<styleSheet xmlns="{MAIN}"><fonts><font><family val="99"/></font></fonts><dxfs/>{FORMATS}</styleSheet>',
        f'<styleSheet xmlns="{MAIN}"><borders><border><left style="none"/></border></borders>{FORMATS}</styleSheet>',
    ],
)
def test_styles_that_an_import_does_not_need_do_no_harm(styles: str) -> None:
    cells = '<c r="A2"><v>1</v></c><c r="B2" s="1"><v>46843</v></c>'
    assert values(raw(row(cells), changed={"xl/styles.xml": styles})) == [(1, datetime(2028, 3, 31))]  # noqa: DTZ001


def test_a_workbook_without_styles_and_shared_texts_is_read() -> None:
    assert values(raw(row("<c><v>1</v></c>"), left_out={"xl/styles.xml"})) == [(1,)]


@pytest.mark.parametrize(
    ("style", "number", "value"),
    [
        (0, "46843", 46843),
        (1, "46843", datetime(2028, 3, 31)),  # noqa: DTZ001
        (2, "46843", datetime(2028, 3, 31)),  # noqa: DTZ001
        (3, "46843", 46843),  # a letter of dates in quotes and one in a colour
        (1, "46843.5", datetime(2028, 3, 31, 12)),  # noqa: DTZ001
        (1, "59", datetime(1900, 2, 28)),  # noqa: DTZ001
        (1, "61", datetime(1900, 3, 1)),  # noqa: DTZ001
        (1, "-1", -1.0),
        (1, "99999999", 99999999),
        (0, "9.812345678E9", 9812345678.0),
        (9, "5", 5),
    ],
)
def test_number_formats_tell_dates_from_numbers(style: int, number: str, value: object) -> None:
    assert values(raw(row(f'<c r="A2" s="{style}"><v>{number}</v></c>'))) == [(value,)]


def test_dates_of_the_other_epoch_are_four_years_later() -> None:
    file = raw(row('<c s="1"><v>45381</v></c>'), workbook='<workbookPr date1904="1"/>')
    assert values(file) == [(datetime(2028, 3, 31),)]  # noqa: DTZ001


@pytest.mark.parametrize("workbook", ["", '<workbookPr date1904="1"/>'])
@pytest.mark.parametrize("day", ["2958465", "2957003", "2957004", "2958465.9"])
def test_the_last_day_of_all_is_read(workbook: str, day: str) -> None:
    """Excel's last day is 31 December 9999, in both of its calendars."""
    ((value,),) = values(raw(row(f'<c s="1"><v>{day}</v></c>'), workbook=workbook))
    assert isinstance(value, float | int) or value.year in {9995, 9999}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Asha Rao_x000D_", "Asha Rao"),
        ("Asha Rao_x000D_&#10;", "Asha Rao"),
        ("_x005F_x000D_", "_x000D_"),
        ("_x0041_sha", "Asha"),
        ("_xD83D__xDE42_", "\U0001f642"),
        ("_xD83D_", "\ufffd"),
        ("a_x00_b", "a_x00_b"),
    ],
)
@pytest.mark.parametrize("kind", ["shared", "inline", "formula"])
def test_characters_that_the_format_escapes_are_decoded(written: str, text: str, kind: str) -> None:
    cell = {
        "shared": '<c r="A2" t="s"><v>0</v></c>',
        "inline": f'<c r="A2" t="inlineStr"><is><t>{written}</t></is></c>',
        "formula": f'<c r="A2" t="str"><v>{written}</v></c>',
    }[kind]
    file = raw(row(cell), changed={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>{written}</t></si></sst>'})
    assert [text_of(*cells) for cells in values(file)] == [text]


def test_a_text_of_runs_is_whole_and_how_to_pronounce_it_is_left_out() -> None:
    runs = "<r><t>Asha </t></r><r><rPr><b/></rPr><t>Rao</t></r><rPh sb='0' eb='1'><t>aasha</t></rPh>"
    file = raw(
        row('<c t="s"><v>0</v></c>', f'<c t="inlineStr"><is>{runs}</is></c>'),
        changed={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si>{runs}</si></sst>'},
    )
    assert values(file) == [("Asha Rao", "Asha Rao")]


def test_cells_of_other_kinds_say_what_they_are() -> None:
    cells = '<c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c><f>A1</f><v>1</v></c><c/><c><v/></c><c r="H2"><v>7</v></c>'
    ((*found,),) = values(raw(row(cells)))
    assert found == [True, "#N/A", "=", None, None, None, None, 7]
    assert isinstance(found[1], ErrorValue)


@pytest.mark.parametrize(
    "cells",
    [
        '<c t="s"><v>1</v></c>',
        '<c t="s"><v>-1</v></c>',
        "<c><v>nan</v></c>",
        "<c><v>1_000</v></c>",
        '<c r="2A"><v>1</v></c>',
        '<c r="B2"><v>1</v></c><c r="A2"><v>1</v></c>',
        '<c r="XFE2"><v>1</v></c>',
    ],
)
def test_cells_that_no_spreadsheet_has_are_faults_of_the_file(cells: str) -> None:
    assert code(raw(row(cells))) == "not_xlsx"


def test_rows_out_of_order_are_refused_and_not_left_out() -> None:
    assert code(raw(row("<c><v>1</v></c>", number=5) + row("<c><v>2</v></c>", number=4))) == "not_xlsx"


def test_a_cell_beyond_all_columns_makes_its_row_ragged() -> None:
    (one,) = read_xlsx(raw(row('<c r="A2"><v>1</v></c><c r="ZZ2"><v>1</v></c>')))
    assert one.fault == "ragged"


# Parts that attack, whatever they are called


LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def named(kind: str, name: str, content: str) -> io.BytesIO:
    """Make a workbook in which a part of this kind has another name."""
    kinds = {
        "worksheet": ("rId1", "worksheets/sheet1.xml"),
        "styles": ("rId4", "styles.xml"),
        "sharedStrings": ("rId5", "sharedStrings.xml"),
    }
    targets = [(int(id[3:]), f"{OFFICE}/{one}", name if one == kind else to) for one, (id, to) in kinds.items()]
    return raw(
        row("<c><v>1</v></c>"),
        changed={f"xl/{name}": content, "xl/_rels/workbook.xml.rels": relationships(*targets)},
    )


@pytest.mark.parametrize("name", ["sheet1.bin", "sheet1", "sheet.png", "a/b.txt", "SHEET1.XML"])
@pytest.mark.parametrize("kind", ["worksheet", "styles", "sharedStrings"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_a_part_of_any_name(kind: str, name: str, encoding: str) -> None:
    content = LAUGHS + sheet(HEADER + row('<c t="inlineStr"><is><t>&b;</t></is></c>'))
    file = named(kind, name, content)
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, data.decode().encode(encoding) if info.filename == f"xl/{name}" else data)
    assert code(out) == "not_xlsx"


def many(start: str, element: str, count: int, end: str) -> str:
    return f"{start}{element * count}{end}"


HUNGRY: dict[str, dict[str, Any]] = {
    "formats": {
        "xl/styles.xml": many(f'<styleSheet xmlns="{MAIN}"><cellXfs>', "<xf/>", 200_000, "</cellXfs></styleSheet>")
    },
    "number formats": {
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>'
        + "".join(f'<numFmt numFmtId="{n}" formatCode="0"/>' for n in range(100_000))
        + "</numFmts></styleSheet>"
    },
    "fonts": {
        "xl/styles.xml": many(f'<styleSheet xmlns="{MAIN}"><fonts>', "<font/>", 12_000_001, "</fonts></styleSheet>")
    },
    "texts": {"xl/sharedStrings.xml": many(f'<sst xmlns="{MAIN}">', "<si/>", 2_000_000, "</sst>")},
    "relationships": {
        "xl/_rels/workbook.xml.rels": relationships(*((n, f"{OFFICE}/image", f"{n}.png") for n in range(100_000)))
    },
    "sheets": {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets>'
        + "".join(f'<sheet name="{n}" sheetId="{n}"/>' for n in range(100_000))
        + "</sheets></workbook>"
    },
    "depth": {"xl/worksheets/sheet1.xml": "<a>" * 1_000_000},
    "names": {"xl/worksheets/sheet1.xml": "<x>" + "".join(f"<a{n}/>" for n in range(1_000_000)) + "</x>"},
    "attributes": {"xl/worksheets/sheet1.xml": "<x>" + "".join(f'<a b{n}=""/>' for n in range(1_000_000)) + "</x>"},
    "an attribute": {"xl/worksheets/sheet1.xml": f'<x a="{"ab" * 20_000_000}"/>'},
    "a comment": {"xl/worksheets/sheet1.xml": f"<x><!--{'a>' * 20_000_000}--></x>"},
    "rows": {"xl/worksheets/sheet1.xml": sheet(HEADER + "<row/>" * 1_500_000)},
}

MEASURE = """
import json, resource, sys, time
from sandes.administration.imports.import_files import read_xlsx
from sandes.csv_files import UnreadableFile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, code = time.process_time(), "read"
try:
    with open(sys.argv[1], "rb") as file:
        for _ in read_xlsx(file): pass
except UnreadableFile as unreadable:
    code = unreadable.fault.code
taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps([code, taken, time.process_time() - began]))
"""


def measured(path: Path) -> tuple[str, int, float]:
    """Return the result of reading a file, and the bytes and CPU seconds that it took."""
    command = [sys.executable, "-c", MEASURE, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603
    code, taken, seconds = json.loads(told.stdout)
    return code, taken, seconds


@pytest.mark.slow
@pytest.mark.parametrize("what", sorted(HUNGRY))
def test_a_part_that_is_made_to_fill_the_memory_does_not(what: str, tmp_path: Path) -> None:
    """Measure in a separate process, by the counters of its operating system. The compression ratio does not stop such
    a part, because a small file may be stored uncompressed.
    """
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(raw(changed=HUNGRY[what])) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    found, taken, seconds = measured(path)
    assert found in {"too_large", "not_xlsx", "too_many_rows"}
    assert taken < 48_000_000
    assert seconds < 20


def test_a_long_directory_of_the_zip_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A directory with 400,000 entries for one part took 218 MB."""
    path = tmp_path / "book.xlsx"
    start = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%06d" % number for number in range(400_000))
    counts = (0, 0, 0xFFFF, 0xFFFF, len(directory), len(start), 0)
    path.write_bytes(start + directory + struct.pack("<4s4H2IH", b"PK\5\6", *counts))
    found, taken, seconds = measured(path)
    assert found == "too_large"
    assert taken < 8_000_000
    assert seconds < 1


def test_a_workbook_with_a_password_is_told_as_one() -> None:
    with pytest.raises(UnreadableFile) as error:
        open_sheet(io.BytesIO(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5_000)))
    assert error.value.fault.code == "not_xlsx"
    assert "password" in error.value.fault.message


@pytest.mark.slow
def test_reading_many_rows_takes_little_memory_and_time(tmp_path: Path) -> None:
    rows = "".join(
        row(
            f'<c r="A{n}"><v>{9800000000 + n}</v></c><c r="B{n}" t="inlineStr"><is><t>Officer {n}</t></is></c>',
            number=n,
        )
        for n in range(2, 50_002)
    )
    path = tmp_path / "book.xlsx"
    path.write_bytes(raw(rows).getvalue())
    found, taken, _ = measured(path)
    assert found == "read"
    assert taken < 30_000_000


def test_a_text_that_is_shared_is_bounded_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_xlsx, "MAX_STRING_CHARS", 100)
    texts = "<si><t>xxxxxxxxxx</t></si>" * 11
    assert code(raw(changed={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>'})) == "too_large"


def test_a_part_that_is_not_needed_costs_one_pass_and_no_memory() -> None:
    began = time.process_time()
    assert values(raw(row("<c><v>1</v></c>"), changed={"xl/media/1.png": bytes(1_000_000)})) == [(1,)]
    assert time.process_time() - began < 5
