// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

// Tokens with the habits that tokens have. Anybody mints.

contract TestToken {
    mapping(address account => uint256) internal _balances;
    mapping(address account => mapping(address spender => uint256)) public allowance;

    function balanceOf(address account) public view virtual returns (uint256) {
        return _balances[account];
    }

    function mint(address to, uint256 amount) public virtual {
        _balances[to] += amount;
    }

    function transfer(address to, uint256 amount) public virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) public virtual returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) public virtual returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        _balances[from] -= amount;
        _balances[to] += amount;
    }
}

/// @notice Keeps a hundredth of every transfer.
contract FeeToken is TestToken {
    function _move(address from, address to, uint256 amount) internal override {
        _balances[from] -= amount;
        _balances[to] += amount - amount / 100;
    }
}

/// @notice Counts in shares worth 1.234 units each, so that a transfer moves up to two units less than asked,
/// and the last unit can't be given away.
contract ShareToken is TestToken {
    function balanceOf(address account) public view override returns (uint256) {
        return _balances[account] * 1234 / 1000;
    }

    function mint(address to, uint256 amount) public override {
        _balances[to] += amount * 1000 / 1234;
    }

    function _move(address from, address to, uint256 amount) internal override {
        uint256 shares = amount * 1000 / 1234;
        _balances[from] -= shares;
        _balances[to] += shares;
    }
}

/// @notice Reverts when asked to move or approve nothing.
contract NoZeroToken is TestToken {
    error Nothing();

    function approve(address spender, uint256 amount) public override returns (bool) {
        if (amount == 0) revert Nothing();
        return super.approve(spender, amount);
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (amount == 0) revert Nothing();
        super._move(from, to, amount);
    }
}

/// @notice Moves nothing to whom it has blocked.
contract BlockingToken is TestToken {
    error Blocked();

    mapping(address account => bool) public isBlocked;

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (isBlocked[to]) revert Blocked();
        super._move(from, to, amount);
    }
}

/// @notice Says false instead of reverting.
contract FalseToken is TestToken {
    bool public refuses;

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !refuses && super.transfer(to, amount);
    }

    function approve(address spender, uint256 amount) public override returns (bool) {
        return !refuses && super.approve(spender, amount);
    }
}

/// @notice Calls a stranger before and after everything it does.
contract HookToken is TestToken {
    address public stranger;

    function setStranger(address stranger_) external {
        stranger = stranger_;
    }

    function approve(address spender, uint256 amount) public override returns (bool) {
        _hook();
        super.approve(spender, amount);
        _hook();
        return true;
    }

    function _move(address from, address to, uint256 amount) internal override {
        _hook();
        super._move(from, to, amount);
        _hook();
    }

    function _hook() private {
        // slither-disable-next-line all
        (bool success,) = stranger.call("");
        success;
    }
}

/// @notice Does under another name what may be done: the approval that no list of selectors can know.
contract ForwardingToken is TestToken {
    function forward(bytes calldata data) external {
        (bool success,) = address(this).delegatecall(data);
        require(success);
    }
}

/// @notice Stricter than the real one: it reverts when asked to transfer nothing.
contract TestWrappedNative is TestToken {
    function transfer(address to, uint256 amount) public override returns (bool) {
        require(amount != 0);
        return super.transfer(to, amount);
    }

    receive() external payable {
        deposit();
    }

    function deposit() public payable {
        _balances[msg.sender] += msg.value;
    }

    function withdraw(uint256 amount) external {
        _balances[msg.sender] -= amount;
        payable(msg.sender).transfer(amount); // 2300 gas, as the real one gives
    }
}

contract TestCollectible {
    mapping(uint256 id => address) public ownerOf;
    mapping(address owner => mapping(address operator => bool)) public isApprovedForAll;

    function mint(address to, uint256 id) external {
        ownerOf[id] = to;
    }

    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
    }

    function transferFrom(address from, address to, uint256 id) external {
        require(ownerOf[id] == from && (msg.sender == from || isApprovedForAll[from][msg.sender]));
        ownerOf[id] = to;
    }
}
