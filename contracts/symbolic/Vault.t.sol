// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IPriceOracle, Vault} from "../src/Vault.sol";
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
    SomeToken private immutable carried;
    bytes private data;
    uint256 private paysBack;
    uint256 private brings;

    constructor(Vault vault_, SomeToken token_, SomeToken carried_) {
        vault = vault_;
        token = token_;
        carried = carried_;
    }

    function borrow(uint256 amount, bytes calldata data_, uint256 paysBack_) external {
        data = data_;
        paysBack = paysBack_;
        vault.lend(address(token), amount, "");
    }

    function carry(uint256 amount, bytes calldata data_, uint256 paysBack_, uint256 brings_) external {
        data = data_;
        paysBack = paysBack_;
        brings = brings_;
        vault.carry(address(token), amount, address(carried), 0, "");
    }

    function onVaultLoan(address, uint256, bytes calldata) external {
        (bool success,) = address(vault).call(data);
        success;
        token.transfer(address(vault), paysBack);
        if (brings != 0) carried.transfer(address(vault), brings);
    }
}

/// @notice Invariant 4, that a loan can't lessen what the vault has, and what carrying can cost it at most.
contract VaultProofs is Symbolic {
    address private constant OWNER = address(0x0123);
    uint128 private constant MOST = 2 ** 100;

    Vault private vault;
    SomeToken private token;
    SomeToken private carried;
    SomeBorrower private borrower;

    function setUp() public {
        vault = new Vault(OWNER);
        token = new SomeToken();
        carried = new SomeToken();
        borrower = new SomeBorrower(vault, token, carried);
        vm.prank(OWNER);
        vault.setLendsTo(address(borrower), true);
        vm.prank(OWNER);
        vault.setCap(address(token), 2 ** 100);
        vm.prank(OWNER);
        vault.setCarriage(address(token), address(carried), MOST, 1e18, IPriceOracle(address(0)), address(0));
    }

    /// @dev Whatever anybody but the owner calls, and an executor is one of those, the owner's is as it was.
    function check_invariant4_othersChangeNothing(address caller, address executor, address other) public {
        vm.assume(caller != OWNER && caller != address(0)); // nobody has the zero address
        (bool lends, uint256 cap) = (vault.lendsTo(executor), vault.cap(other));
        (uint128 left, uint128 leastWad,,) = vault.carriage(address(token), other);
        bytes memory data = _anyCall();
        vm.prank(caller);
        (bool success,) = address(vault).call(data);
        success;
        assert(vault.owner() == OWNER && vault.nextOwner() == address(0));
        assert(vault.lendsTo(executor) == lends && vault.cap(other) == cap);
        (uint128 leftAfter, uint128 leastWadAfter,,) = vault.carriage(address(token), other);
        assert(leftAfter == left && leastWadAfter == leastWad);
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
        if (kind == 3) {
            return abi.encodeCall(
                Vault.carry, (address(token), number, address(carried), 0, svm.createBytes(96, "bytes"))
            );
        }
        if (kind == 2) {
            return abi.encodeCall(Vault.call, (svm.createAddress("target"), number, svm.createBytes(96, "bytes")));
        }
        data = svm.createBytes(132, "data");
        vm.assume(
            bytes4(data) != Vault.lend.selector && bytes4(data) != Vault.call.selector
                && bytes4(data) != Vault.carry.selector
        );
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

    /// @dev Whatever the executor calls meanwhile: what is gone is within the cap, comes off it, and as much of
    /// the other token as the owner asks is there.
    function check_invariant2_carryingCostsNoMoreThanTheOwnerAllows(
        uint256 stock,
        uint256 amount,
        uint256 paysBack,
        uint256 brings
    ) public {
        vm.assume(stock < 2 ** 128 && brings < 2 ** 128);
        token.mint(address(vault), stock);
        carried.mint(address(borrower), brings);
        try borrower.carry(amount, "", paysBack, brings) {
            uint256 paid = stock - token.balanceOf(address(vault));
            (uint128 left,,,) = vault.carriage(address(token), address(carried));
            assert(paid <= MOST && left == MOST - paid);
            assert(carried.balanceOf(address(vault)) * 1e18 >= paid * 1e18); // as the vault asks it
        } catch {}
    }

    function check_invariant4_nothingElseChangesWhileCarrying(address executor, address other, uint256 amount)
        public
    {
        vm.assume(other != address(carried));
        token.mint(address(vault), 2 ** 100);
        token.mint(address(borrower), 2 ** 100);
        (bool lends, uint256 cap) = (vault.lendsTo(executor), vault.cap(other));
        (uint128 left, uint128 leastWad,,) = vault.carriage(address(token), other);
        borrower.carry(amount, _anyCall(), amount, 0);
        assert(vault.owner() == OWNER && vault.nextOwner() == address(0));
        assert(vault.lendsTo(executor) == lends && vault.cap(other) == cap);
        (uint128 leftAfter, uint128 leastWadAfter,,) = vault.carriage(address(token), other);
        assert(leftAfter == left && leastWadAfter == leastWad);
    }
}
