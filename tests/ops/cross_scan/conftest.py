"""What the tests of `cross_scan` share. Modules beside this one are loaded by their files: pytest's
import mode knows no packages among the tests."""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest
import torch
from torch import Tensor

from serpent_cli.ops.cross_scan import BACKENDS, triton_shape
from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

INTERPRETER = "test_the_interpreter_agrees_with_the_reference"
TRITON = importlib.util.find_spec("triton") is not None
STARTED = pytest.StashKey[tuple[subprocess.Popen[bytes], IO[bytes]]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin the suite of Triton's interpreter now: minutes of one core, beside the other tests."""
    chosen = any(item.name == INTERPRETER for item in session.items)
    needless = triton_shape.interpreted() or torch.cuda.is_available() or not TRITON
    parallel = hasattr(session.config, "workerinput")  # other workers are beside it anyway
    if chosen and not (needless or parallel or session.config.option.collectonly):
        session.config.stash[STARTED] = start_interpreter()


def start_interpreter() -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """This folder's Triton tests in a process of their own, and where its output goes."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process's end)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", str(Path(__file__).with_name("test_triton.py"))],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3], stdout=output, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return process, output


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End it with the session, however that ends."""
    if STARTED in session.config.stash:
        session.config.stash[STARTED][0].kill()


def started(config: pytest.Config) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """The process that has begun, or begins now."""
    if STARTED not in config.stash:
        config.stash[STARTED] = start_interpreter()
    return config.stash[STARTED]


@pytest.fixture
def interpreted(pytestconfig: pytest.Config) -> tuple[int, str]:
    """Exit code and output of this folder's Triton tests in the interpreter."""
    process, output = started(pytestconfig)
    code = process.wait()
    output.seek(0)
    return code, output.read().decode()


def load(name: str) -> ModuleType:
    """The module in a file of this folder."""
    title = f"cross_scan_tests_{name}"
    spec = importlib.util.spec_from_file_location(title, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[title] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


case_list, tolerance_table = load("cases"), load("tolerances")


def refused(name: str, dtype: torch.dtype = torch.float32) -> str | None:
    options = ScanOptions(DEFAULT_PATHS, False, True, torch.float32)
    request = ScanRequest(1, 8, 8, 8, 4, 1, 2, dtype, "cpu", options)
    return next(backend for backend in BACKENDS if backend.name == name).why_not(request)


@functools.cache
def truth_of(case, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """Each is asked for once per backend."""
    return case.with_gradients(case_list.exact(case.inputs(dtype)), "reference")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test with an argument `case` all cases."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", case_list.CASES, ids=str)


@pytest.fixture(params=["native", "chunked"])
def backend(request: pytest.FixtureRequest) -> str:
    """A backend for the CPU; native may be absent, where no compiler was."""
    reason = refused(request.param)
    if reason is not None:
        assert "compiler" in reason, reason
        pytest.skip(reason)
    return request.param


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Fill new tensors with NaN: an output that is never written cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def cases() -> tuple[object, ...]:
    """All cases of the parity suite."""
    return case_list.CASES


@pytest.fixture(scope="session")
def make_case() -> type:
    """make_case(B=2, H=7, ...): one call of the op, see cases.py."""
    return case_list.Case


@pytest.fixture(scope="session")
def exact() -> Callable[..., tuple[Tensor | None, ...]]:
    return case_list.exact


@pytest.fixture(scope="session")
def truth() -> Callable[..., tuple[Tensor, list[Tensor]]]:
    """truth(case, dtype): the reference's y and gradients in float64, of inputs of that type."""
    return truth_of


@pytest.fixture(scope="session")
def tolerances() -> dict[torch.dtype, object]:
    return tolerance_table.TOLERANCES


@pytest.fixture(scope="session")
def distance() -> Callable[[Tensor, Tensor], float]:
    return tolerance_table.distance


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str | None]:
    """refusal(name, dtype): why a backend cannot run here."""
    return refused
