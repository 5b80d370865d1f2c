"""Functions made known to torch as operations: `torch.ops.serpent`."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

LIBRARY = torch.library.Library("serpent", "DEF")
_untraced = functools.cache(torch.compiler.disable)


def custom_op(
    name: str,
    function: Callable[..., Any],
    fake: Callable[..., Any],
    changes: tuple[str, ...] = (),
) -> Any:
    """Make a function known to torch as an operation, as `torch.library.custom_op` would.

    That loads torch's compiler with the first call, which takes a second, to keep it out of the
    function. Here it is kept out where it is loaded anyway.

    Args:
        name: What it is called in `torch.ops.serpent`.
        function: Annotated.
        fake: The same for tensors without values.
        changes: Arguments that the function writes to.
    """

    def undisturbed(*arguments: Any) -> Any:
        compiled = "torch._dynamo" in sys.modules
        return (_untraced(function) if compiled else function)(*arguments)

    schema = torch.library.infer_schema(function, mutates_args=changes)
    LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    LIBRARY.impl(name, undisturbed, "CompositeExplicitAutograd")
    torch.library.register_fake(f"serpent::{name}", fake, lib=LIBRARY)
    return getattr(torch.ops.serpent, name).default
