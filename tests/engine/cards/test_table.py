"""Tables are read however spreadsheets save them; what cannot be read right is refused, and no column is lost."""

import codecs
import csv
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.cards.table
from engine.cards.table import BadManifest, defuse_formula, read_table, unused_columns_message, without_apostrophe

COLUMNS = ("card_id", "front", "grade", "notes")
CELLS = {"card_id": "Pokémon", "front": "a b.jpg", "grade": "9"}


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, columns=COLUMNS, required=("card_id",))


@pytest.mark.parametrize(
    "header",
    [
        "card_id,front,grade",
        "Card_ID, Front ,GRADE ",
        "card id,FRONT,Grade",
        '"Card-Id","front","grade"',
        "card_id,front,grade,",
    ],
)
def test_columns_are_matched_without_case_and_blanks(tmp_path, header):
    table = read(tmp_path / "t.csv", f"{header}\r\nPokémon,a b.jpg,9\r\n")
    assert [row.cells for row in table.rows] == [CELLS]
    assert table.unknown_columns == []


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_separators_encodings_and_line_ends_give_the_same_rows(tmp_path, separator, encoding, line_end):
    lines = [separator.join(cells) for cells in (("card_id", "front", "grade"), ("Pokémon", "a b.jpg", "9"))]
    table = read(tmp_path / "t.csv", "".join(line + line_end for line in lines).encode(encoding))
    assert [(row.line, row.cells) for row in table.rows] == [(2, CELLS)]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf_16_with_a_byte_order_mark_is_read(tmp_path, mark):
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    table = read(tmp_path / "t.csv", mark + "card_id;front;grade\nPokémon;a b.jpg;9\n".encode(encoding))
    assert [row.cells for row in table.rows] == [CELLS]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
def test_excel_s_separator_line_is_followed_and_lines_are_still_counted(tmp_path, first):
    table = read(tmp_path / "t.csv", f"{first}\r\ncard_id;front;grade\r\nPokémon;a b.jpg;9\r\n")
    assert [(row.line, row.cells) for row in table.rows] == [(3, CELLS)]


def test_quoted_cells_may_hold_separators_and_line_breaks_and_blank_lines_are_skipped(tmp_path):
    table = read(tmp_path / "t.csv", 'card_id,notes\na, "one, two\r\nthree"\r\n\r\n,\r\nb,x\r\n')
    assert [row.cells["notes"] for row in table.rows] == ["one, two\r\nthree", "x"]


@pytest.mark.parametrize("closing", ["", '"', 'b,y.jpg,8,"good"\n'])
def test_rows_that_an_open_quote_swallows_are_not_lost_in_silence(tmp_path, closing):
    text = f'sep=,\ncard_id,front,grade,notes\na,x.jpg,9,fine\nb,y.jpg,8,"open\nc,z.jpg,7,\n{closing}d,z.jpg,7,\n'
    with pytest.raises(BadManifest, match=r"t\.csv: the quotes of the row that begins in line 4 do not match; close"):
        read(tmp_path / "t.csv", text)
    with pytest.raises(BadManifest, match=r"begins in line 1 do not match"):
        read(tmp_path / "t.csv", '"card_id,front,grade\na,x.jpg,9\n')


def test_quotes_within_one_line_may_be_any(tmp_path):
    text = 'card_id,front,notes\n"a" ,x.jpg,a 5" card\nb,"y.jpg" ,"first" edition\n'
    assert [row.cells["card_id"] for row in read(tmp_path / "t.csv", text).rows] == ["a", "b"]


def test_a_line_of_a_million_columns_is_refused_at_once_and_the_names_of_many_are_not_all_listed(tmp_path):
    start = time.process_time()
    with pytest.raises(BadManifest, match="the first line has 7888906 letters, and is to name the columns"):
        read(tmp_path / "t.csv", "card_id," + ",".join(f"c{number}" for number in range(1_000_001)))
    assert time.process_time() - start < 2
    table = read(tmp_path / "t.csv", "card_id," + ",".join(f"c{number}" for number in range(500)) + "," * 16_000)
    [message] = unused_columns_message(tmp_path / "t.csv", table)
    assert "'c19' and 480 more" in message
    assert "'c20'" not in message


