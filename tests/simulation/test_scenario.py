"""`mesh chaos run simulation`: what the program says, in the words of a scenario."""

import asyncio
import sys

import pytest

from mesh.checking.records import Problem
from nodes.simulation.course import Verdict
from nodes.simulation.telling import summary_of
from tools.chaos import catalogue
from tools.chaos.scenarios.simulation import found_in, result_of
from tools.ctl.exits import CommandError


def test_problems_are_counted_by_their_checker_and_name_their_seed() -> None:
    broken = Verdict(4, "00", [Problem("lost", "operation 1/2: gone"), Problem("gold", "all purses hold 1")], [], 10, 5)
    found = found_in(summary_of([Verdict(3, messages=20, operations=7), broken], 1.0))
    assert found.problems == [
        Problem("lost", "seed 4: operation 1/2: gone"),
        Problem("gold", "seed 4: all purses hold 1"),
    ]
    assert (found.faults, found.acked, found.lost, found.doubled) == (2, 12, 1, 0)
    assert found.reached["failed_courses"] == 1
    assert any("--seed 4" in note for note in found.notes)


async def program(source: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", source, stdin=pipe, stdout=pipe, stderr=pipe)


def test_how_far_it_is_is_passed_on_before_there_is_a_result() -> None:
    source = "import sys; print('3 of 9', file=sys.stderr, flush=True); input(); print('{\"seeds\": 9}')"

    async def main() -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        child = await program(source)
        result = asyncio.create_task(result_of(child, heard.put_nowait))
        assert await heard.get() == "3 of 9"
        assert child.stdin is not None
        child.stdin.write(b"go on\n")  # only now it ends
        assert await result == {"seeds": 9}
        assert await child.wait() == 0

    asyncio.run(main())


def test_a_program_without_a_result_is_told_with_its_last_words() -> None:
    source = "import sys; [print(f'line {i}', file=sys.stderr) for i in range(9)]; sys.exit(1)"

    async def main() -> None:
        child = await program(source)
        with pytest.raises(CommandError, match="line 8") as caught:
            await result_of(child, lambda text: None)
        assert "line 3" not in str(caught.value)
        assert await child.wait() == 1

    asyncio.run(main())


def test_it_is_in_the_catalogue() -> None:
    assert catalogue.load("simulation").what == "courses"
