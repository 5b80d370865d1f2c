"""What the Hub's client raises, as one sentence and what to do about it."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serpent_cli.errors import ModelError, SerpentError, reason_of
from serpent_cli.zoo.names import HubReference

LOG_IN = "check the spelling; for a private one `hf auth login`, or set HF_TOKEN"


@dataclass
class PartialFile:
    """What has come of a file when something fails.

    Attributes:
        path: Where that lies; None before anything has come.
    """

    path: Path | None = None

    def again(self) -> str:
        """What to do after a failure that may pass."""
        kept = self.path.stat().st_size if self.path and self.path.is_file() else 0
        return f"run it again to resume after {kept} bytes" if kept else "run it again"


@contextmanager
def hub_errors(reference: HubReference) -> Generator[PartialFile]:
    """Within, errors of the client, the network and the disk become ModelErrors."""
    part = PartialFile()
    try:
        yield part
    except SerpentError:
        raise
    except Exception as error:
        sentence = _of_the_hub(error, reference, part) or _of_the_disk(error, reference, part)
        if sentence is None:
            raise
        message, hint = sentence
        raise ModelError(message, hint=hint) from error


def _of_the_hub(
    error: Exception, reference: HubReference, part: PartialFile
) -> tuple[str, str] | None:
    """What the Hub answered, or that it did not."""
    from huggingface_hub import errors
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo = reference.repo
    cause = error.__cause__
    if isinstance(error, LocalEntryNotFoundError | RuntimeError) and isinstance(cause, Exception):
        return _of_the_hub(cause, reference, part) or _of_the_disk(cause, reference, part)
    if isinstance(error, errors.GatedRepoError):
        return f"the repository {repo} is gated", f"accept its terms on its page; {LOG_IN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no repository {repo} on the Hub, or it is private", LOG_IN
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no revision {reference.revision}", "check the branch, tag or commit"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"{repo} has no file {reference.file}", "name one: hf://owner/repo/file.safetensors"
    if isinstance(error, HfHubHTTPError):
        return _answered(error.response.status_code, repo, part)
    return None


def _answered(status: int, repo: str, part: PartialFile) -> tuple[str, str]:
    """A status that stands for itself."""
    if status in (401, 403):
        return f"the Hub does not let you read {repo} ({status})", LOG_IN
    if status == 429:
        return "the Hub asks for fewer requests (429)", f"wait a while, then {part.again()}"
    what = "has trouble" if status >= 500 else "refuses"
    return f"the Hub {what} ({status}) with {repo}", part.again()


def _of_the_disk(
    error: Exception, reference: HubReference, part: PartialFile
) -> tuple[str, str] | None:
    """The network below the Hub, and the disk that takes its files."""
    if is_of_the_network(error):
        return _unreachable(error, part)
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOSPC:
        return "the disk that holds the cache is full", f"make room, then {part.again()}"
    return (
        f"cannot write to the cache {error.filename or ''}: {reason_of(error)}".replace(" :", ":"),
        "set HF_HOME to a folder that can be written",
    )


def is_of_the_network(error: Exception) -> bool:
    """Whether the HTTP library raised it, whose name depends on the client's version, or a socket.

    What the Hub itself answered is not meant.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return False
    names = {base.__module__.split(".")[0] for base in type(error).mro()}
    return bool(names & {"httpx", "httpx2"}) or isinstance(error, ConnectionError | TimeoutError)


def _unreachable(error: Exception, part: PartialFile) -> tuple[str, str]:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return f"cannot reach the Hub: {reason}", f"check the network and proxy, then {part.again()}"
