"""LPIPS (Zhang et al., CVPR 2018, arXiv 1801.03924) by torchmetrics, if its weights are at hand.

The network VGG-16 is half a gigabyte that torchvision would fetch; evaluation never does: it takes
what lies in torch's own cache, or says what is missing.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from serpent_cli.evaluation.metrics import Array

Distance = Callable[[Array, Array], float]
WEIGHTS = "vgg16-397923af.pth"


def why_not() -> str | None:
    """Why LPIPS cannot be computed here; None: it can."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return "torchvision is not installed"
    except (ImportError, RuntimeError) as error:  # made for another torch
        return f"torchvision does not load ({str(error).splitlines()[0]})"
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    return None if path.is_file() else f"there is no {path}"


def load_distance() -> Distance:
    """LPIPS of two pictures (H, W, 3) in [0, 1], each of 32 x 32 pixels or more; 0 if equal."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    metric = LearnedPerceptualImagePatchSimilarity(net_type="vgg", normalize=True)

    def distance(a: Array, b: Array) -> float:
        pair = [torch.from_numpy(x.astype(np.float32)).permute(2, 0, 1)[None] for x in (a, b)]
        with torch.inference_mode():
            return float(metric(*pair))

    return distance
