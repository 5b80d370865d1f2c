"""`serpent serve`."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from serpent_cli.cli import console, options
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.errors import UsageError
from serpent_cli.settings import SERVER, TOKEN
from serpent_cli.version import DISTRIBUTION

PACKAGES = "starlette", "uvicorn", "h11"

Models = Annotated[
    list[str] | None,
    options.of_models(
        "--model",
        show_default="deblur",
        help="Load this model at the start; may be repeated. Others are loaded when first needed.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, metavar="N", show_default=False,
        help="Listen on this port of 127.0.0.1 instead of a socket, with a page for the browser.",
    ),
]  # fmt: skip
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="HOST",
        help=f"With --port: another address to listen on. Needs a secret in {TOKEN.name}.",
    ),
]  # fmt: skip
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket", metavar="PATH", show_default="one for you alone",
        help=f"Listen on this Unix socket; clients find it by {SERVER.name}.",
    ),
]  # fmt: skip
Queue = Annotated[
    int,
    typer.Option(
        "--queue", min=1, metavar="N", help="Accept this many pictures at a time; others must wait."
    ),
]
MaxBody = Annotated[
    str,
    typer.Option("--max-body", metavar="SIZE", help="Largest file accepted, such as 200M."),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.1,
        metavar="SECONDS",
        help="Disconnect a client that is silent for this long.",
    ),
]


def serve(
    model: Models = None,
    port: Port = None,
    host: Host = "127.0.0.1",
    socket: Socket = None,
    queue: Queue = 32,
    max_body: MaxBody = "1G",
    timeout: Timeout = 20.0,
    device: Annotated[
        str,
        options.resources(
            "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps or xpu."
        ),
    ] = "auto",
    precision: options.Precision = "auto",
    max_memory: options.MaxMemory = None,
    max_vram: options.MaxVram = None,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS,
    quiet: options.Quiet = False,
) -> None:
    """Keep a model loaded, and restore pictures for `serpent deblur --server` and for a browser.

    Needs two small packages. Other programs send a picture with POST to /deblur or /upscale.
    """  # fmt: skip
    _require_packages()
    from serpent_cli.restoration.device_names import check_device, check_precision
    from serpent_cli.restoration.memory_budget import parse_memory
    from serpent_cli.serving.crew import Settings
    from serpent_cli.serving.guard import Limits
    from serpent_cli.serving.server import Where
    from serpent_cli.serving.server import serve as run
    from serpent_cli.serving.wire import default_socket
    from serpent_cli.zoo.names import anywhere

    check_device(device)
    check_precision(precision)
    for size in (max_memory, max_vram):
        if size is not None:
            parse_memory(size)
    path = None if port is not None else socket or default_socket()
    where = Where(path, port, host, TOKEN.get())
    where.check()
    settings = Settings(
        models=tuple(map(anywhere, model or ["deblur"])), device=device, precision=precision,
        max_memory=max_memory, max_vram=max_vram, threads=threads, max_pixels=max_pixels,
    )  # fmt: skip
    limits = Limits(body=parse_memory(max_body), queue=queue, idle=timeout)
    if not quiet:
        console.note(f"loading {', '.join(settings.models)}")
    begun: list[str] = []

    def ready(address: str) -> None:
        begun.append(address)
        if not quiet:
            _tell(address, where.port)

    try:
        run(where, settings, limits, ready)
    finally:
        if begun and not quiet:
            console.note("stopped")


def _require_packages() -> None:
    """Refuse to begin without what the server is built on.

    Raises:
        UsageError: Something is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serpent serve needs {' and '.join(missing)}",
            hint=f"pip install '{DISTRIBUTION}[serve]', or '.[serve]' in the project's folder",
        )


def _tell(address: str, port: int | None) -> None:
    console.note(f"serving at {address}; Ctrl-C stops it")
    if port is not None:
        console.note(f"open {address}/ in a browser on this machine to try it")


show_examples(
    serve,
    ("serpent serve", "then, elsewhere: serpent deblur --server photo.jpg"),
    ("serpent serve --port 8017", "a page in your browser, at http://127.0.0.1:8017/"),
    ("serpent serve --model upscale-x4 --max-memory 4G", "another model, and a memory limit"),
)
