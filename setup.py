"""What pyproject.toml cannot say: the kernel in C++, and weights that lie beside the package."""

import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# No -march=native: the kernel holds several instruction sets and chooses at run time. No
# -ffast-math: NaN and infinity must pass through, so that callers can see them.
FLAGS = [
    "-O3", "-g0", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
    "-fvisibility=hidden", "-Wno-uninitialized",  # GCC's own header of AVX-512
]  # fmt: skip
X86_FLAGS = {
    "avx512": [
        "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx2", "-mfma",
        "-mprefer-vector-width=512",
    ],
    "avx2": ["-mavx2", "-mfma"],
}  # fmt: skip
X86 = ("x86_64", "AMD64")
SOURCES = Path("serpent_cli/ops/csrc")


class BuildKernel(build_ext):
    """One object for each instruction set, compiled with its own options."""

    def get_ext_filename(self, fullname: str) -> str:
        """A plain library: it is loaded by ctypes, whatever the version of Python."""
        suffix = ".pyd" if sys.platform == "win32" else ".so"
        return str(Path(*fullname.split("."))) + suffix

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Those that the code declares: there is no PyInit."""
        return []

    def build_extension(self, ext: Extension) -> None:
        """Build the library; its files are compiled side by side."""
        compile_together = self.compiler.compile

        def compile_one(source: str, extra_postargs: list[str], **options: object) -> list[str]:
            wanted = Path(source).stem.removeprefix("passes_")
            more = X86_FLAGS.get(wanted, []) if platform.machine() in X86 else []
            try:
                return compile_together([source], extra_postargs=extra_postargs + more, **options)
            except CompileError:
                if not more:
                    raise
                # The compiler knows no such set: the file is then empty, and the others serve.
                return compile_together([source], extra_postargs=extra_postargs, **options)

        def compile_each(sources: list[str], **options: object) -> list[str]:
            with ThreadPoolExecutor() as pool:
                done = list(pool.map(lambda source: compile_one(source, **options), sources))
            return [built for objects in done for built in objects]

        self.compiler.compile = compile_each
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = compile_together


class PlatformWheel(bdist_wheel):
    """Of this platform, for any Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        """The wheel's tag: py3-none-<platform>."""
        return "py3", "none", super().get_tag()[2]


kernel = Extension(
    "serpent_cli.ops._cross_scan",
    sources=[str(path) for path in sorted(SOURCES.glob("*.cpp"))],
    depends=[str(path) for path in sorted(SOURCES.glob("*.h"))],
    extra_compile_args=[] if sys.platform == "win32" else FLAGS,
    language="c++",
    optional=True,  # without a compiler serpent installs all the same, and `serpent doctor` says so
)

setup(
    cmdclass={"build_ext": BuildKernel, "bdist_wheel": PlatformWheel},
    ext_modules=[kernel],
    include_package_data=False,
    packages=[*find_packages(include=["serpent_cli", "serpent_cli.*"]), "serpent_cli.weights"],
    package_dir={"serpent_cli.weights": "weights"},
    package_data={
        "serpent_cli": ["py.typed"],
        "serpent_cli.weights": ["*.safetensors", "*.json"],
        "serpent_cli.compare": ["*.html", "*.css", "*.js"],
        "serpent_cli.serving": ["*.html", "*.css", "*.js"],
    },
)
