// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Erc20, IERC20} from "./Erc20.sol";

interface IVaultBorrower {
    /// @notice Called with the loan in hand; when it returns, the vault must have it back.
    function onVaultLoan(address token, uint256 amount, bytes calldata data) external;
}

interface IPriceOracle {
    /// @notice Returns what a whole token is worth, in a unit that is the same for all.
    function getAssetPrice(address asset) external view returns (uint256);
}

/// @title Vault
/// @notice The owner's. Profit comes here, and inventory may be kept here, which executors that the owner names
/// may borrow within a transaction: tokens that the owner names, up to a cap, and the vault's balance of them
/// may not have fallen when the loan ends. Where the owner allows it, they may also spend some of one token on
/// another that stays here: no more than what is left of the owner's cap, and not for less than the owner asks.
/// Nobody but the owner can do anything else.
/// @dev Lend and carry only tokens whose balance means the same at the end of a transaction as at its beginning:
/// not one that rebases as a borrower likes, nor a share whose worth a borrower could move.
contract Vault {
    using Erc20 for IERC20;

    /// @notice How one token may be spent on another that is carried.
    struct Carriage {
        /// How much may still be spent; what is spent comes off it, and nothing is added but by the owner.
        uint128 left;
        /// How many raw units must come for each that is spent, in wads. With an oracle each side is multiplied
        /// by its price first: then it is the least ratio of the values, times ten to the carried token's
        /// decimals less the spent one's.
        uint128 leastWad;
        /// Who says what both are worth; nobody where it is zero.
        IPriceOracle oracle;
        /// As what the oracle knows the token that is carried: of an aToken, what it is redeemed for.
        address asset;
    }

    uint256 private constant WAD = 1e18;

    address public owner;
    address public nextOwner;
    mapping(address executor => bool) public lendsTo;
    mapping(address token => uint256) public cap;
    mapping(address spent => mapping(address carried => Carriage)) public carriage;

    event OwnerOffered(address indexed nextOwner);
    event OwnerChanged(address indexed owner);
    event LendsTo(address indexed executor, bool lends);
    event Cap(address indexed token, uint256 cap);
    event Carries(
        address indexed spent, address indexed carried, uint256 most, uint256 leastWad, address oracle, address asset
    );
    event Carried(address indexed spent, address indexed carried, uint256 paid, uint256 received);
    event Withdrawn(address indexed token, address indexed to, uint256 amount);
    event Called(address indexed target, uint256 value, bytes4 selector);

    error NotOwner();
    error NotNextOwner();
    error NotExecutor();
    error ZeroAddress();
    error NotLent(address token);
    error OverCap(address token, uint256 amount, uint256 cap);
    error OnLoan(address token);
    error NotRepaid(address token, uint256 missing);
    error NotCarried(address spent, address carried);
    error NothingAsked(address spent, address carried);
    error Unpriced(address token);
    error TooLittle(address carried, uint256 received);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    constructor(address owner_) {
        if (owner_ == address(0)) revert ZeroAddress();
        owner = owner_;
        emit OwnerChanged(owner_);
    }

    /// @notice Native coin may be kept here too.
    receive() external payable {}

    /// @notice Lends `amount` of `token` to the executor that asks, for the length of its `onVaultLoan`.
    /// @dev One loan of a token at a time, so that the cap is one.
    function lend(address token, uint256 amount, bytes calldata data) external {
        if (!lendsTo[msg.sender]) revert NotExecutor();
        uint256 most = cap[token];
        if (most == 0) revert NotLent(token); // not even nothing of it: no stranger's contract is called
        if (amount > most) revert OverCap(token, amount, most);
        _take(token);

        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(msg.sender, amount);
        IVaultBorrower(msg.sender).onVaultLoan(token, amount, data);
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance < before) revert NotRepaid(token, before - balance);

        _setOnLoan(token, false);
    }

    /// @notice Gives `amount` of `spent` to the executor that asks. When its `onVaultLoan` returns, at least `least`
    /// of `carried` must have come, and as much as the owner asks for what of `spent` has not come back.
    /// @dev Neither token can be lent or carried meanwhile: nothing that comes is counted twice.
    function carry(address spent, uint256 amount, address carried, uint256 least, bytes calldata data) external {
        if (!lendsTo[msg.sender]) revert NotExecutor();
        Carriage memory terms = carriage[spent][carried];
        if (terms.left == 0) revert NotCarried(spent, carried);
        if (amount > terms.left) revert OverCap(spent, amount, terms.left);
        _take(spent);
        _take(carried);

        uint256 money = IERC20(spent).balanceOf(address(this));
        uint256 held = IERC20(carried).balanceOf(address(this));
        IERC20(spent).safeTransfer(msg.sender, amount);
        IVaultBorrower(msg.sender).onVaultLoan(spent, amount, data);
        uint256 balance = IERC20(spent).balanceOf(address(this));
        uint256 paid = balance < money ? money - balance : 0;
        uint256 received = IERC20(carried).balanceOf(address(this)) - held;

        if (received < least || !_isEnough(terms, spent, paid, received)) revert TooLittle(carried, received);
        carriage[spent][carried].left = uint128(terms.left - paid);
        _setOnLoan(spent, false);
        _setOnLoan(carried, false);
        emit Carried(spent, carried, paid, received);
    }

    // --- the owner's

    /// @notice Names the executors that may borrow. To revoke an operator, name its executor no more.
    function setLendsTo(address executor, bool lends) external onlyOwner {
        lendsTo[executor] = lends;
        emit LendsTo(executor, lends);
    }

    /// @notice Sets how much of a token may be on loan; 0, as at first, is nothing.
    function setCap(address token, uint256 cap_) external onlyOwner {
        cap[token] = cap_;
        emit Cap(token, cap_);
    }

    /// @notice Sets how much of one token may be spent on another, from now on, and for how much of it at least;
    /// 0, as at first, is nothing. See `Carriage`.
    function setCarriage(
        address spent,
        address carried,
        uint128 most,
        uint128 leastWad,
        IPriceOracle oracle,
        address asset
    ) external onlyOwner {
        if (most != 0 && (leastWad == 0 || spent == carried)) revert NothingAsked(spent, carried);
        carriage[spent][carried] = Carriage(most, leastWad, oracle, asset);
        emit Carries(spent, carried, most, leastWad, address(oracle), asset);
    }

    function withdraw(address token, address to, uint256 amount) external onlyOwner {
        if (to == address(0)) revert ZeroAddress();
        emit Withdrawn(token, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @notice Makes any call as the vault: for native coin, collectibles, and whatever else comes to lie here.
    function call(address target, uint256 value, bytes calldata data) external onlyOwner returns (bytes memory) {
        emit Called(target, value, bytes4(data));
        (bool success, bytes memory answer) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return answer;
    }

    /// @notice Offers the vault to another owner, who has to accept: a mistyped address changes nothing.
    function offerOwner(address nextOwner_) external onlyOwner {
        nextOwner = nextOwner_;
        emit OwnerOffered(nextOwner_);
    }

    function acceptOwner() external {
        if (msg.sender != nextOwner) revert NotNextOwner();
        owner = msg.sender;
        delete nextOwner;
        emit OwnerChanged(msg.sender);
    }

    // --- what is carried

    /// @dev Returns whether what came is as much as the owner asks for what was paid.
    function _isEnough(Carriage memory terms, address spent, uint256 paid, uint256 received)
        private
        view
        returns (bool)
    {
        uint256 came = received * WAD;
        uint256 asked = paid * terms.leastWad;
        if (address(terms.oracle) != address(0)) {
            came *= _price(terms.oracle, terms.asset);
            asked *= _price(terms.oracle, spent);
        }
        return came >= asked;
    }

    function _price(IPriceOracle oracle, address asset) private view returns (uint256 price) {
        price = oracle.getAssetPrice(asset);
        if (price == 0) revert Unpriced(asset); // of the token that is spent: it could be had for nothing
    }

    // --- which tokens are on loan, or carried: transient, by the token's address

    function _take(address token) private {
        if (_isOnLoan(token)) revert OnLoan(token);
        _setOnLoan(token, true);
    }

    function _isOnLoan(address token) private view returns (bool onLoan) {
        assembly ("memory-safe") {
            onLoan := tload(token)
        }
    }

    function _setOnLoan(address token, bool onLoan) private {
        assembly ("memory-safe") {
            tstore(token, onLoan)
        }
    }
}
