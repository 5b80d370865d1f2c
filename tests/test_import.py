import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import serpent_cli

HEAVY = ["torch", "rich", "numpy", "huggingface_hub", "PIL", "torch._dynamo", "sympy", "triton"]
REPORT = f"import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"


def loaded_after(code: str) -> list[str]:
    """Heavy modules that a fresh interpreter holds after running `code`."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import serpent_cli") == []


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["deblur", "--help"]])
def test_asking_for_help_loads_nothing_heavy(args: list[str]) -> None:
    code = f"from serpent_cli.cli.app import main\ntry:\n    main({args})\nexcept SystemExit: pass"
    assert loaded_after(code) == []


def test_restoring_loads_neither_torch_s_compiler_nor_triton(tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), "teal").save(tmp_path / "in.png")
    picture = str(tmp_path / "in.png")
    code = f"import serpent_cli\nserpent_cli.restore({picture!r}, device='cpu')"
    assert {"torch._dynamo", "sympy", "triton"}.isdisjoint(loaded_after(code))


def test_reading_and_writing_pictures_loads_no_torch(tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), "teal").save(tmp_path / "in.png")
    code = (
        "import serpent_cli\n"
        f"picture = serpent_cli.read_picture({str(tmp_path / 'in.png')!r})\n"
        f"serpent_cli.write_picture(picture, {str(tmp_path / 'out.tif')!r})"
    )
    assert {"torch", "rich", "huggingface_hub"}.isdisjoint(loaded_after(code))
    assert (tmp_path / "out.tif").is_file()


# What the process maps for a large block tells which allocator settings hold while tiles are run.
LEFT_ALONE = """
import ctypes, os, sys
before = dict(os.environ)
if sys.argv[2] == "ours":
    from serpent_cli.settings import own_process
    own_process()
import serpent_cli, torch
from serpent_cli.imaging.read import read_picture

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split())]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo
def mapped(*_):
    held = libc.mallinfo2().hblkhd
    block = torch.ones(16 * 2**20)
    maps.append(libc.mallinfo2().hblkhd - held >= 64 * 2**20)

maps = []
restorer = serpent_cli.Restorer.from_pretrained("deblur", device="cpu")
restorer.restore(read_picture(sys.argv[1]), on_tile=mapped)
serpent_cli.restore(sys.argv[1], device="cpu")
print(dict(os.environ) == before, maps)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
@pytest.mark.parametrize(
    ("whose", "said"), [("theirs", "True [True, True]"), ("ours", "False [False, False]")]
)
def test_only_a_process_of_ours_is_changed(tmp_path: Path, whose: str, said: str) -> None:
    picture = tmp_path / "in.png"
    Image.new("RGB", (40, 24), "teal").save(picture)
    unset = ("THP_MEM_ALLOC_ENABLE", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    run = subprocess.run(
        [sys.executable, "-c", LEFT_ALONE, str(picture), whose], capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name not in unset}, check=False,
    )  # fmt: skip
    if "mallinfo2" in run.stderr:
        pytest.skip("another C library, or an old one")
    assert (run.stdout.strip(), run.stderr) == (said, "")


def test_the_restorer_is_there_when_asked_for() -> None:
    from serpent_cli.restoration.restorer import Restorer

    assert serpent_cli.Restorer is Restorer


def test_unknown_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Restore'"):
        _ = serpent_cli.Restore  # pyright: ignore


@pytest.mark.parametrize("interpreted", [{}, {"TRITON_INTERPRET": "1"}])
def test_half_of_triton_is_passed_over(tmp_path: Path, interpreted: dict[str, str]) -> None:
    """Its Python without its runtime: an ImportError wherever it is asked for."""
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "__init__.py").write_text("raise ImportError('no libtriton')")
    Image.new("RGB", (40, 24), "teal").save(tmp_path / "in.png")
    code = f"import serpent_cli\nserpent_cli.restore({str(tmp_path / 'in.png')!r}, device='cpu')"
    path = f"{tmp_path}{os.pathsep}{Path(serpent_cli.__file__).parents[1]}"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, **interpreted, "PYTHONPATH": path},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
