"""The server's side of the worker: starts it, hands it jobs, and starts it anew when it has died.

A job that was under way then is done again, alone: whatever killed the worker kills no other
picture. If it dies again with that job, the job fails, and the others go on.
"""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from serpent_cli.errors import SerpentError
from serpent_cli.serving.wire import as_error

AT_ONCE = 2  # as the worker's
COMMAND = sys.executable, "-m", "serpent_cli.serving.worker"
START_SECONDS = 300
DYING_SECONDS = 2
"""For a worker whose pipe has closed; then it is killed."""
LINE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server restores with; fields as the options of the same name.

    Attributes:
        models: Loaded at the start; paths among them may be asked for.
    """

    models: tuple[str, ...] = ("deblur",)
    device: str = "auto"
    precision: str = "auto"
    max_memory: str | None = None
    max_vram: str | None = None
    threads: int | None = None
    max_pixels: int = 500_000_000


class LostError(Exception):
    """The worker has died with a job."""


class _Awaited(NamedTuple):
    """An answer that somebody waits for, and whose it will be."""

    process: asyncio.subprocess.Process
    answer: asyncio.Future[dict[str, Any]]


class Crew:
    """One worker at a time, and who waits for it.

    Args:
        settings: Its.
        command: Starts it.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self.settings, self.command = settings, command
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self._ids = itertools.count()
        self._answers: dict[int, _Awaited] = {}
        self._free = asyncio.Semaphore(AT_ONCE)
        self._starting, self._alone = asyncio.Lock(), asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None

    async def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer to a job.

        Args:
            job: Its `begun` becomes true when the worker has it.

        Raises:
            SerpentError: What the worker says is wrong; or it died with the job twice.
        """
        try:
            async with self._free:
                answer = await self._ask(job)
        except LostError:
            answer = await self._again(job)
        if "error" in answer:
            raise as_error(answer)
        return answer

    async def _again(self, job: dict[str, Any]) -> dict[str, Any]:
        try:
            async with self._by_itself():
                return await self._ask(job)
        except LostError:
            raise SerpentError(
                "the worker died twice while it restored this picture",
                hint="if memory was short, start the server with a smaller --max-memory",
            ) from None

    @asynccontextmanager
    async def _by_itself(self) -> AsyncGenerator[None]:
        async with self._alone, contextlib.AsyncExitStack() as stack:
            for _ in range(AT_ONCE):
                await stack.enter_async_context(self._free)
            yield

    async def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        process = await self.running()
        assert process.stdin is not None
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = _Awaited(process, answer)
        line = json.dumps(job | {"id": number}).encode() + b"\n"
        job["begun"] = True
        try:
            process.stdin.write(line)
            await process.stdin.drain()
        except OSError:
            await self._bury(process)
        return await answer

    async def running(self) -> asyncio.subprocess.Process:
        """The worker, started if there is none.

        Raises:
            SerpentError: It cannot start; the worker says why.
        """
        async with self._starting:
            if self.process is None or self.process.returncode is not None:
                self.process = await self._start()
            return self.process

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, limit=LINE_BYTES
        )  # fmt: skip
        self.starts += 1
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(asdict(self.settings)).encode() + b"\n")
            line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
            said = json.loads(line) if line else {"error": "the worker died at its start"}
        except (OSError, TimeoutError, ValueError) as error:
            said = {"error": f"the worker does not start: {error}"}
        if "error" in said:
            await _end(process)
            raise as_error(said)
        self._listener = asyncio.create_task(self._listen(process))
        return process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # a line without end: it has gone mad
            while line := await process.stdout.readline():
                answer = json.loads(line)
                waiting = self._answers.pop(answer["id"], None)
                if waiting is not None and not waiting.answer.done():
                    waiting.answer.set_result(answer)
        await self._bury(process)

    async def _bury(self, process: asyncio.subprocess.Process) -> None:
        """Tell those who wait for a worker that it has died."""
        # A signal to a dead process takes its exit code away from asyncio, which complains.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), DYING_SECONDS)
        await _end(process)
        lost = [number for number, each in self._answers.items() if each.process is process]
        for number in lost:
            waiting = self._answers.pop(number).answer
            if not waiting.done():
                waiting.set_exception(LostError())

    async def close(self) -> None:
        """End the worker."""
        if self._listener is not None:
            self._listener.cancel()
        if self.process is not None:
            await _end(self.process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
