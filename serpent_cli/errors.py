"""The errors that a user can meet, each with its exit code.

Library code raises these and never prints or exits; `serpent_cli.cli` turns them into one sentence,
a hint and the exit code. Codes: 0 done, 1 some pictures failed, 2 usage, 3 no input matched,
4 model missing, corrupt or offline, 5 device or backend unavailable.
"""


class SerpentError(Exception):
    """A failure with a clear sentence and, where one exists, a way out.

    Args:
        message: One sentence that says what is wrong, without a final period.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PictureError(SerpentError):
    """A picture cannot be read or restored, or a file cannot be written."""


class UsageError(SerpentError):
    """The request contradicts itself or names something that makes no sense."""

    exit_code = 2


class NoInputError(SerpentError):
    """No input file was found."""

    exit_code = 3


class ModelError(SerpentError):
    """A model is unknown, missing, corrupt, or cannot be reached offline."""

    exit_code = 4


class DeviceError(SerpentError):
    """A device or backend was demanded that this machine does not offer."""

    exit_code = 5


def reason_of(error: Exception) -> str:
    """What the system says of a failure, or else the error itself, for a sentence about it."""
    return getattr(error, "strerror", None) or str(error)
