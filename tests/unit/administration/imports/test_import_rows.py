"""Tests rows of a file of officials: all equivalent spellings, all findings, and that no finding contains a number."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from typing import Any

import pytest

from sandes.administration.imports.import_files import Cells
from sandes.administration.imports.import_rows import FINDINGS, BadRow, RowReader
from sandes.administration.imports.import_xlsx import ErrorValue
from sandes.model.ids import OrganisationId, UnitId, id_text, new_organisation_id, new_unit_id
from sandes.model.imports import Entry
from sandes.model.organisation import Organisation, Tree, Unit
from sandes.model.phone import PhoneNumber
from sandes.model.verification import MAX_SECONDS
from sandes.model.words import name_key
from tests.support.service import PEPPER

NOW = 1_790_000_000  # 2026-09-21 13:33:20 UTC, 19:03:20 in India
MIDNIGHT = 1_790_015_400  # the end of that day in India
DAY = 86_400
PHONE = "+919812345678"
GOOD: dict[str, object] = {"phone": PHONE, "name": "Asha Rao", "post": "Clerk", "expires": "2027-03-31"}


def tree() -> Tree:
    root = OrganisationId(new_organisation_id())
    units = {UnitId(root): Unit(UnitId(root), "Railways", "ministry", None, 0)}

    def add(name: str, parent: UnitId) -> UnitId:
        id = new_unit_id()
        units[id] = Unit(id, name, "department", parent, 0)
        return id

    north, south = add("Northern Zone", UnitId(root)), add("Southern Zone", UnitId(root))
    add("Signalling", north)
    add("Signalling", south)
    add("Works / Bridges", south)
    return Tree(Organisation(root, "Railways", 0, 1), units)


TREE = tree()
UNITS = {" / ".join(TREE.units[id].name for id in reversed(TREE.path(unit))): unit for unit in TREE.units}
ROOT, NORTH, SOUTH = UNITS["Railways"], UNITS["Railways / Northern Zone"], UNITS["Railways / Southern Zone"]


def read(changed: dict[str, object] | None = None, *, scope: UnitId = ROOT, **more: object) -> Entry | BadRow:
    values: dict[str, object] = GOOD | (changed or {}) | more
    return RowReader(TREE, scope, PEPPER, NOW).read(Cells(7, values))


def good(**changed: Any) -> Entry:
    entry = read(**changed)
    assert isinstance(entry, Entry), entry
    return entry


def codes(**changed: Any) -> list[str]:
    bad = read(**changed)
    assert isinstance(bad, BadRow), bad
    assert bad.row == 7
    return list(bad.codes)


# Numbers


@pytest.mark.parametrize(
    "cell",
    [
        *(PHONE, "+91 98123 45678", "+91-98123-45678", "9812345678", "09812345678", "919812345678", "98123 45678"),
        *(9812345678, 919812345678, 9812345678.0, "'+919812345678", " 9812345678 ", "(+91) 98123-45678"),
        *(
            "९८१२३४५६७८",
            "०९८१२३४५६७८",
            "९१ ९८१२३ ४५६७८",
            "৯৮১২৩৪৫৬৭৮",
            "\uff19\uff18\uff112345678",
            "\U0001d7f5\U0001d7f412345678",
        ),
        *("\u202a+919812345678\u202c", "\u200e9812345678", "98123\u200b45678", "\ufeff98123\u201145678\u200f"),
        *("98123\u201345678", "98123\u221245678", "98123\u00a045678", "98123.45678", "'9812345678", "\u20199812345678"),
        *("00919812345678", "00 91 98123 45678", "9812345678.0", "919812345678.0", "+919812345678.00", 919812345678.0),
    ],
)
def test_a_number_is_the_same_however_it_is_written(cell: object) -> None:
    assert good(phone=cell).index == PEPPER.index("phone", PHONE)


@pytest.mark.parametrize(
    "cell",
    [
        *(None, "", "12345", "abc", 98123456, "9.81E+09", "1812345678", "+9198", True, "98123456789"),
        *("+91 +919812345678", "0919812345678", "+91 919812345678", "++919812345678", "91+9812345678"),
        *("9812345678 9812345679", "981234567.80", "9812345678 (2)", "0", "00", "+", "."),
        *(-9812345678.0, 98123.45678, 98123456.5, date(2028, 3, 31), float("inf"), float("nan"), 9.812345678e20),
    ],
)
def test_what_is_no_number_is_found(cell: object) -> None:
    assert codes(phone=cell) == ["bad_number"]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        *(
            (cell, "letters")
            for cell in ("+9198123XXXXX", "+91XXXXXX5678", "98123 STORE", "98123*****", "tel:9812345678")
        ),
        *(
            (cell, "letters")
            for cell in ("9812345678/79", "9812345678, 9812345679", "98123\n45678", "9812345678 ext 2")
        ),
        *((cell, "letters") for cell in ("#N/A", "????", "98123 \uff14567\uff38", "\uff38" * 10)),
        *((cell, "rounded") for cell in ("9.1982E+11", "9.19812E+11", "9,1982E+11", "9.1982e11", "9E+09")),
        *((cell, "rounded") for cell in (919820000000, 9.1982e11, 919812000000, "919812000000", "919812000000.0")),
        *((cell, "rounded") for cell in (9820000000, 9.877e9, "9877000000", "9.9E+09")),
    ],
)
def test_a_finding_says_why_a_text_with_letters_is_no_number(cell: object, fault: str) -> None:
    bad = read(phone=cell)
    assert isinstance(bad, BadRow)
    assert (bad.codes, bad.faults) == (["bad_number"], [f"bad_number/{fault}"])
    assert ("format the column as text" in FINDINGS[bad.faults[0]][1]) == (fault == "rounded")


def test_numbers_of_other_countries_have_their_code() -> None:
    assert good(phone="+44 20 7946 0958").index == PEPPER.index("phone", "+442079460958")


# Days


@pytest.mark.parametrize(
    "cell",
    ["2027-03-31", "31/03/2027", "31-03-2027", "31.3.2027", "2027-3-31", date(2027, 3, 31), "2027-03-31 00:00:00"],
)
def test_a_verification_ends_with_its_day_in_india(cell: object) -> None:
    assert good(expires=cell).expires_at == 1_806_517_800  # 2027-03-31 18:30:00 UTC


@pytest.mark.parametrize(
    "cell", ["31/31/2027", "2027-02-30", "soon", 46112, 1.5, "03/31/2027", "31/03/27", True, "0000-01-01"]
)
def test_what_is_no_day_is_found(cell: object) -> None:
    assert codes(expires=cell) == ["bad_expires"]
    assert codes(expires=None, retirement=cell) == ["bad_retirement"]


def test_this_day_is_good_to_its_end_and_the_one_before_is_over() -> None:
    assert good(expires="2026-09-21").expires_at == MIDNIGHT
    assert codes(expires="2026-09-20") == ["date_past"]
    assert codes(expires=None, retirement="2026-09-20") == ["date_past"]


def test_five_years_are_the_longest_and_a_later_retirement_is_cut_to_them() -> None:
    last = date.fromordinal(date(2026, 9, 21).toordinal() + MAX_SECONDS // DAY - 1)
    assert good(expires=last).expires_at <= NOW + MAX_SECONDS
    assert codes(expires=date.fromordinal(last.toordinal() + 1)) == ["date_too_far"]
    late = good(expires=None, retirement="2056-01-31")
    assert (late.expires_at, late.capped) == (good(expires=last).expires_at, True)
    assert not good(expires=None, retirement="2028-01-31").capped


def test_of_two_days_the_earlier_counts() -> None:
    assert good(expires="2027-03-31", retirement="2026-12-31") == good(expires="2026-12-31")
    assert good(expires="2027-03-31", retirement="2056-12-31") == good()
    assert codes(expires=None) == ["date_missing"]
    assert codes(expires="", retirement=" ") == ["date_missing"]


# Units


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", ROOT),
        ("Railways", ROOT),
        ("northern  ZONE", NORTH),
        (id_text(NORTH), NORTH),
        ("Northern Zone/Signalling", UNITS["Railways / Northern Zone / Signalling"]),
        ("Railways / Southern Zone / Signalling", UNITS["Railways / Southern Zone / Signalling"]),
        ("works / bridges", UNITS["Railways / Southern Zone / Works / Bridges"]),
    ],
    ids=("none", "root", "name", "id", "path", "whole path", "end of a path"),
)
def test_a_unit_is_named_by_id_name_or_path(text: str, unit: UnitId) -> None:
    assert good(unit=text).unit == unit


def test_a_unit_must_be_one_and_within_reach() -> None:
    assert codes(unit="Signalling") == ["unit_ambiguous"]
    assert codes(unit="Catering") == ["unit_unknown"]
    assert codes(unit=id_text(new_unit_id())) == ["unit_unknown"]


def test_what_lies_outside_of_reach_is_as_if_it_were_not_there() -> None:
    assert good(scope=NORTH, unit="Signalling").unit == UNITS["Railways / Northern Zone / Signalling"]
    assert good(scope=NORTH, unit="").unit == NORTH
    for text in ("Southern Zone", id_text(SOUTH), "Railways", id_text(ROOT), "Works / Bridges"):
        assert codes(scope=NORTH, unit=text) == ["unit_unknown"]


# Everything else


def test_names_and_posts_are_held_to_the_rules_of_names() -> None:
    assert (good(name="  Asha   Rao ").name, good(post="निरीक्षक").post) == ("Asha Rao", "निरीक्षक")
    for text in ("", None, "x" * 65, "a\u202eb", "✓ Asha", "\u200b", "x" * 100_000):
        assert codes(name=text) == ["bad_name"]
    for text in ("", None, "x" * 129, "a\nb\x00"):
        assert codes(post=text) == ["bad_post"]


def test_what_the_file_says_nothing_of_is_left_as_it_is() -> None:
    assert (good().email, good().listed) == (None, None)
    assert (good(email="").email, good(listed="").listed) == ("", False)
    assert good(email="a@x.example").email == "a@x.example"
    assert [codes(email=text) for text in ("a", "a@b@c", "a b@c")] == [["bad_email"]] * 3


def test_yes_and_no_have_many_words() -> None:
    assert [good(listed=cell).listed for cell in ("Yes", "TRUE", True, 1, "हाँ")] == [True] * 5
    assert [good(listed=cell).listed for cell in ("no", "False", False, 0, "नहीं")] == [False] * 5
    assert codes(listed="perhaps") == ["bad_listed"]


def test_off_boarding_needs_a_reason_and_nothing_else() -> None:
    for action in ("revoke", "Off-board", "offboard"):
        entry = RowReader(TREE, ROOT, PEPPER, NOW).read(
            Cells(7, {"phone": PHONE, "action": action, "reason": " left "})
        )
        assert entry == Entry(7, PEPPER.index("phone", PHONE), "revoke", ROOT, reason="left", phone=PhoneNumber(PHONE))
    assert codes(action="revoke") == ["reason_missing"]
    assert codes(action="revoke", reason="x" * 257) == ["bad_reason"]
    assert codes(action="revoke", reason="x", phone="1") == ["bad_number"]
    assert codes(action="delete") == ["bad_action"]


def test_all_findings_of_a_row_are_told_at_once() -> None:
    found = codes(phone="1", name="", post="", unit="?", expires="?", email="?", listed="?")
    assert found == ["bad_number", "bad_expires", "unit_unknown", "bad_name", "bad_post", "bad_email", "bad_listed"]
    assert set(found) <= FINDINGS.keys()


def test_a_row_that_could_not_be_read_says_so() -> None:
    reader = RowReader(TREE, ROOT, PEPPER, NOW)
    assert reader.read(Cells(3, {}, "ragged")) == BadRow(3, ["ragged"])
    formula = reader.read(Cells(4, {}, "formula/name"))
    assert isinstance(formula, BadRow)
    assert (formula.codes, FINDINGS[formula.faults[0]][0]) == (["formula"], "name")


# What was lost on the way


@pytest.mark.parametrize("name", ["name", "post"])
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        *(
            (text, "letters_lost")
            for text in ("????", "???? ????", "??", "?", "Asha ???", "Jos? Garc?a?s", "As\ufffdha")
        ),
        *(
            (text, "letters_lost")
            for text in ("Andr\u00c3\u00a9", "\u00e0\u00a4\u2020\u00e0\u00a4\u00b6\u00e0\u00a4\u00be")
        ),
        *(
            (text, "error_value")
            for text in ("#N/A", "#n/a", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")
        ),
        *((text, "letters_lost") for text in ("Asha ?ao", "?sha", "&#2352;&#2366;&#2350;", "Asha &amp; Rao")),
        *((text, "error_value") for text in ("#\u00a1VALOR!", "#\u0928\u093e\u092e?", "#WERT!", "#NV", "#N/A N/A")),
        *((text, "error_value") for text in ("N/A", "n/a", "(null)", "NULL", "NaN", "<NA>", "undefined")),
        *((text, "error_value") for text in ("#SPILL!", "#CALC!", "#GETTING_DATA", "#FIELD!", "########", "Err:502")),
        *((ErrorValue(text), "error_value") for text in ("#N/A", "#REF!")),
        *(
            (text, "letters_lost")
            for text in ("Asha_x000D_", "\\u0906\\u0936\\u093e", "Asha%20Rao", "%E0%A4%86", "Ren&eacute;")
        ),
        *(
            (text, "placeholder")
            for text in ("N.A.", "n.a", "NA", "N / A", "TBD", "tba", "Nil", "none", "NULL NULL", "\\N")
        ),
        *(
            (text, "placeholder")
            for text in ("Not applicable", "Not available.", "Unknown", "Vacant", "(vacant)", "TRUE")
        ),
        *(
            (text, "placeholder")
            for text in ("(blank)", "To be filled", "Same as above", "Grand Total", "Loading...", "Mr", "Dr.", "wahr")
        ),
        *((text, "placeholder") for text in ("Name of Officer", "DESIGNATION", "Full name:")),
        *(
            (text, "letters_lost")
            for text in ("Zo\u00c3\u00ab (\u0930\u0935\u093f)", "\u0930\u0935\u093f Ren\u00c3\u00a9")
        ),
        *(
            (text, "placeholder")
            for text in (
                "-do-",
                '" do "',
                "Ditto",
                "\u0930\u093f\u0915\u094d\u0924",
                "\u0930\u093f\u0915\u094d\u0924 \u092a\u0926",
            )
        ),
        *((text, "placeholder") for text in ("XXXX", "xx", "AXXXX RXX", "A*** R**", "Ash* Rao", "\uff34\uff22\uff24")),
        *(
            (text, "placeholder")
            for text in ("{{name}}", "{name}", "{#var#}", "${name}", "%s", "<name>", "[Name]", "\u00abname\u00bb")
        ),
    ],
)
def test_lost_letters_and_errors_are_nobodys_name_or_post(name: str, text: str, cause: str) -> None:
    bad = read({name: text})
    assert isinstance(bad, BadRow)
    assert (bad.codes, bad.faults) == ([f"bad_{name}"], [f"bad_{name}/{cause}"])
    assert ("CSV UTF-8" in FINDINGS[bad.faults[0]][1]) == (cause == "letters_lost")


def test_lost_letters_and_errors_are_no_reason_either() -> None:
    for text in ("????", "#REF!", "TBD"):
        assert codes(action="revoke", reason=text) == ["bad_reason"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Jos\u00e9 Garc\u00eda",
            "\u0906\u0936\u093e",
            "D'Souza",
            "R. #2 Rao",
            "Zo\u00eb",
            "\u00c5sa",
            "\u00c3",
            "A#",
        ),
        *(
            "Nil Sen",
            "N. A. Khan",
            "Na Li",
            "Nana",
            "Do Thi Lan",
            "Vacanti",
            "R&D Rao",
            "Rao [IAS]",
            "Ward XXX",
            "Max",
            "Xu",
        ),
    ],
)
def test_names_with_accents_and_marks_stay(text: str) -> None:
    assert good(name=text).name == text


@pytest.mark.parametrize("name", ["name", "post"])
@pytest.mark.parametrize(
    "cell", ["-", "--", "_", "***", "12345", "\u25a1\u25a1", 9812345678, True, 7.5, date(2028, 3, 31)]
)
def test_a_name_or_post_has_a_letter(name: str, cell: object) -> None:
    assert codes(**{name: cell}) == [f"bad_{name}"]


@pytest.mark.parametrize("text", ["Ram ? Lal", "Asha Ra?"])
def test_a_name_has_no_question_mark(text: str) -> None:
    assert codes(name=text) == ["bad_name"]


@pytest.mark.parametrize("cell", [date(9999, 12, 31), datetime(9999, 12, 31), "9999-12-31", "31/12/9999"])  # noqa: DTZ001
def test_a_day_that_means_never_is_none(cell: object) -> None:
    assert codes(expires=cell) == ["bad_expires"]
    assert codes(retirement=cell) == ["bad_retirement"]


def test_a_post_may_end_with_a_question_mark() -> None:
    assert good(post="Clerk (acting?)").post == "Clerk (acting?)"


# Names of units


@pytest.mark.parametrize(
    "written",
    [
        "\u0938\u0921\u093c\u0915",
        "\u0938\u095c\u0915",
        "\u200e\u0938\u095c\u0915 ",
        "Caf\u00e9",
        "Cafe\u0301",
        "CAF\u00c9",
        "\uff23af\u00e9",
    ],
)
@pytest.mark.parametrize("kept", ["NFC", "NFD"])
def test_a_unit_is_found_in_whatever_form_its_name_is_written(written: str, kept: Any) -> None:
    id = new_unit_id()
    name = "\u0938\u095c\u0915" if "\u0938" in written else "Caf\u00e9"
    units = {**TREE.units, id: Unit(id, unicodedata.normalize(kept, name), "department", ROOT, 0)}
    reader = RowReader(Tree(TREE.organisation, units), ROOT, PEPPER, NOW)
    for path in (written, f"Railways / {written}"):
        entry = reader.read(Cells(7, GOOD | {"unit": path}))
        assert isinstance(entry, Entry), entry
        assert entry.unit == id


@pytest.mark.parametrize("written", ["\u0915\u094d\u0937", "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200c\u0937"])
def test_marks_that_join_letters_make_no_other_unit(written: str) -> None:
    id = new_unit_id()
    units = {**TREE.units, id: Unit(id, "\u0915\u094d\u200d\u0937", "department", ROOT, 0)}
    entry = RowReader(Tree(TREE.organisation, units), ROOT, PEPPER, NOW).read(Cells(7, GOOD | {"unit": written}))
    assert isinstance(entry, Entry), entry
    assert entry.unit == id
    assert name_key(written) == name_key(units[id].name)


# Dates


@pytest.mark.parametrize(
    "text",
    [
        *("2028-03-31", "2028/03/31", "2028.3.31", "31/03/2028", "31-3-2028", "31.03.2028", "2028-03-31 00:00:00"),
        *("31-Mar-2028", "31-MAR-2028", "31 march 2028", "31 Mar 2028", "31/Mar/2028", "31.Mar.2028", "31-Mar-28"),
        *("31st March 2028", "31st March, 2028", "March 31, 2028", "Mar 31 2028", "Mar. 31, 2028", "2028-Mar-31"),
        *(
            "31Mar2028",
            "\u200e31-03-2028",
            "31\u201103\u20112028",
            "31\u2013Mar\u20132028",
            "\u0969\u0967-\u0966\u0969-\u0968\u0966\u0968\u096e",
        ),
        *(
            "31 \u092e\u093e\u0930\u094d\u091a 2028",
            "31-\u092e\u093e\u0930\u094d\u091a-2028",
            "31/03/2028 00:00:00",
            "2028-03-31T00:00:00",
        ),
    ],
)
def test_a_day_may_be_written_as_people_write_it(text: str) -> None:
    assert good(expires=text).expires_at == good(expires=date(2028, 3, 31)).expires_at


@pytest.mark.parametrize(
    "text",
    [
        *("03/31/2028", "31/03/28", "28/03/31", "31-03-28", "20280331", "Mar-2028", "March 2028", "31-Foo-2028"),
        *("31-Feb-2028", "0-Mar-2028", "31-Mar", "31-Mar-028", "Mar 31, 28", "31-Mar-2028 10:00", "46843", "31-M-2028"),
    ],
)
def test_what_may_be_read_in_two_ways_or_none_is_no_date(text: str) -> None:
    assert codes(expires=text) == ["bad_expires"]


# E-mail


@pytest.mark.parametrize(
    "text",
    [
        *("asha@example,in", "asha@example..in", "asha..rao@example.in", "mailto:asha@example.in", "asha@example.in."),
        *(
            ".asha@example.in",
            "asha.@example.in",
            "asha@.example.in",
            "asha@-example.in",
            "asha@example.in;b@example.in",
        ),
        *(
            "Asha <asha@example.in>",
            "<asha@example.in>",
            "asha@[127.0.0.1]",
            "asha@127.0.0.1",
            "asha@localhost",
            "asha",
        ),
        *("asha rao@example.in", '"asha rao"@example.in', "asha@exam_ple.in", "asha@@example.in", "asha@example.in/"),
        *(
            "a\u0455ha@example.in",
            "asha@p\u043erts.example",
            "asha@x\u3002in",
            "\uff41sha@example.in",
            "ash\u0131@example.in",
        ),
        *("'asha'@example.in", "asha@example.in,b@example.in", "asha@example.in ravi@example.in", "#N/A", "????"),
    ],
)
def test_what_is_no_address_is_found(text: str) -> None:
    assert codes(email=text) == ["bad_email"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("asha.rao@example.gov.in", "asha.rao@example.gov.in"),
        (" Asha.Rao+desk@EXAMPLE.in ", "Asha.Rao+desk@example.in"),
        ("o'brien_2@x-y.example", "o'brien_2@x-y.example"),
        ("asha@xn--p1b6ci4b4b3a.example", "asha@xn--p1b6ci4b4b3a.example"),
    ],
)
def test_an_address_is_kept_as_it_is_written(text: str, kept: str) -> None:
    assert good(email=text).email == kept
