from __future__ import annotations

import pytest

from keeper.devnet.compile import Compiled, CompileError, with_imports


def test_with_imports__relative_and_named__are_all_there() -> None:
    sources = {
        "a/one.sol": 'import {Two} from "./b/two.sol"; import "../three.sol";',
        "a/b/two.sol": "import * as Three from '../../three.sol';",
        "three.sol": "",
    }
    assert with_imports(sources) == sources


def test_with_imports__remapped__is_looked_up_under_its_new_name() -> None:
    sources = {"one.sol": 'import "short/two.sol";', "long/way/two.sol": ""}
    assert with_imports(sources, {"short/": "long/way/"}) == sources


def test_with_imports__missing__raises_with_both_names() -> None:
    with pytest.raises(CompileError, match=r"one\.sol imports no/such\.sol.*scripts/setup"):
        with_imports({"one.sol": 'import {\n  A,\n  B\n} from "no/such.sol";'})


def _contract(code: str) -> dict[str, object]:
    return {
        "abi": [],
        "evm": {"bytecode": {"object": code, "linkReferences": {}}, "deployedBytecode": {"object": code}},
    }


def test_compiled__placeholder_of_a_library__becomes_zeros() -> None:
    compiled = Compiled({"a.sol": {"A": _contract("60__$" + "ab" * 17 + "$__61")}}, ())
    assert compiled["A"].bytecode == "60" + "00" * 20 + "61"


def test_compiled__name_twice__must_be_said_in_full() -> None:
    compiled = Compiled({"a.sol": {"A": _contract("00")}, "b.sol": {"A": _contract("01")}}, ())
    with pytest.raises(KeyError, match=r"a\.sol:A or b\.sol:A"):
        compiled["A"]
    assert compiled["b.sol:A"].bytecode == "01"
    assert len(compiled) == 2
