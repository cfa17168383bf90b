// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Vault} from "../src/Vault.sol";
import {Symbolic} from "./Symbolic.sol";

contract SomeToken {
    mapping(address account => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice An executor in the wrong hands: with the loan it does whatever call it was told, and pays back what
/// it was told.
contract SomeBorrower {
    Vault private immutable vault;
    SomeToken private immutable token;
    bytes private data;
    uint256 private paysBack;

    constructor(Vault vault_, SomeToken token_) {
        vault = vault_;
        token = token_;
    }

    function borrow(uint256 amount, bytes calldata data_, uint256 paysBack_) external {
        data = data_;
        paysBack = paysBack_;
        vault.lend(address(token), amount, "");
    }

    function onVaultLoan(address, uint256, bytes calldata) external {
        (bool success,) = address(vault).call(data);
        success;
        token.transfer(address(vault), paysBack);
    }
}

/// @notice Invariant 4, and that a loan can't lessen what the vault has.
contract VaultProofs is Symbolic {
    address private constant OWNER = address(0x0123);

    Vault private vault;
    SomeToken private token;
    SomeBorrower private borrower;

    function setUp() public {
        vault = new Vault(OWNER);
        token = new SomeToken();
        borrower = new SomeBorrower(vault, token);
        vm.prank(OWNER);
        vault.setLendsTo(address(borrower), true);
        vm.prank(OWNER);
        vault.setCap(address(token), 2 ** 100);
    }

    /// @dev Whatever anybody but the owner calls, and an executor is one of those, the owner's is as it was.
    function check_invariant4_othersChangeNothing(address caller, address executor, address other) public {
        vm.assume(caller != OWNER && caller != address(0)); // nobody has the zero address
        (bool lends, uint256 cap) = (vault.lendsTo(executor), vault.cap(other));
        bytes memory data = _anyCall();
        vm.prank(caller);
        (bool success,) = address(vault).call(data);
        success;
        assert(vault.owner() == OWNER && vault.nextOwner() == address(0));
        assert(vault.lendsTo(executor) == lends && vault.cap(other) == cap);
    }

    function check_invariant4_nothingChangesDuringALoan(address executor, address other, uint256 amount) public {
        token.mint(address(vault), 2 ** 100);
        token.mint(address(borrower), 2 ** 100);
        (bool lends, uint256 cap) = (vault.lendsTo(executor), vault.cap(other));
        borrower.borrow(amount, _anyCall(), amount);
        assert(vault.owner() == OWNER && vault.nextOwner() == address(0));
        assert(vault.lendsTo(executor) == lends && vault.cap(other) == cap);
    }

    /// @dev Returns any call: a loan of a token that is lent or of one that is not, in the ABI's own form; the
    /// owner's call in the same; of any other name with 132 bytes of anything.
    function _anyCall() private view returns (bytes memory data) {
        uint256 kind = svm.createUint256("kind");
        uint256 number = svm.createUint256("number");
        if (kind == 0) return abi.encodeCall(Vault.lend, (address(token), number, svm.createBytes(96, "bytes")));
        if (kind == 1) return abi.encodeCall(Vault.lend, (address(this), number, svm.createBytes(96, "bytes")));
        if (kind == 2) {
            return abi.encodeCall(Vault.call, (svm.createAddress("target"), number, svm.createBytes(96, "bytes")));
        }
        data = svm.createBytes(132, "data");
        vm.assume(bytes4(data) != Vault.lend.selector && bytes4(data) != Vault.call.selector);
    }

    function check_invariant2_aLoanIsPaidBack(uint256 stock, uint256 own, uint256 amount, uint256 paysBack) public {
        vm.assume(stock < 2 ** 128 && own < 2 ** 128);
        token.mint(address(vault), stock);
        token.mint(address(borrower), own);
        try borrower.borrow(amount, "", paysBack) {
            assert(token.balanceOf(address(vault)) >= stock);
            assert(amount <= 2 ** 100);
        } catch {}
    }
}