def test_an_unknown_column_is_named_as_it_is_written(tmp_path):
    table = read(tmp_path / "t.csv", "card_id,Price,grade\na,3,9\n")
    assert table.unknown_columns == ["Price"]
    assert "'Price'" in unused_columns_message(tmp_path / "t.csv", table)[0]


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("card_id,grade,Grade", "the column 'grade' occurs 2 times; keep one of them"),
        ("card_id,grades", "the column 'grades' is not known; name it 'grade'"),
        ('card_id,"Grade (PSA)"', r"the column 'Grade \(PSA\)' is not known; name it 'grade'"),
        ('card_id,"grade, psa"', "the column 'grade, psa' is not known; name it 'grade'"),
        ("card_id,PSA grade", "the column 'PSA grade' is not known; name it 'grade'"),
        ("card,front", "the column 'card_id' is missing; the first line must name card_id"),
        ("", "the column 'card_id' is missing"),
    ],
)
def test_columns_that_would_be_lost_or_confused_are_refused(tmp_path, header, complaint):
    with pytest.raises(BadManifest, match=f"t.csv: {complaint}"):
        read(tmp_path / "t.csv", f"{header}\na,b,c\n")


def test_a_row_with_too_many_cells_is_a_problem_and_one_with_too_few_is_not(tmp_path):
    rows = read(tmp_path / "t.csv", "card_id,grade\na,8,5\nb,8,,\nc\n").rows
    assert [row.cells for row in rows] == [
        {"card_id": "a", "grade": "8"},
        {"card_id": "b", "grade": "8"},
        {"card_id": "c"},
    ]
    assert rows[0].problem.startswith("has 3 cells, but the first line names 2 columns; put quotes around")
    assert not any(row.problem for row in rows[1:])


def test_an_encoding_that_would_have_to_be_guessed_is_refused_with_the_line(tmp_path):
    with pytest.raises(BadManifest, match=r"is not a CSV file in UTF-8; save it as CSV \(UTF-8\).*\(line 3\)"):
        read(tmp_path / "t.csv", "card_id\na\nGrüße\n".encode("cp1252"))


def test_pipes_devices_folders_and_huge_tables_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.csv")
    monkeypatch.setattr(engine.cards.table, "MAX_TABLE_BYTES", 1_000_000)
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(1_000_001)
    began = time.monotonic()
    for path, complaint in (
        (tmp_path / "pipe.csv", "is a pipe or a device"),
        ("/dev/zero", "is a pipe or a device"),
        (tmp_path, "is a folder"),
        (tmp_path / "huge.csv", "is larger than 1 MB"),
        (tmp_path / "none.csv", "cannot be read .No such file"),
    ):
        with pytest.raises(BadManifest, match=complaint):
            read_table(tmp_path / path, columns=COLUMNS, required=("card_id",))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "'=1", "''@x", "'"])
def test_no_cell_is_left_that_a_spreadsheet_would_run(text):
    assert defuse_formula(text)[0] not in "=+-@\t\r\n＝＋－＠"


@given(st.text())
def test_a_defused_cell_is_read_back_as_it_was(text):
    assert without_apostrophe(defuse_formula(text)) == text


def test_defused_cells_pass_through_a_table(tmp_path):
    texts = ['=HYPERLINK("http://x")', "'=x", "plain", "'quoted'", "-3"]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["card_id"], *([defuse_formula(text)] for text in texts)])
    table = read_table(tmp_path / "t.csv", columns=COLUMNS, required=("card_id",))
    assert [row.cells["card_id"] for row in table.rows] == texts


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: f"card_id,grade\n{text}".encode()))
def test_any_bytes_give_a_table_or_one_sentence(tmp_path_factory, content):
    try:
        table = read(tmp_path_factory.getbasetemp() / "any.csv", content)
    except BadManifest as error:
        assert "\n" not in str(error)
    else:
        assert all(
            set(row.cells) <= set(COLUMNS) | set(table.unknown_columns) or table.unknown_columns for row in table.rows
        )
