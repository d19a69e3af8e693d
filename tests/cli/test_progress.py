"""What a log shows of a long task; bars are rich's."""

from __future__ import annotations

import pytest

from brainbench.cli.progress import Plain


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("brainbench.cli.progress.time.monotonic", lambda: now[0])
    return now


def test_a_long_task_is_a_line_a_minute_with_the_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Plain().task("a x b, subject 1") as advance:
        # It goes on from step 4000 at ten steps a second.
        for step in range(4000, 100_001, 5):
            advance(step, 100_000, f"step {step} of 100000, val R2 0.123")
            clock[0] += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9600 // 60
    assert lines[0] == "a x b, subject 1: step 4600 of 100000, val R2 0.123, about 2 h 39 min left"
    assert lines[-2] == "a x b, subject 1: step 99400 of 100000, val R2 0.123, about 1 min left"


def test_a_short_task_is_no_line_and_one_without_a_figure_is_counted(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Plain().task("short") as advance:
        for step in range(60):
            advance(step, 60, "")
            clock[0] += 0.99
    assert capsys.readouterr().err == ""
    with Plain().task("long") as advance:
        advance(1, 4, "")
        clock[0] += 61
        advance(1, 4, "")
        advance(2, 4, "")
    assert capsys.readouterr().err == "long: 2 of 4, about 2 min left\n"
