"""The command `serpent`: its commands, and the one place where errors become exit codes."""

import contextlib
import signal
import sys
from itertools import pairwise
from types import FrameType
from typing import Annotated

import typer

from serpent_cli.cli import console, deblur, denoise, upscale
from serpent_cli.cli.compare import compare
from serpent_cli.cli.doctor import doctor
from serpent_cli.cli.evaluate import evaluate
from serpent_cli.cli.help_pages import Commands, with_examples
from serpent_cli.cli.models import models
from serpent_cli.cli.reconstruct import reconstruct
from serpent_cli.cli.serve import serve
from serpent_cli.cli.train import train
from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.settings import DEBUG, own_process
from serpent_cli.version import __version__

HELP = with_examples(
    "Restore photographs: deblur and upscale, on any machine.",
    ("serpent deblur photo.jpg", "writes photo_deblurred.jpg"),
    ("serpent upscale --scale 4 small.png", "writes small_x4.png"),
    ("serpent deblur -r photos/ -o sharp/", "a tree of folders"),
    ("serpent COMMAND --help", "more examples, and all options"),
)
app = Commands("serpent", HELP)
app.add("deblur", deblur.command)
app.add("upscale", upscale.command)
app.add("denoise", denoise.command)
app.add("reconstruct", reconstruct)
app.add("compare", compare)
app.add_typer(models, name="models")
app.add("serve", serve)
app.add("train", train)
app.add("eval", evaluate)
app.add("doctor", doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.result(f"serpent {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


_options.__doc__ = HELP


def _refuse_empty(words: list[str]) -> None:
    """Refuse an empty word: as a path it would mean the whole working folder.

    Raises:
        UsageError: There is one, not as the text of a message.
    """
    for before, word in pairwise(["", *words]):
        if not word and before != "--message":
            after = f" after {before}" if before else ""
            raise UsageError(
                f"there is an empty word{after}", hint="is a variable of your script empty?"
            )


def _terminate(signum: int, frame: FrameType | None) -> None:
    # An exception, not the default sudden end: half-written files are cleaned up on the way out.
    del frame
    raise SystemExit(128 + signum)


def main(args: list[str] | None = None) -> None:
    """Run the command line; always ends in SystemExit with one of the documented codes."""
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        signal.signal(signal.SIGTERM, _terminate)
        # A terminal that closes; with nohup the user wants that ignored.
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
            signal.signal(hangup, _terminate)
    own_process()
    console.prepare()
    try:
        _refuse_empty(sys.argv[1:] if args is None else args)
        with console.output():
            app(args=args, prog_name="serpent")
    except SerpentError as error:
        if DEBUG.get():
            raise
        console.error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone: say nothing, and let no late flush complain.
        console.silence()
        sys.exit(1)
