// Package blockstm runs an ordered list of tasks speculatively on several
// workers, with the result that running them one after the other would have. It
// knows nothing of what a task does.
//
// It follows Block-STM: optimistic execution over versioned memory, estimates, and
// validation in order. Tasks commit strictly in order at a rolling frontier;
// whoever holds the frontier checks each read of the task there against what is
// committed, and executes the task on the spot if one does not hold. All
// predecessors are committed by then, so that this execution is final. There is
// no livelock.
//
// Versions of uncommitted tasks ([Cell.Below]) are only a guess; correctness does
// not depend on them. What makes guesses right more often:
//
//   - A cell knows its last reader ([Cell.Read]). Who publishes below it tells
//     ([Scheduler.Invalidate]), and tasks that would read something else now are
//     executed again, the one nearest the frontier first.
//   - What such a task had published is an estimate. Who comes to read it waits
//     while somebody executes the task, and executes it first if nobody does yet
//     and there is credit ([Scheduler.Await]). The task is always an earlier one,
//     so that they never wait for each other.
//   - A task follows the one that it is expected to depend on (Plan.After).
//
// What is lost is bounded (Plan.Window, Plan.MaxWaste). docs/adr/0010 and 0011
// tell why it is so, and what was tried.
package blockstm
