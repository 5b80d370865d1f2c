"""The page for trying it: drop a picture, see it restored with the slider of `serpent compare`.

The restored picture and the page that compares both come from the server; that page is shown in a
frame, whose script and style are allowed by their hashes, as in a report on disk.
"""

from importlib.resources import files

from serpent_cli.compare.page import sources

Files = dict[str, tuple[bytes, str, dict[str, str]]]
"""Content, media type and headers by path."""


def page_files() -> Files:
    """What a browser is given, by path."""
    script, style = sources()
    policy = (
        f"default-src 'none'; script-src 'self' {script}; style-src 'self' {style};"
        " img-src 'self' data: blob:; connect-src 'self'; frame-src blob:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return {
        "/": (_own("page.html"), "text/html", safe | {"Content-Security-Policy": policy}),
        "/page.css": (_own("page.css"), "text/css", safe),
        "/page.js": (_own("page.js"), "text/javascript", safe),
    }


def _own(name: str) -> bytes:
    return files("serpent_cli.serving").joinpath(name).read_bytes()
