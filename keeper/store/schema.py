"""The journal's tables, as a list of migrations: version n is what the first n made of an empty file.

A migration that was released is never changed. Lines are only ever added, and triggers hold that.
"""

from __future__ import annotations


def _append_only(*tables: str) -> str:
    """Return the triggers by which these tables' lines can't be changed or removed."""
    return "".join(
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;\n"
        for table in tables
        for verb in ("update", "delete")
    )


# Amounts are decimal text: SQLite's integers end at 64 bits.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE journal (chain_id INTEGER NOT NULL);

    CREATE TABLE predictions (
        id INTEGER PRIMARY KEY,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        head_number INTEGER NOT NULL,
        head_hash BLOB NOT NULL,
        market TEXT NOT NULL,
        borrower BLOB NOT NULL,
        health_factor_wad TEXT NOT NULL,
        objective TEXT NOT NULL,
        debt BLOB NOT NULL,
        repaid_raw TEXT NOT NULL,
        collateral BLOB NOT NULL,
        seized_raw TEXT NOT NULL,
        bonus_wei TEXT NOT NULL,
        price_impact_wei TEXT NOT NULL,
        flash_fee_wei TEXT NOT NULL,
        tip_wei TEXT NOT NULL,
        vault_wei TEXT NOT NULL,
        floor_wei TEXT NOT NULL,
        deadline_s INTEGER NOT NULL
    );

    CREATE TABLE declined (
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        head_number INTEGER NOT NULL,
        head_hash BLOB NOT NULL,
        reason TEXT NOT NULL,
        borrowers INTEGER NOT NULL
    );

    CREATE TABLE intents (
        id INTEGER PRIMARY KEY,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        operator BLOB NOT NULL,
        nonce INTEGER NOT NULL,
        hash BLOB NOT NULL,
        raw BLOB NOT NULL,
        market TEXT NOT NULL,
        borrower BLOB NOT NULL,
        pools BLOB NOT NULL,
        head_number INTEGER NOT NULL,
        head_hash BLOB NOT NULL,
        deadline_s INTEGER NOT NULL,
        predicted_profit_wei TEXT NOT NULL
    );

    CREATE INDEX intents_by_hash ON intents (hash);

    CREATE TABLE outcomes (
        intent INTEGER PRIMARY KEY REFERENCES intents (id),
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        kind TEXT NOT NULL CHECK (kind IN ('included', 'reverted', 'expired', 'superseded')),
        block_number INTEGER NOT NULL,
        block_hash BLOB,
        gas_used INTEGER,
        effective_gas_price_wei TEXT,
        vault_profit_wei TEXT,
        tip_wei TEXT,
        realised_profit_wei TEXT NOT NULL,
        why TEXT
    );
    """
    + _append_only("journal", "predictions", "declined", "intents", "outcomes"),
    # Several intents may share a nonce from here on. What was sent before were liquidations, for the public;
    # their fees are read from their bytes.
    """
    ALTER TABLE intents ADD COLUMN purpose TEXT NOT NULL DEFAULT 'liquidation'
        CHECK (purpose IN ('liquidation', 'cancellation'));
    ALTER TABLE intents ADD COLUMN channels TEXT NOT NULL DEFAULT 'public';
    ALTER TABLE intents ADD COLUMN is_private INTEGER NOT NULL DEFAULT 0 CHECK (is_private IN (0, 1));
    ALTER TABLE intents ADD COLUMN target_block INTEGER;
    ALTER TABLE intents ADD COLUMN gas_limit INTEGER;
    ALTER TABLE intents ADD COLUMN max_fee_per_gas_wei TEXT;
    ALTER TABLE intents ADD COLUMN max_priority_fee_per_gas_wei TEXT;
    """,
    """
    CREATE TABLE brakes (
        id INTEGER PRIMARY KEY,
        at_s INTEGER NOT NULL,
        brake TEXT,
        detail TEXT NOT NULL
    );
    """
    + _append_only("brakes"),
    """
    CREATE TABLE plans (
        intent INTEGER PRIMARY KEY REFERENCES intents (id),
        bonus_wei TEXT NOT NULL,
        price_impact_wei TEXT NOT NULL,
        flash_fee_wei TEXT NOT NULL,
        tip_wei TEXT NOT NULL,
        gas_wei TEXT NOT NULL
    );

    CREATE TABLE watched (
        at_s INTEGER NOT NULL,
        heads INTEGER NOT NULL,
        first_head INTEGER NOT NULL,
        last_head INTEGER NOT NULL,
        borrowers INTEGER NOT NULL,
        most_unhealthy INTEGER NOT NULL,
        planned INTEGER NOT NULL,
        declined INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        overtaken INTEGER NOT NULL,
        degraded INTEGER NOT NULL
    );

    CREATE TABLE races (
        id INTEGER PRIMARY KEY,
        at_s REAL NOT NULL,
        market TEXT NOT NULL,
        borrower BLOB NOT NULL,
        liquidator BLOB NOT NULL,
        debt BLOB,
        repaid_raw TEXT NOT NULL,
        collateral BLOB,
        seized_raw TEXT NOT NULL,
        block_number INTEGER NOT NULL,
        hash BLOB NOT NULL,
        sender BLOB NOT NULL,
        place INTEGER NOT NULL,
        gas_wei TEXT NOT NULL,
        priority_fee_wei TEXT NOT NULL,
        deed TEXT NOT NULL,
        first_head INTEGER,
        first_seen_at_s REAL,
        last_head INTEGER,
        why TEXT,
        net_wei TEXT,
        our_tip_wei TEXT,
        our_priority_fee_wei TEXT
    );
    """
    + _append_only("plans", "watched", "races"),
    """
    ALTER TABLE outcomes ADD COLUMN l1_fee_wei TEXT NOT NULL DEFAULT '0';
    ALTER TABLE watched ADD COLUMN nearly INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE plans ADD COLUMN bid_bps INTEGER;
    ALTER TABLE plans ADD COLUMN bid_of_wei TEXT;
    ALTER TABLE races ADD COLUMN winner_bid_wei TEXT;
    """,
    """
    ALTER TABLE races ADD COLUMN winner_gas_used INTEGER NOT NULL DEFAULT 0;
    """,
    # Whom an intent closes beside its borrower, as JSON: [[market, borrower], ...], the latter in hex.
    """
    ALTER TABLE intents ADD COLUMN others TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE intents ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;
    """,
    # An outcome may be taken back by the chain: then 'reopened' is said of it, and later what came instead.
    # The outcome that stands is what was said last.
    """
    CREATE TABLE conclusions (
        id INTEGER PRIMARY KEY,
        intent INTEGER NOT NULL REFERENCES intents (id),
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        kind TEXT NOT NULL CHECK (kind IN ('included', 'reverted', 'expired', 'superseded', 'reopened')),
        block_number INTEGER,
        block_hash BLOB,
        gas_used INTEGER,
        effective_gas_price_wei TEXT,
        vault_profit_wei TEXT,
        tip_wei TEXT,
        realised_profit_wei TEXT,
        why TEXT,
        l1_fee_wei TEXT NOT NULL DEFAULT '0'
    );

    CREATE INDEX conclusions_by_intent ON conclusions (intent, id);

    INSERT INTO conclusions (intent, written_at, kind, block_number, block_hash, gas_used,
        effective_gas_price_wei, vault_profit_wei, tip_wei, realised_profit_wei, why, l1_fee_wei)
    SELECT intent, written_at, kind, block_number, block_hash, gas_used,
        effective_gas_price_wei, vault_profit_wei, tip_wei, realised_profit_wei, why, l1_fee_wei
    FROM outcomes ORDER BY written_at, intent;

    DROP TABLE outcomes;

    CREATE VIEW outcomes AS SELECT * FROM conclusions AS said WHERE kind <> 'reopened'
        AND NOT EXISTS (SELECT 1 FROM conclusions WHERE intent = said.intent AND id > said.id);
    """
    + _append_only("conclusions"),
    # Of whom an intent was to close, those who were left out of it, as `others` has them.
    """
    ALTER TABLE conclusions ADD COLUMN left_out TEXT NOT NULL DEFAULT '[]';
    """,
    # What an intent is to have the vault pay and keep, and what it had it, as JSON: [[spent, carried, paid,
    # received], ...], addresses in hex, amounts as decimal text.
    """
    CREATE TABLE carries (
        intent INTEGER PRIMARY KEY REFERENCES intents (id),
        vault BLOB NOT NULL,
        paid BLOB NOT NULL,
        paid_symbol TEXT NOT NULL,
        paid_decimals INTEGER NOT NULL,
        paid_raw TEXT NOT NULL,
        received BLOB NOT NULL,
        received_symbol TEXT NOT NULL,
        received_decimals INTEGER NOT NULL,
        received_raw TEXT NOT NULL,
        paid_wei TEXT NOT NULL,
        booked_wei TEXT NOT NULL
    );
    """
    + _append_only("carries")
    + """
    ALTER TABLE conclusions ADD COLUMN carried TEXT NOT NULL DEFAULT '[]';
    """,
    # What each of several positions was to bring to a plan, in their order.
    """
    CREATE TABLE shares (
        id INTEGER PRIMARY KEY,
        intent INTEGER NOT NULL REFERENCES intents (id),
        bonus_wei TEXT NOT NULL,
        price_impact_wei TEXT NOT NULL,
        flash_fee_wei TEXT NOT NULL,
        tip_wei TEXT NOT NULL,
        gas_wei TEXT NOT NULL
    );
    """
    + _append_only("shares"),
)
