// Package blockstm runs an ordered list of tasks speculatively on several
// workers, with the result that running them one after the other would have. It
// knows nothing of what a task does.
//
// It follows Block-STM: optimistic execution over versioned memory, and
// validation in order. It departs from the paper in one point, from which its
// simplicity comes: validation is against committed values only. Tasks commit
// strictly in order at a rolling frontier; whoever holds the frontier checks
// each read of the task there against what is committed, and re-executes the
// task on the spot if one does not hold. All predecessors are committed by
// then, so the second execution is final. There is no livelock, no estimate
// that could be waited for, and no task runs more than twice in one run.
// docs/adr/0010 tells what that costs.
//
// Versions of uncommitted tasks ([Cell.Below]) are therefore only a guess that
// makes speculation right more often; correctness does not depend on them.
package blockstm
