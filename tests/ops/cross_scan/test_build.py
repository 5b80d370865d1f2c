"""The kernel as another compiler builds it: clang knows none of GCC's pragmas."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from serpent_cli.ops import library
from serpent_cli.ops.cross_scan import native

ROOT = Path(__file__).parents[3]
VERSIONS = ("", *(f"-{version}" for version in range(24, 13, -1)))
SLOWER = 1.5  # than the installed kernel, which is usually GCC's


@pytest.fixture(scope="session")
def clang() -> str:
    """A clang for C++ on the path; on a Mac it is the compiler that made the installed kernel."""
    found = [shutil.which(f"clang++{version}") for version in VERSIONS]
    compiler = next((path for path in found if path), None)
    if compiler is None:
        pytest.skip("no clang is installed")
    return compiler


@pytest.fixture(scope="session")
def by_clang(clang, tmp_path_factory) -> Path:
    """The library as setup.py builds it with clang."""
    folder = tmp_path_factory.mktemp("clang")
    environment = {**os.environ, "CC": clang.replace("clang++", "clang"), "CXX": clang}
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    folders = ["--build-lib", str(folder / "lib"), "--build-temp", str(folder / "temp")]
    done = subprocess.run(
        command + folders, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "lib" / "serpent_cli" / "ops" / library.LIBRARY


@pytest.fixture
def with_clang(by_clang, refusal, monkeypatch) -> Callable[[], None]:
    """with_clang(): from now on the backend runs clang's library."""
    if reason := refusal("native"):
        assert "compiler" in reason
        pytest.skip(reason)
    built = library.loaded(by_clang)
    return lambda: monkeypatch.setattr(native, "library", lambda: built)


def fastest(function: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def test_clang_builds_the_same_instruction_sets(with_clang):
    chosen = native.library().cross_scan_instruction_set()
    with_clang()
    assert native.library().cross_scan_instruction_set() == chosen


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("states", [1, 3])
def test_what_clang_builds_agrees_with_the_reference(
    states, dtype, with_clang, make_case, truth, tolerances, distance
):
    case = make_case(B=1, H=7, W=9, D=83, N=states)
    expected, expected_grads = truth(case, dtype)
    with_clang()
    y, grads = case.with_gradients(case.inputs(dtype), "native")
    assert distance(y, expected) < tolerances[dtype].output
    assert max(map(distance, grads, expected_grads)) < tolerances[dtype].gradient


def test_what_clang_builds_is_about_as_fast(with_clang, make_case):
    case = make_case(B=1, H=48, W=48, D=64, N=1)
    inputs = case.inputs(torch.float32)

    def both() -> None:
        case.with_gradients(inputs, "native")

    installed = fastest(both)
    with_clang()
    assert fastest(both) < SLOWER * installed


def test_the_wheel_is_of_this_platform_and_any_python_3(tmp_path):
    command = [sys.executable, "setup.py", "-q", "bdist_wheel", "--skip-build"]
    folders = ["--bdist-dir", str(tmp_path / "tree"), "--dist-dir", str(tmp_path / "wheels")]
    subprocess.run(command + folders, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    *_, python, abi, platform = wheel.stem.split("-")
    assert (python, abi) == ("py3", "none")
    assert platform != "any"
