// Package indexer projects the chain into Postgres: blocks, transactions with
// their receipts, and logs.
//
// [Indexer.Run] follows a [Source]. Every block is one SQL transaction that also
// moves the cursor, so whatever happens the rows are those of a prefix of one
// chain and the cursor says which. When the chain rolls back, rows above the
// fork go in one SQL transaction, too. While Postgres is away the indexer waits;
// nothing waits for the indexer. What it wrote can be dropped at any time
// ([Rebuild]) and comes back by itself.
//
// [Index] answers from the rows. [StartCluster] runs a private Postgres from
// local binaries.
package indexer
