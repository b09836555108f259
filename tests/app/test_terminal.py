"""The JSON of a command is written whatever letters its names have and its output can show."""

import io
import json
import sys

import pytest

from app.settings import UserError, data_folder
from app.terminal import print_error, print_message, print_result

NAMES = {"plain": "a.jpg", "Japanese": "\u30ea\u30b6.jpg", "no UTF-8": "\udcff.jpg"}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_comes_back_from_the_output(monkeypatch, tmp_path, encoding, name):
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding=encoding))
    print_result({"path": name}, None)
    assert json.loads(output.getvalue().decode(encoding)) == {"path": name}
    print_result({"path": name}, tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == {"path": name}


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\x9b", "\u202e", "\u2066", "\u2028", "\udcff"])
def test_a_name_neither_breaks_the_line_nor_controls_the_terminal(capsys, sign):
    print_error(f"a{sign}[31m.jpg: é 卡 \U0001f600")
    print_message(f"{sign}.jpg: is not a picture")
    shown = sign.encode("unicode_escape").decode()
    expected = f"loupe: a{shown}[31m.jpg: é 卡 \U0001f600\n{shown}.jpg: is not a picture\n"
    assert capsys.readouterr().err == expected


def test_a_data_folder_whose_name_cannot_be_stored_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not valid UTF-8; give another with --data"):
        data_folder(tmp_path / "\udcff")
