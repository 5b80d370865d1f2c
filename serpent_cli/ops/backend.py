"""Backends: several implementations of one operation, each of which says why it cannot run."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from serpent_cli.errors import DeviceError

Request = TypeVar("Request")


@dataclass(frozen=True)
class Backend(Generic[Request]):
    """One implementation of an operation.

    Attributes:
        name: What users force it by.
        priority: Among those that can run, the highest is chosen; below 0 only if forced.
        why_not: None if it can serve the request, otherwise the reason in one clause.
    """

    name: str
    priority: int
    why_not: Callable[[Request], str | None]


_forced: str | None = None


@contextmanager
def use_backend(name: str | None) -> Generator[None]:
    """Force a backend by name within a `with` block; None lets the program choose.

    It holds for the whole process: worker threads, and autograd's own, are meant too.
    """
    global _forced
    outer, _forced = _forced, name
    try:
        yield
    finally:
        _forced = outer


def forced_backend() -> str | None:
    """The name that `use_backend` forces at present, None outside of it."""
    return _forced


def choose(
    backends: Sequence[Backend[Request]], request: Request, forced: str | None = None
) -> Backend[Request]:
    """The backend that serves a request.

    Args:
        backends: All implementations of the operation.
        request: What is to be computed.
        forced: Name of the one demanded; otherwise the best that can run.

    Raises:
        DeviceError: The forced backend is unknown or cannot run, or none can; with the reasons.
    """
    if not forced:
        ranked = sorted(backends, key=lambda backend: -backend.priority)
        reasons: list[str] = []
        for backend in ranked:
            if backend.priority < 0:
                continue
            if (reason := backend.why_not(request)) is None:
                return backend
            reasons.append(f"{backend.name}: {reason}")
        raise DeviceError(f"no backend can run ({'; '.join(reasons)})", hint="see `serpent doctor`")
    for backend in backends:
        if backend.name == forced:
            if (reason := backend.why_not(request)) is not None:
                raise DeviceError(f"the backend {forced} cannot run: {reason}")
            return backend
    known = ", ".join(backend.name for backend in backends)
    raise DeviceError(f"there is no backend {forced!r}", hint=f"the backends are {known}")


def table(backends: Sequence[Backend[Request]], request: Request) -> list[tuple[str, str | None]]:
    """Every backend's name and why it cannot serve the request (None: it can), best first."""
    ranked = sorted(backends, key=lambda backend: -backend.priority)
    return [(backend.name, backend.why_not(request)) for backend in ranked]
