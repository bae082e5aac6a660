-- Hashes and addresses are bytea, 256-bit amounts numeric. Everything here is a
-- projection of the chain and can be dropped and rebuilt from it.

-- +goose Up
CREATE TABLE blocks (
    number        bigint   PRIMARY KEY,
    hash          bytea    NOT NULL UNIQUE,
    parent_hash   bytea    NOT NULL,
    timestamp     bigint   NOT NULL, -- seconds
    gas_limit     bigint   NOT NULL,
    gas_used      bigint   NOT NULL,
    base_fee      numeric  NOT NULL, -- wei
    tx_count      integer  NOT NULL,
    size          bigint   NOT NULL, -- bytes of RLP
    origin_number bigint,            -- L1 block, where extraData names one
    origin_hash   bytea,
    header        bytea    NOT NULL  -- RLP
);

CREATE TABLE txs (
    block_number bigint   NOT NULL,
    tx_index     integer  NOT NULL,
    hash         bytea    NOT NULL,
    sender       bytea    NOT NULL,
    recipient    bytea,              -- null creates a contract
    created      bytea,              -- the contract, if it succeeded
    nonce        numeric  NOT NULL,
    type         smallint NOT NULL,
    value        numeric  NOT NULL,  -- wei
    selector     bytea,              -- first 4 bytes of the input
    status       smallint NOT NULL,
    gas_used     bigint   NOT NULL,
    gas_price    numeric  NOT NULL,  -- effective, wei
    raw          bytea    NOT NULL,  -- as signed
    receipt      bytea    NOT NULL,  -- RLP in go-ethereum's storage form
    PRIMARY KEY (block_number, tx_index)
);
CREATE INDEX txs_hash ON txs (hash);
CREATE INDEX txs_sender ON txs (sender, block_number DESC, tx_index DESC);
CREATE INDEX txs_recipient ON txs (recipient, block_number DESC, tx_index DESC) WHERE recipient IS NOT NULL;
CREATE INDEX txs_sender_nonce ON txs (sender, nonce);
CREATE INDEX txs_created ON txs (created) WHERE created IS NOT NULL;

CREATE TABLE logs (
    block_number bigint  NOT NULL,
    log_index    integer NOT NULL, -- in the block
    tx_index     integer NOT NULL,
    address      bytea   NOT NULL,
    topic0       bytea,
    topic1       bytea,
    topic2       bytea,
    topic3       bytea,
    data         bytea   NOT NULL,
    PRIMARY KEY (block_number, log_index)
);
CREATE INDEX logs_address ON logs (address, topic0, block_number, log_index);
CREATE INDEX logs_topic1 ON logs (topic0, topic1, block_number);
CREATE INDEX logs_topic2 ON logs (topic0, topic2, block_number);

-- One row a projection. It moves in the SQL transaction that moves the rows.
CREATE TABLE cursors (
    name         text   PRIMARY KEY,
    block_number bigint NOT NULL,
    block_hash   bytea  NOT NULL
);

CREATE TABLE reorgs (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fork_number bigint      NOT NULL,
    fork_hash   bytea       NOT NULL,
    old_number  bigint      NOT NULL,
    old_hash    bytea       NOT NULL,
    noticed_at  timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE reorgs, cursors, logs, txs, blocks;
