"""The only reader of environment variables; one record for each."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One environment variable.

    Attributes:
        name: Its name.
        meaning: What it does, in one line for `serpent doctor`.
    """

    name: str
    meaning: str

    def get(self) -> str | None:
        """Its value; None if it is unset or empty."""
        return os.environ.get(self.name) or None


DEBUG = Setting("SERPENT_DEBUG", "if set, errors show their traceback")
BACKEND = Setting(
    "SERPENT_BACKEND", "the backend that the scan must use; see the lines that begin with backend"
)
NO_COLOR = Setting("NO_COLOR", "if set, no colours")

HUGE_PAGES = Setting("THP_MEM_ALLOC_ENABLE", "1, our default: torch asks for huge memory pages")
SPINNING = Setting(
    "GOMP_SPINCOUNT", "how long idle threads of torch spin before they sleep; our default is 10000"
)
WAITING = Setting(
    "OMP_WAIT_POLICY",
    "how idle threads of torch wait, PASSIVE or ACTIVE; if set, GOMP_SPINCOUNT is left alone",
)

THREADS = Setting("OMP_NUM_THREADS", "number of CPU threads, unless --threads is given")

INTERPRET = Setting("TRITON_INTERPRET", "1: Triton runs its kernels in Python, for tests")

HUB_REPO = Setting(
    "SERPENT_HUB_REPO", "owner/repo on the Hub where model names are looked up that are not bundled"
)
OFFLINE = Setting("HF_HUB_OFFLINE", "1: nothing is downloaded, as with --offline")

HUB_BARS = Setting(
    "HF_HUB_DISABLE_PROGRESS_BARS", "our default is 1: serpent draws its own progress bar"
)

SERVER = Setting(
    "SERPENT_SERVER", "where --server finds the server: a socket's path, or http://host:port"
)
TOKEN = Setting("SERPENT_TOKEN", "secret that `serpent serve` asks for and --server sends")
RUNTIME_FOLDER = Setting("XDG_RUNTIME_DIR", "folder where `serpent serve` puts its socket")

RAY_CLUSTER = Setting("RAY_ADDRESS", "host:port of the Ray cluster that --engine ray works on")
RAY_REPORTS = Setting(
    "RAY_USAGE_STATS_ENABLED", "1: Ray may send usage statistics; our default is 0"
)
RAY_LOGS = Setting("RAY_BACKEND_LOG_LEVEL", "log level of Ray's core; our default is fatal")

SETTINGS = (
    DEBUG,
    BACKEND,
    NO_COLOR,
    HUGE_PAGES,
    SPINNING,
    WAITING,
    THREADS,
    HUB_REPO,
    OFFLINE,
    SERVER,
    TOKEN,
    RUNTIME_FOLDER,
    RAY_CLUSTER,
    RAY_REPORTS,
    RAY_LOGS,
)


_process_is_ours = False


def own_process() -> None:
    """Say that this process is ours, as a command's is; call it before torch is imported.

    Only then is anything set that concerns the whole process: variables that torch, Ray and the
    Hub's client read, and how the C library's allocator works (see `restoration.allocator`). A
    program that uses us as a library is left as it is, and may call this too.

    Variables of torch are set only if the user has not set them. Large feature maps are mapped anew
    for every operation, and with small pages that means many page faults. Idle threads of torch
    spin on the cores where the threads of the scan work: a short spin leaves them the cores most of
    the time, and is long enough if the next operation follows at once.
    """
    global _process_is_ours
    _process_is_ours = True
    os.environ.setdefault(HUGE_PAGES.name, "1")
    if WAITING.get() is None:
        os.environ.setdefault(SPINNING.name, "10000")


def process_is_ours() -> bool:
    """Whether `own_process` was called."""
    return _process_is_ours


def is_offline() -> bool:
    """Whether nothing may be fetched; the Hub's client reads the variable the same way."""
    return (OFFLINE.get() or "").upper() in ("1", "ON", "YES", "TRUE")


def go_offline() -> None:
    """Fetch nothing from now on; call it before huggingface_hub loads."""
    os.environ[OFFLINE.name] = "1"


def prepare_hub() -> None:
    """Leave progress to us; call it before huggingface_hub loads."""
    os.environ.setdefault(HUB_BARS.name, "1")


def prepare_ray() -> None:
    """Keep Ray quiet and discreet where the process is ours, unless the user says otherwise.

    Call it before ray loads.
    """
    if process_is_ours():
        os.environ.setdefault(RAY_REPORTS.name, "0")
        os.environ.setdefault(RAY_LOGS.name, "fatal")
