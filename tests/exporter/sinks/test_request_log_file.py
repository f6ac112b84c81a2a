"""Lines in a file: all of them, each once, within a bound, and never half of one for long."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.sinks.request_log_file import (
    PIECE,
    LineFileError,
    RotatedFile,
    StandardOutput,
    lines_backwards,
)

MIB = 2**20


def line(number: int, size: int = 0) -> bytes:
    return json.dumps({"event": {"id": f"{number}"}, "more": "x" * size}).encode() + b"\n"


def numbers(path: Path) -> list[int]:
    """Of the lines of a file, each of which is complete."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [int(json.loads(one)["event"]["id"]) for one in text.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.ndjson"


@pytest.fixture
def output(path: Path) -> Iterator[RotatedFile]:
    file = RotatedFile(path, MIB, 3)
    yield file
    file._close()


def test_lines_are_appended_and_others_may_not_read_them(path: Path, output: RotatedFile) -> None:
    output.write([line(1), line(2)])
    output.write([line(3)])
    output.write([])
    assert numbers(path) == [1, 2, 3]
    assert path.stat().st_mode & 0o007 == 0


def test_a_line_that_was_cut_off_makes_room_for_the_next(path: Path, output: RotatedFile) -> None:
    for rest in (b'{"event"', b"\0" * 100, line(9)[:-1]):
        path.write_bytes(line(1) + rest)
        RotatedFile(path, MIB, 3).write([line(2)])
        assert numbers(path) == [1, 2]


def test_a_line_that_was_cut_off_may_be_all_there_is(path: Path, output: RotatedFile) -> None:
    path.write_bytes(b'{"event')
    output.write([line(1)])
    assert numbers(path) == [1]


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"{" * 3 * MIB, line(1) + b"words"])
def test_a_file_of_something_else_is_left_as_it_is(path: Path, output: RotatedFile,
                                                   content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LineFileError, match="no line of a request log"):
        output.write([line(1)])
    assert path.read_bytes() == content


def test_files_are_bounded_in_size_and_number_and_the_oldest_one_goes(path: Path) -> None:
    output = RotatedFile(path, 10_000, 3)
    for number in range(100):
        output.write([line(2 * number, 900), line(2 * number + 1, 900)])
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert all(file.stat().st_size <= 10_000 for file in files)
    kept = [number for file in (files[2], files[1], files[0]) for number in numbers(file)]
    assert kept == [*range(kept[0], 200)]
    assert len(kept) > 20


def test_one_call_of_many_lines_is_rotated_in_its_midst(path: Path) -> None:
    RotatedFile(path, 10_000, 5).write([line(number, 900) for number in range(35)])
    kept = [number for end in (".3", ".2", ".1", "") for number in numbers(Path(f"{path}{end}"))]
    assert kept == [*range(35)]


def test_bounds_may_change_while_it_is_open(path: Path) -> None:
    output = RotatedFile(path, MIB, 5)
    output.write([line(1, 900)])
    output.configure(1000, 2)
    output.write([line(2, 900)])
    assert numbers(path) == [2]


def test_who_moves_the_file_away_gets_a_new_one(path: Path, output: RotatedFile) -> None:
    output.write([line(1)])
    path.rename(path.with_name("moved"))
    output.write([line(2)])
    assert numbers(path) == [2]
    path.unlink()
    output.write([line(3)])
    assert numbers(path) == [3]


def test_the_last_lines_are_read_again_over_several_files(path: Path) -> None:
    output = RotatedFile(path, 10_000, 5)
    output.write([line(number, 900) for number in range(35)])
    with path.open("ab") as file:
        file.write(b'{"event": {"id": "cut off"')
    with Path(f"{path}.2").open("ab") as file:
        file.write(b"not JSON\n[]\n{}\n")
    assert output.last_ids(20) == [f"{number}" for number in range(34, 14, -1)]
    assert len(output.last_ids(1000)) == 35


def test_there_are_no_last_lines_where_there_is_no_file(output: RotatedFile) -> None:
    assert output.last_ids(10) == []


@pytest.mark.parametrize("size", [0, 1, PIECE - 2, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_lines_are_read_backwards_however_long_they_are(path: Path, size: int) -> None:
    path.write_bytes(b"first\n" + b"x" * size + b"\nlast\n")
    assert [*lines_backwards(path)] == [b"last", b"x" * size, b"first"]


def test_a_missing_folder_is_told_of_with_its_name_and_lines_go_on_once_it_is_there(
        tmp_path: Path) -> None:
    path = tmp_path / "logs" / "requests.ndjson"
    output = RotatedFile(path, MIB, 3)
    with pytest.raises(LineFileError, match=r"logs/requests\.ndjson: No such file"):
        output.write([line(1)])
    path.parent.mkdir()
    output.write([line(1)])
    assert numbers(path) == [1]


def test_lines_on_standard_output_begin_anew_after_one_that_was_cut_off() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    output = StandardOutput(writer)
    assert output.last_ids(10) == ()
    output.write([line(1)])
    with pytest.raises(LineFileError, match="standard output"):
        output.write([line(2, 10 * MIB)])  # more than the pipe takes
    os.set_blocking(reader, False)
    while True:
        try:
            received = os.read(reader, MIB)
        except BlockingIOError:
            break
    assert not received.endswith(b"\n")
    output.write([line(3)])
    assert os.read(reader, MIB) == b"\n" + line(3)
    os.close(reader)
    os.close(writer)
