"""`serpent deblur`."""

from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.request import Request, takes
from serpent_cli.cli.restoring import restore_files


def deblur(request: Request) -> None:
    """Sharpen blurred photographs: slight defocus, lens blur, short motion, with noise and JPEG.

    Without -o, NAME_deblurred.EXT is written beside each input, and a folder's pictures go to
    FOLDER_deblurred/.
    """
    restore_files(request)


show_examples(
    deblur,
    ("serpent deblur in.png -o out.png", "one picture"),
    ("serpent deblur holiday/", "a folder, to holiday_deblurred/"),
    ("serpent deblur a.tif b.jpg -o sharp/", "several, under their own names"),
    ("serpent deblur -r photos/ -o sharp/", "a tree of folders; run it again to do what is new"),
    ("serpent deblur - < in.jpg > out.jpg", "in a pipeline"),
    ("serpent deblur scan.tif --max-memory 2G", "a large picture on a small machine"),
    ("serpent deblur --server in.png", "no start-up time, while `serpent serve` runs"),
)
command = takes(Request)(deblur)
