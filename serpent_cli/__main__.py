"""Where the command `serpent` begins: small, so that Ctrl-C is heard before the rest is loaded."""

import os
import sys

try:
    import signal
except KeyboardInterrupt:  # it loads a few modules itself
    sys.exit(130)


def main() -> None:
    """Load the program and run the command line; always ends in SystemExit.

    Until the program is there, and after it has ended, Ctrl-C ends the process at once: nothing has
    been begun or everything has been written, and Python would show a traceback. What Python does
    before this function is called is out of our reach.
    """
    # Whoever started us may want it ignored, as a shell does for what it runs in the background.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, _end)
    from serpent_cli.cli import app

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app.main()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if heard:
            signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
