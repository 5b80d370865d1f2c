"""The names of the suites, apart from what they do, so that a wrong one is refused at once."""

import difflib

from serpent_cli.errors import UsageError

FLAT = "flat"
CUBES = DENOISE_CUBE, RECONSTRUCT = "denoise-cube", "reconstruct"
"""The suites of cubes, which are called as the bundled models for them."""

SUITES = (
    "deblur", "gaussian", "gaussian-61", "blur", "partial", "shake", "defocus", "beyond",
    "upscale", "upscale-real", "pairs", FLAT, *CUBES,
)  # fmt: skip


def check_suite(name: str) -> None:
    """Refuse what is not the name of a suite.

    Raises:
        UsageError: It is not; the hint says what was probably meant, and all names.
    """
    if name in SUITES:
        return
    near = difflib.get_close_matches(name, SUITES, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"there is no suite {name!r}", hint=f"{meant}the suites are {', '.join(SUITES)}"
    )
