// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IWrappedNative} from "../src/Erc20.sol";
import {Executor} from "../src/Executor.sol";
import {Symbolic} from "./Symbolic.sol";

/// @notice Wrapped native coin as far as a settlement needs it; what a program did to it is any two changes.
contract SomeWrappedNative {
    mapping(address account => uint256) public balanceOf;

    function set(address account, uint256 amount) external {
        balanceOf[account] = amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function withdraw(uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        (bool success,) = msg.sender.call{value: amount}("");
        require(success);
    }

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    receive() external payable {}
}

/// @notice A lender that calls back as it is told, and then once more.
contract SomeLender {
    bytes private first;
    bytes private second;
    bool public firstRan;
    bool public secondRan;

    function tell(bytes calldata first_, bytes calldata second_) external {
        first = first_;
        second = second_;
    }

    function lend(bytes calldata) external {
        (firstRan,) = msg.sender.call(first);
        (secondRan,) = msg.sender.call(second);
    }
}

/// @notice Whatever a program may do to the balances of executor and vault.
contract SomeStep {
    function happen(SomeWrappedNative wrapped, address vault, uint256 toExecutor, uint256 toVault) external {
        wrapped.set(msg.sender, toExecutor);
        wrapped.set(vault, toVault);
    }
}

/// @notice Invariants 1, 3 and 6, for every caller, every calldata of the sizes below, and every balance.
contract ExecutorProofs is Symbolic {
    bytes4 private constant CALLBACK = 0x1b11d0ff; // executeOperation(address,uint256,uint256,address,bytes)
    address private constant OPERATOR = address(0x0123);
    address private constant VAULT = address(0x4567);

    SomeWrappedNative private wrapped;
    SomeLender private lender;
    SomeStep private step;
    Executor private executor;

    function setUp() public {
        wrapped = new SomeWrappedNative();
        lender = new SomeLender();
        step = new SomeStep();
        executor = new Executor(OPERATOR, VAULT, IWrappedNative(address(wrapped)));
    }

    // --- 1: nobody but the operator changes anything outside a committed callback

    function check_invariant1_nothingSucceedsForOthers(address caller) public {
        vm.assume(caller != OPERATOR && caller != address(executor));
        bytes memory data = _anyCall();
        vm.prank(caller);
        (bool success,) = address(executor).call(data);
        assert(!success || _isView(data));
    }

    function check_invariant1_nativeCoinIsRefused(address caller, uint256 amount) public {
        vm.assume(caller != address(executor));
        vm.prank(caller);
        (bool success,) = address(executor).call{value: amount}("");
        assert(!success);
    }

    // --- 3: a commitment is used once, and only as it was made

    function check_invariant3_onlyTheCommittedCallbackRuns() public {
        bytes memory first = _anyCall();
        _run(first, "");
        assert(!lender.firstRan() || _isView(first) || _isCommitted(first));
    }

    function check_invariant3_aCommitmentIsUsedOnce() public {
        bytes memory second = _anyCall();
        bool success = _run(_committed(), second);
        assert(success && lender.firstRan()); // so that what follows says something
        assert(!lender.secondRan() || _isView(second));
    }

    function check_invariant3_anUnusedCommitmentReverts() public {
        bytes memory first = _anyCall();
        bool success = _run(first, "");
        assert(!success || _isCommitted(first));
    }

    function _committed() private view returns (bytes memory) {
        return abi.encodeWithSelector(CALLBACK, address(0), 0, 0, address(executor), bytes(hex"00000000"));
    }

    /// @dev Returns whether it is the committed callback, whatever it says of asset, amount and premium.
    function _isCommitted(bytes memory data) private view returns (bool) {
        if (bytes4(data) != CALLBACK) return false;
        uint256 initiator;
        uint256 length;
        bytes32 sent;
        assembly {
            initiator := mload(add(data, 132))
            length := mload(add(data, 196))
            sent := mload(add(data, 228))
        }
        return initiator == uint160(address(executor)) && length == 4 && bytes4(sent) == bytes4(0);
    }

    function _isView(bytes memory data) private view returns (bool) {
        bytes4 selector = bytes4(data);
        return selector == executor.operator.selector || selector == executor.vault.selector
            || selector == executor.wrappedNative.selector;
    }

    /// @dev Returns any call: of the functions and of the callback in the ABI's own form, with any contents of up
    /// to 96 bytes; of any other name with 260 bytes of anything.
    function _anyCall() private view returns (bytes memory data) {
        uint256 kind = svm.createUint256("kind");
        if (kind == 0) return abi.encodeCall(Executor.execute, (svm.createBytes(96, "program")));
        if (kind == 1) return abi.encodeCall(Executor.runLeg, (svm.createBytes(96, "body")));
        if (kind == 2) return _anyCallback(hex"00000000");
        if (kind == 3) return _anyCallback("");
        if (kind == 4) return _anyCallback(svm.createBytes(96, "sent"));
        if (kind == 6) return _anyCallback(_notCommitted());
        if (kind == 5) return svm.createBytes(3, "short");
        data = svm.createBytes(260, "data");
        bytes4 selector = bytes4(data);
        vm.assume(
            selector != Executor.execute.selector && selector != Executor.runLeg.selector && selector != CALLBACK
        );
    }

    function _notCommitted() private pure returns (bytes memory sent) {
        sent = svm.createBytes(4, "sent");
        vm.assume(bytes4(sent) != bytes4(0));
    }

    function _anyCallback(bytes memory sent) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            CALLBACK,
            svm.createUint256("asset"),
            svm.createUint256("amount"),
            svm.createUint256("premium"),
            svm.createUint256("initiator"),
            sent
        );
    }

    /// @dev Runs a program whose only step commits to a callback with four zero bytes: no answer, no repayments,
    /// no guards, no steps.
    function _run(bytes memory first, bytes memory second) private returns (bool success) {
        lender.tell(first, second);
        bytes memory data = abi.encodeCall(SomeLender.lend, (hex"00000000"));
        bytes memory program = abi.encodePacked(
            uint40(type(uint40).max),
            hex"00", // floor
            hex"0000_00", // tip
            hex"00_01", // no tokens, one address
            address(lender),
            hex"00_01_00_00_01", // no guards, a leg that must succeed, no guards, one step
            hex"20_01", // with a callback, to address 1
            uint16(data.length),
            data,
            hex"01", // from address 1
            CALLBACK,
            hex"04_03", // bytes and initiator arguments
            uint16(4 + 64)
        );
        vm.prank(OPERATOR);
        (success,) = address(executor).call(abi.encodeCall(Executor.execute, (program)));
    }

    // --- 6: success implies the floor

    function check_invariant6_successImpliesTheFloor() public {
        _settle(0, 0);
    }

    function check_invariant6_successImpliesTheFloorAfterATip() public {
        _settle(500, svm.createUint256("tip cap"));
    }

    function _settle(uint16 tipBps, uint256 tipCap) private {
        uint256 floor = svm.createUint256("floor");
        uint256 before = svm.createUint256("before");
        uint256 toExecutor = svm.createUint256("to executor");
        uint256 toVault = svm.createUint256("to vault");
        vm.assume(before < 2 ** 128 && toExecutor < 2 ** 128 && toVault < 2 ** 128);
        wrapped.set(VAULT, before);

        bytes memory data =
            abi.encodeCall(SomeStep.happen, (wrapped, VAULT, toExecutor, toVault));
        bytes memory program = abi.encodePacked(
            uint40(type(uint40).max),
            hex"20",
            floor,
            tipBps,
            hex"20",
            tipCap,
            hex"00_01", // no tokens, one address
            address(step),
            hex"00_01_00_00_01", // no guards, a leg that must succeed, no guards, one step
            hex"00_01", // plain, to address 1
            uint16(data.length),
            data
        );
        vm.prank(OPERATOR);
        (bool success, bytes memory answer) = address(executor).call(abi.encodeCall(Executor.execute, (program)));
        if (success) {
            uint256 afterwards = wrapped.balanceOf(VAULT);
            uint256 gain = afterwards > before ? afterwards - before : 0;
            assert(gain >= floor);
            assert(abi.decode(answer, (uint256)) == gain);
            assert(wrapped.balanceOf(address(executor)) == 0);
        }
    }
}
