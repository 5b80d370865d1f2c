"""What pyproject.toml cannot say: the kernel in C++, and weights that lie beside the package."""

import sys

from setuptools import Extension, find_packages, setup

# No -march=native: the kernel holds several instruction sets and chooses at run time. No
# -ffast-math: NaN and infinity must pass through, so that callers can see them.
FLAGS = [
    "-O3", "-g0", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden",
]  # fmt: skip

kernel = Extension(
    "serpent_cli.ops._cross_scan",
    sources=["serpent_cli/ops/csrc/cross_scan.cpp"],
    depends=[
        f"serpent_cli/ops/csrc/{name}.h"
        for name in (
            "cross_scan",
            "paths",
            "vector_math",
            "group",
            "forward",
            "backward",
            "instruction_set",
        )
    ],
    extra_compile_args=[] if sys.platform == "win32" else FLAGS,
    language="c++",
    optional=True,  # without a compiler serpent installs all the same, and `serpent doctor` says so
)

setup(
    ext_modules=[kernel],
    include_package_data=False,
    packages=[*find_packages(include=["serpent_cli", "serpent_cli.*"]), "serpent_cli.weights"],
    package_dir={"serpent_cli.weights": "weights"},
    package_data={
        "serpent_cli": ["py.typed"],
        "serpent_cli.weights": ["*.safetensors", "*.json"],
        "serpent_cli.compare": ["*.html", "*.css", "*.js"],
    },
)
