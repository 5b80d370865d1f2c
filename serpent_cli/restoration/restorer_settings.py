"""What makes a restorer, as a record that can be sent to where it is made."""

from dataclasses import dataclass

from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.locate import Located


@dataclass(frozen=True, kw_only=True)
class RestorerSettings:
    """Arguments of `Restorer.from_pretrained`; fields as there."""

    model: str | Located
    device: str = "auto"
    precision: str = "auto"
    max_memory: int | None = None
    max_vram: int | None = None
    tile: str | int = "auto"
    strength: float = 1.0

    def load(self) -> Restorer:
        """The restorer; errors as of `Restorer.from_pretrained`."""
        return Restorer.from_pretrained(
            self.model, device=self.device, precision=self.precision, max_memory=self.max_memory,
            max_vram=self.max_vram, tile=self.tile, strength=self.strength,
        )  # fmt: skip
