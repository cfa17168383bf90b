"""Solidity compiled by solc-js, once for what it is made from.

The compilers are npm packages side by side, ``solc-<version>``. What a compilation gives is kept under
``.cache/solc`` by the hash of everything that goes into it: compiler, settings, every source. Imports that
the given sources do not hold are read from ``node_modules``.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keeper.devnet.artifact import Artifact
from keeper.domain.errors import KeeperError

CHECKOUT = Path(__file__).resolve().parents[2]

AAVE_SOLC = "0.8.27"
"""What Aave V3.6 is built with."""
MORPHO_SOLC = "0.8.19"
"""What Morpho Blue is built with."""
SOLC = "0.8.34"
"""What our own contracts are built with: it has transient variables, and clears them as it should."""

SETTINGS: Mapping[str, object] = {
    "optimizer": {"enabled": True, "runs": 10_000},
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "none"},
}
"""The settings of our own contracts: the same sources give the same bytes, wherever they lie."""

_NO_REMAPPINGS: Mapping[str, str] = {}
_OUTPUT = {
    "*": [
        "abi",
        "evm.bytecode.object",
        "evm.bytecode.linkReferences",
        "evm.deployedBytecode.object",
    ]
}
_IMPORT = re.compile(r"""(?:^|;)\s*import\s(?:[^'";]*?\sfrom\s)?\s*['"]([^'"]+)['"]""", re.MULTILINE)


class CompileError(KeeperError):
    """The sources do not compile, or what compiles them is missing; the message says which and why."""


class Compiled(Mapping[str, Artifact]):
    """What one compilation gave: artifacts by contract name, or by ``source:contract`` where names repeat."""

    def __init__(self, output: Mapping[str, Mapping[str, Any]], warnings: tuple[str, ...]) -> None:
        self.warnings = warnings
        self._by_name: dict[str, list[str]] = {}
        self._contracts: dict[str, Mapping[str, Any]] = {}
        for source, contracts in output.items():
            for name, contract in contracts.items():
                self._contracts[f"{source}:{name}"] = contract
                self._by_name.setdefault(name, []).append(f"{source}:{name}")

    def __getitem__(self, name: str) -> Artifact:
        full_names = self._by_name.get(name, [name] if name in self._contracts else [])
        if len(full_names) != 1:
            raise KeyError(f"{name}: {' or '.join(full_names) or 'not compiled'}")
        contract = self._contracts[full_names[0]]
        return Artifact(
            name=name.rpartition(":")[2],
            abi=contract["abi"],
            bytecode=_zero_links(contract["evm"]["bytecode"]["object"]),
            deployed_bytecode=_zero_links(contract["evm"]["deployedBytecode"]["object"]),
            link_references=contract["evm"]["bytecode"]["linkReferences"],
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._contracts)

    def __len__(self) -> int:
        return len(self._contracts)


def compile_sources(
    sources: Mapping[str, str],
    *,
    version: str = SOLC,
    settings: Mapping[str, object] = SETTINGS,
    remappings: Mapping[str, str] = _NO_REMAPPINGS,
) -> Compiled:
    """Return what these sources, by the names that imports use, compile to; not what they import.

    `remappings` give other beginnings to the names of imports. Raises CompileError.
    """
    complete = with_imports(sources, remappings)
    standard_json = {
        "language": "Solidity",
        "sources": {name: {"content": complete[name]} for name in sorted(complete)},
        "settings": {
            **settings,
            "remappings": [f"{prefix}={target}" for prefix, target in remappings.items()],
            "outputSelection": dict.fromkeys(sorted(sources), _OUTPUT),
        },
    }
    text = json.dumps(standard_json, sort_keys=True)
    cached = (
        CHECKOUT / ".cache" / "solc" / f"{hashlib.sha256(f'{version} {text}'.encode()).hexdigest()[:32]}.json"
    )
    if not cached.is_file():
        output = _run_solc(text, version)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(output))
        partial.replace(cached)
    output = json.loads(cached.read_text())
    return Compiled(output["contracts"], tuple(output["warnings"]))


def read_sources(*folders: str, root: Path = CHECKOUT) -> dict[str, str]:
    """Return every Solidity source in these folders of `root`, named by its path in `root`."""
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.sol"))
    return {file.relative_to(root).as_posix(): file.read_text() for file in files}


def with_imports(
    sources: Mapping[str, str], remappings: Mapping[str, str] = _NO_REMAPPINGS
) -> dict[str, str]:
    """Return the sources and all that they import, from ``node_modules``.

    Raises CompileError where one is missing.
    """
    complete = dict(sources)
    open_ = list(sources)
    while open_:
        importer = open_.pop()
        for imported in _IMPORT.findall(complete[importer]):
            name = _source_name(imported, importer, remappings)
            if name in complete:
                continue
            try:
                complete[name] = (CHECKOUT / "node_modules" / name).read_text()
            except OSError:
                raise CompileError(
                    f"{importer} imports {name}, which is not in node_modules: run scripts/setup"
                ) from None
            open_.append(name)
    return complete


def _source_name(imported: str, importer: str, remappings: Mapping[str, str]) -> str:
    if imported.startswith("."):
        return posixpath.normpath(posixpath.join(posixpath.dirname(importer), imported))
    for prefix, target in remappings.items():
        if imported.startswith(prefix):
            return target + imported.removeprefix(prefix)
    return imported


def _run_solc(standard_json: str, version: str) -> dict[str, object]:
    package = CHECKOUT / "node_modules" / f"solc-{version}"
    if not package.is_dir():
        raise CompileError(f"no solc {version} in node_modules: run scripts/setup")
    run = subprocess.run(
        [_node(), CHECKOUT / "scripts" / "solc.js", package],
        input=standard_json,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise CompileError(f"solc {version} failed: {run.stderr.strip()}")
    output = json.loads(run.stdout)
    told: dict[str, list[str]] = {"error": [], "warning": [], "info": []}
    for message in output.get("errors", ()):
        told[message["severity"]].append(message["formattedMessage"])
    if told["error"]:
        raise CompileError("\n".join(told["error"]))
    return {"contracts": output["contracts"], "warnings": told["warning"]}


def _node() -> str:
    """Return the Node to run: the one that set-up chose, else the PATH's."""
    chosen = CHECKOUT / ".cache" / "bin" / "node"
    if chosen.exists():
        return str(chosen)
    on_path = shutil.which("node")
    if on_path is None:
        raise CompileError("no node on the PATH: run scripts/setup")
    return on_path


def _zero_links(code: str) -> str:
    """Return the code with zeros for the placeholders of libraries, so that it is hex throughout."""
    return re.sub(r"__\$[0-9a-f]{34}\$__", "0" * 40, code)
