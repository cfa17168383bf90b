"""What scripts/audit does, after set-up: slither and halmos over contracts/, each finding accounted for.

Both come from PyPI into an environment of their own, and have Foundry's forge compile: the PATH's, or the
platform's npm package. forge is given our own solc-js, for there is no native solc to be had everywhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from _setup import CACHE, NODE, ROOT, VENV, SetupError, fingerprint, is_stamped, node, run, say, step

sys.path.insert(0, str(ROOT))

from keeper.devnet.compile import SOLC
from keeper.node.anvil import VERSION as FOUNDRY_VERSION
from keeper.node.anvil import anvil_package

CONTRACTS = ROOT / "contracts"
HOME = CACHE / "audit"
BIN = HOME / "venv" / "bin"
SOLC_SHIM = HOME / "solc"
OUT = HOME / "out"

_ROW = re.compile(r"^\| `(?P<detector>[a-z0-9-]+)` \| (?P<where>[^|]+) \|", re.MULTILINE)
_PROOF = re.compile(r"^\s*function (check_\w+)", re.MULTILINE)


def main() -> int:
    try:
        environment = tools()
    except SetupError as error:
        say(str(error))
        return 1
    return 0 if all([slither(environment), halmos(environment)]) else 1


# --- slither


def slither(environment: dict[str, str]) -> bool:
    """Print each finding, and return whether all, and no others, are explained in contracts/README.md."""
    report = HOME / "slither.json"
    report.unlink(missing_ok=True)
    subprocess.run(["forge", "build", "--build-info", "--force", "src"], **quietly(environment))
    # it exits with the number of findings
    subprocess.run(
        [BIN / "slither", ".", "--foundry-ignore-compile", "--foundry-out-directory", OUT, "--json", report],
        **quietly(environment),
    )
    if not report.is_file():
        print("slither did not run: see .cache/audit/log")
        return False
    found = {
        (finding["check"], where(finding))
        for finding in json.loads(report.read_text())["results"].get("detectors", ())
    }
    table = (CONTRACTS / "README.md").read_text()
    explained = {
        (row["detector"], place)
        for row in _ROW.finditer(table)
        for place in re.findall(r"`([^`]+)`", row["where"]) or ["anywhere"]
    }
    anywhere = {detector for detector, place in explained if place == "anywhere"}
    missing = {one for one in found - explained if one[0] not in anywhere}
    gone = {one for one in explained - found if one[1] != "anywhere"}
    for detector, place in sorted(missing):
        print(f"slither  {detector:24} {place:32} NOT EXPLAINED in contracts/README.md")
    for detector, place in sorted(gone):
        print(f"slither  {detector:24} {place:32} explained, but not found any more")
    print(f"slither  {len(found)} findings, {len(missing)} of them not explained")
    return not missing and not gone


def where(finding: dict[str, Any]) -> str:
    """Return the function, or the contract, that a finding is about."""
    names = []
    element = finding["elements"][0]
    while element and element["type"] in {"function", "variable", "node", "contract"}:
        if element["type"] in {"function", "contract"}:
            names.insert(0, element["name"])
        element = element.get("type_specific_fields", {}).get("parent")
    return ".".join(names)


# --- halmos


def halmos(environment: dict[str, str]) -> bool:
    """Print each proof, and return whether all that are written down hold."""
    report = HOME / "halmos.json"
    report.unlink(missing_ok=True)
    subprocess.run(
        [
            BIN / "halmos",
            "--forge-build-out",
            OUT,
            "--json-output",
            report,
            "--solver-timeout-assertion",
            "60s",
        ],
        **quietly(environment),
    )
    if not report.is_file():
        print("halmos did not run: see .cache/audit/log")
        return False
    results = {
        result["name"].partition("(")[0]: result["exitcode"] == 0
        for tests in json.loads(report.read_text())["test_results"].values()
        for result in tests
    }
    written = [
        name
        for file in sorted((CONTRACTS / "symbolic").glob("*.t.sol"))
        for name in _PROOF.findall(file.read_text())
    ]
    for name in written:
        verdict = {True: "holds", False: "DOES NOT HOLD", None: "WAS NOT RUN"}[results.get(name)]
        print(f"halmos   {name:52} {verdict}")
    return bool(written) and all(results.get(name) for name in written)


# --- tools


def tools() -> dict[str, str]:
    """Install what is missing, and return the environment in which the tools find each other."""
    HOME.mkdir(parents=True, exist_ok=True)
    made_from = fingerprint(["requirements-audit.lock"], str(ROOT))
    stamp = HOME / "keeper-setup.json"
    if not is_stamped(stamp, made_from):
        with step("slither and halmos"):
            venv.create(HOME / "venv", clear=True, with_pip=True, symlinks=True)
            fast = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(BIN / "python")]
            slow = [str(BIN / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
            command = fast if Path(fast[0]).exists() else slow
            locked = ["--require-hashes", "-r", "requirements-audit.lock"]
            run(*command, *locked, doing="install slither and halmos")
            stamp.write_text(json.dumps({"made_from": made_from}))
    SOLC_SHIM.write_text(shim())
    SOLC_SHIM.chmod(0o755)
    path = [str(folder) for folder in (BIN, forge_folder(), NODE.parent)]
    return os.environ | {
        "PATH": os.pathsep.join([*path, os.environ["PATH"]]),
        "FOUNDRY_SOLC": str(SOLC_SHIM),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_OUT": str(OUT),
        "FOUNDRY_CACHE_PATH": str(HOME / "cache"),
    }


def forge_folder() -> Path:
    """Return where forge lies: on the PATH, or fetched as the platform's npm package."""
    on_path = shutil.which("forge")
    if on_path is not None:
        return Path(on_path).parent
    package = anvil_package().replace("anvil", "forge")
    fetched = HOME / "node_modules" / package / "bin"
    if not fetched.is_dir():
        with step(f"forge {FOUNDRY_VERSION}"):
            options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
            wanted = f"{package}@{FOUNDRY_VERSION}"
            run(*node(), "install", "--prefix", str(HOME), *options, wanted, doing=f"download {wanted}")
    return fetched


def shim() -> str:
    """Return a script that speaks to forge as a native solc would, and has solc-js do the work."""
    package = ROOT / "node_modules" / f"solc-{SOLC}"
    told = f'console.log(require("{package}").version().replace("Emscripten.clang", "Linux.g++"))'
    return f"""#!/bin/sh
case " $* " in
  *" --version "*)
    printf 'solc, the solidity compiler commandline interface\\nVersion: '
    "{NODE}" -e '{told}';;
  *) exec "{NODE}" "{ROOT}/scripts/solc.js" "{package}";;
esac
"""


def quietly(environment: dict[str, str]) -> dict[str, Any]:
    """Return how a tool is run: in contracts/, with all it says in a log, whatever its exit code."""
    log = open(HOME / "log", "a")  # noqa: SIM115 (the process closes it)
    return {"cwd": CONTRACTS, "env": environment, "stdout": log, "stderr": subprocess.STDOUT, "check": False}


if __name__ == "__main__":
    sys.exit(main())
