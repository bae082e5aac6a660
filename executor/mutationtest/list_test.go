package mutationtest

// mutant is a change of one file, and the test that must fail with it.
type mutant struct {
	name     string
	file     string // below executor/
	old, new string // old occurs once
	pkg      string // below executor/
	run      string
}

const (
	scheduler = "blockstm/run.go"
	retry     = "blockstm/retry.go"
	memory    = "blockstm/memory.go"

	schedules = "^TestSchedules$"
	blocks    = "^TestBlocks$/^osaka$"
	older     = "^TestBlocks$/^(london|byzantium)$"
	amsterdam = "^TestBlocks$/^amsterdam$"
	stripped  = "^TestDestroyedKeepsBalance$"
	stateGas  = "^TestGasOfState$"
	parity    = "^TestStateDBParity$"
	transfers = "^TestTransferParity$"

	adversaries = "^TestAdversary$"
)

// mutants are faults of the kinds that parallel executors have had. The
// schedulers' are left to the explorer alone.
var mutants = []mutant{
	{
		name: "a validation is skipped",
		file: scheduler, old: "if !s.program.Holds(worker, task) {", new: "if !s.program.Holds(worker, task) && task%5 != 3 {",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a task counts as executed once it is claimed",
		file: scheduler, old: "\t\ts.program.Prepare(worker, from, to)\n", new: "\t\ts.program.Prepare(worker, from, to)\n\t\tfor task := from; task < to; task++ {\n\t\t\ts.place(task).Store(int64(newState(task, executed, worker)))\n\t\t}\n",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a task commits before it was executed",
		file: scheduler, old: "return p.task() == frontier && p.phase() != running && (", new: "return all || p.task() == frontier && p.phase() != running && (",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a worker with nothing to execute leaves what is executed",
		file: scheduler, old: "if s.advance(worker, true) {", new: "if false {",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a task counts as executed before its followers are released",
		file: scheduler, old: "\t\t\tqueue = s.release(queue, task)\n\t\t\ts.yield(worker)\n\t\t\ts.ran(worker, task, pushes)\n",
		new: "\t\t\ts.ran(worker, task, pushes)\n\t\t\ts.yield(worker)\n\t\t\tqueue = s.release(queue, task)\n",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a follower that comes before its leader is opened is forgotten",
		file: "blockstm/follow.go", old: "leaderOf(v) < task && !at", new: "!at",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "the frontier leaves a task that was led before its followers are released",
		file: scheduler, old: "\t\tqueue = s.release(queue, task)\n\t\ts.pass(task)\n", new: "\t\ts.pass(task)\n\t\ts.yield(worker)\n\t\tqueue = s.release(queue, task)\n",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "the window is one task too wide",
		file: scheduler, old: "frontier+min(s.ahead, s.plan.Window-lost)", new: "frontier+s.plan.Window+1",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "the frontier moves before the commit",
		file: scheduler, old: "\tdone := s.program.Commit(worker, task)\n", new: "\ts.frontier.Store(int64(task) + 1)\n\ts.yield(worker)\n\tdone := s.program.Commit(worker, task)\n",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "the last to park is not woken",
		file: scheduler, old: "if s.parked.Load() > 0 {", new: "if s.parked.Load() > 1 {",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "an estimate is lost",
		file: retry, old: "case v.task() == task && v.phase() == running:", new: "case v.task() != task:",
		pkg: "blockstm", run: "^Test(Await|SettledIsAwaited)$",
	},
	{
		name: "nobody helps",
		file: retry, old: "!s.helping[worker] && ", new: "v.task() != task && ",
		pkg: "blockstm", run: "^TestHelp$",
	},
	{
		name: "who helps helps again",
		file: retry, old: "!s.helping[worker] && ", new: "",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "who comes too late to help takes the mark",
		file: retry, old: "\t\t\ts.yield(worker)\n\t\t\tif p.swap(v,", new: "\t\t\ts.yield(worker)\n\t\t\ts.stale.take(task % s.plan.Window)\n\t\t\tif p.swap(v,",
		pkg: "blockstm", run: "^TestHelpKeepsMarks$",
	},
	{
		name: "who helps takes the mark of a later task",
		file: retry, old: "\t\ts.stale.set(i) // of a later task", new: "\t\t// of a later task",
		pkg: "blockstm", run: "^TestHelpKeepsMarks$",
	},
	{
		name: "a fault in the middle of an execution is taken for its failure",
		file: "guess.go", old: "g.waits = true", new: "g.waits = false",
		pkg: "", run: "^TestPanicWhileWaiting$",
	},
	{
		name: "EVMs of two workers share a line of the cache",
		file: "apart.go", old: "return o != w && o.seat", new: "return o == nil && o.seat",
		pkg: "", run: "^TestApart$",
	},
	{
		name: "it is always a sender's turn",
		file: "guess.go", old: "tx.From == *sender && tx.Call().Nonce == seen {", new: "i == 0 || tx != nil {",
		pkg: "", run: "^TestTurns$",
	},
	{
		name: "a sender's transactions before do not count",
		file: "guess.go", old: "tx.From == *sender && tx.Call().Nonce == seen {", new: "tx == nil {",
		pkg: "", run: "^TestTurns$",
	},
	{
		name: "who helps executes with what is in use",
		file: "speculation.go", old: "\tif w.busy {\n", new: "\tif false {\n",
		pkg: "", run: "^TestHelps$",
	},
	{
		name: "what executes in the middle of another is of the last block",
		file: "parallel.go", old: "if w.spare != nil {\n\t\t\tw.spare.open(b, c.workers)", new: "if w.spare != nil {\n\t\t\tw.spare.budget = nil",
		pkg: "", run: "^TestHelps$",
	},
	{
		name: "what executes in the middle of another is of other rules",
		file: "parallel.go", old: "if w.spare != nil {\n\t\t\tw.spare.open(b, c.workers)", new: "if w.spare != nil {\n\t\t\tw.spare.accounts.Reset()\n\t\t\tw.spare.slots.Reset()\n\t\t\tw.spare.evm.Context = b.context",
		pkg: "", run: "^TestEVMOutlivesBlocks$",
	},
	{
		name: "who has helped never helps again",
		file: retry, old: "\ts.helping[worker] = false\n", new: "",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a push is lost",
		file: retry, old: "t := task + 1; t <= reader && t < next; t++", new: "t := task + 2; t <= reader && t < next; t++",
		pkg: "blockstm", run: "^TestPush$",
	},
	{
		name: "who waits for a task is not woken when it has run again",
		file: retry, old: "\ts.ran(worker, task, pushes)\n\ts.wake()\n", new: "\ts.ran(worker, task, pushes)\n",
		pkg: "blockstm", run: "^TestAwait$",
	},
	{
		name: "a stale task at the frontier runs beside its settlement",
		file: retry, old: "if int(s.frontier.Load()) >= task {", new: "if false {",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "a task that runs again is committed",
		file: scheduler, old: "p.task() == frontier && p.phase() != running && (", new: "p.task() == frontier && (",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "executions that are lost take no credit",
		file: scheduler, old: "next-frontier+lost >= s.plan.Window || ", new: "next < 0 || ",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "who reads a balance is not noted",
		file: "statedb.go", old: "\t\ts.guess.reads(a.entry)\n", new: "\t\t_ = a.entry\n",
		pkg: "", run: "^TestRetriesOfBalance$",
	},
	{
		name: "what is published is not pushed",
		file: "speculation.go", old: "if own := s.number(task); last > own {", new: "if own := s.number(task); last < own {",
		pkg: "", run: "^TestRetries$",
	},
	{
		name: "an execution does not wait for what is replaced",
		file: "guess.go", old: "if w == nil || !g.await(w.Task) {", new: "if w == nil || true {",
		pkg: "", run: "^TestRetries$",
	},
	{
		name: "retries run ahead of what is committed",
		file: scheduler, old: "lost >= committed+max(1, s.plan.Window/retryShare) || ", new: "committed < 0 || ",
		pkg: "blockstm", run: "^TestRetriesKeepPace$",
	},
	{
		name: "a push beside the look at a task is lost",
		file: retry, old: "} else if s.pushes.Load() != known {", new: "} else if false {",
		pkg: "blockstm", run: "^TestPushBesideTheLook$",
	},
	{
		name: "who held the baton for nothing rests",
		file: scheduler, old: "\ts.yield(worker)\n\treturn true\n}\n\nfunc (s *Scheduler) ready", new: "\ts.yield(worker)\n\treturn false\n}\n\nfunc (s *Scheduler) ready",
		pkg: "blockstm", run: "^TestWhoHeldTheBatonLooksAgain$",
	},
	{
		name: "a run that ends early leaves versions",
		file: scheduler, old: "\t\t\ts.program.Withdraw(task)\n", new: "\t\t\t_ = task\n",
		pkg: "blockstm", run: schedules,
	},
	{
		name: "versions stand in the wrong order",
		file: memory, old: "next.Task > v.Task", new: "next.Task < v.Task",
		pkg: "blockstm", run: "^TestPublishOrder$",
	},
	{
		name: "a withdrawn version is read",
		file: memory, old: "if !v.withdrawn.Load() {", new: "if v != nil {",
		pkg: "blockstm", run: "^TestPublishOrder$",
	},
	{
		name: "GetBalance returns the balance itself",
		file: "statedb.go", old: "\t*b = a.balance\n\treturn b", new: "\t*b = a.balance\n\treturn &a.balance",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "the read of a nonce is not recorded",
		file: "statedb.go", old: "\ts.reads(a, readNonce)\n\treturn a.nonce", new: "\treturn a.nonce",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "the read of a slot is not recorded",
		file: "txstate.go", old: "isLoaded | readSlot", new: "isLoaded",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "the bound of a balance is dropped",
		file: "statedb.go", old: "\t\ta.flags |= boundBalance\n", new: "",
		pkg: "", run: adversaries,
	},
	{
		name: "a missing account is not recorded",
		file: "statedb.go", old: "if a.flags&isPresent == 0 || a.base.exists {", new: "if a.base.exists {",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a credit overwrites what came between",
		file: "speculation.go", old: "v.Write.applyTo(&v.Value, was)", new: "v.Write.applyTo(&v.Value, &a.base)",
		pkg: "", run: schedules,
	},
	{
		name: "a transaction at the frontier does not see what the coinbase has earned",
		file: "txstate.go", old: "if e == s.memory.fees.entry {", new: "if false {",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a read of the coinbase is compared without what it has earned",
		file: "speculation.go", old: "if a.entry == s.memory.fees.entry && a.flags&isPaid == 0 {", new: "if false {",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a fee alone makes no account",
		file: "fees.go", old: "f.value.exists = !f.value.empty() ", new: "",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a skipped transaction is not validated",
		file: "speculation.go", old: "\tif r.failure != nil || !s.fits", new: "\tif r.invalid != nil {\n\t\treturn true\n\t}\n\tif r.failure != nil || !s.fits",
		pkg: "", run: schedules,
	},
	{
		name: "a destroyed contract keeps its storage",
		file: "speculation.go", old: "if l.value == l.base || l.account.flags&isDestructed != 0 {", new: "if l.value == l.base {",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "what a destroyed contract held is still there",
		file: "speculation.go", old: "was.exists && !v.Value.exists {", new: "false {",
		pkg: "oracletest", run: older,
	},
	{
		name: "a read of a destroyed contract's slot is compared with what it held",
		file: "speculation.go", old: "slotValue(l.entry) != l.base", new: "l.entry.cell.Committed().Value != l.base",
		pkg: "oracletest", run: "^TestRebornStorage$",
	},
	{
		name: "what a contract writes that is there again is void",
		file: "memory.go", old: "wiped != e.cell.wiped.Load()", new: "false",
		pkg: "oracletest", run: older,
	},
	{
		name: "a destroyed account is not compared",
		file: "speculation.go", old: "f |= readExist | readBalance | readNonce | readCode", new: "f |= readCode",
		pkg: "", run: adversaries,
	},
	{
		name: "an empty account is touched by whoever took it for another one",
		file: "speculation.go", old: "|| a.entry.cell.Committed().Value.hollow() ", new: "",
		pkg: "", run: adversaries,
	},
	{
		name: "the warm set outlives a revert",
		file: "journal.go", old: "u.slot.flags &^= isWarm", new: "u.slot.flags |= isWarm",
		pkg: "", run: parity,
	},
	{
		name: "the warm set outlives the transaction",
		file: "txstate.go", old: "*a = account{addr: *addr, hash: hash}", new: "*a = account{addr: *addr, hash: hash, flags: a.flags & isWarm}",
		pkg: "", run: parity,
	},
	{
		name: "a revert keeps the refund",
		file: "journal.go", old: "s.refund = u.word", new: "_ = u.word",
		pkg: "", run: parity,
	},
	{
		name: "transient storage outlives the transaction",
		file: "accesslist.go", old: "\t\tclear(s.transientIndex)\n", new: "",
		pkg: "", run: parity,
	},
	{
		name: "a plain transfer ignores the recipient's code",
		file: "transfer.go", old: "to.code != nil ||", new: "",
		pkg: "", run: transfers,
	},
	{
		name: "a plain transfer forgets that it saw no code",
		file: "transfer.go", old: "\tto.flags |= readCode\n", new: "",
		pkg: "", run: adversaries,
	},
	{
		name: "a balance is not compared",
		file: "speculation.go", old: "(f&readBalance == 0 || is.balance.Eq(&a.base.balance)) &&\n", new: "\n",
		pkg: "", run: adversaries,
	},
	{
		name: "a plain transfer ignores the cap of gas",
		file: "transfer.go", old: "m.Gas > params.MaxTxGas", new: "m.Gas > params.MaxTxGas+1",
		pkg: "", run: transfers,
	},
	{
		name: "a plain transfer checks the price, not the cap",
		file: "transfer.go", old: "m.FeeCap.Lt(&m.TipCap) ||", new: "",
		pkg: "", run: transfers,
	},
	{
		name: "a list is read one transaction too far",
		file: "along.go", old: "at(i) >= index", new: "at(i) > index",
		pkg: "", run: "^TestAlong$",
	},
	{
		name: "a destroyed account loses what it owns",
		file: "block.go", old: "\t\ts.strip()\n", new: "",
		pkg: "oracletest", run: stripped,
	},
	{
		name: "a destroyed account keeps its code",
		file: "commit.go", old: "\t\t\ta.nonce, a.code = 0, nil\n", new: "\t\t\ta.nonce = 0\n",
		pkg: "oracletest", run: stripped,
	},
	{
		name: "gas for state is not limited",
		file: "speculation.go", old: "b.pool.CheckGasAmsterdam(min(limit, params.MaxTxGas), limit)", new: "b.pool.CheckGasAmsterdam(min(limit, params.MaxTxGas), 0)",
		pkg: "oracletest", run: stateGas,
	},
	{
		name: "gas for state is not counted",
		file: "speculation.go", old: "taken.execution, taken.state, used", new: "taken.execution, 0, used",
		pkg: "oracletest", run: amsterdam,
	},
	{
		name: "what a transaction takes is not told from what the block has taken",
		file: "speculation.go", old: "l.scratch.CumulativeExecution() - l.budget.CumulativeExecution()", new: "l.scratch.CumulativeExecution()",
		pkg: "oracletest", run: amsterdam,
	},
	{
		name: "an EVM outlives its rules",
		file: "block.go", old: " && l.rules == b.rules", new: "",
		pkg: "", run: "^TestEVMOutlivesBlocks$",
	},
	{
		name: "an EVM runs on the last block's header",
		file: "block.go", old: "\t\tl.evm.Context = b.context\n", new: "",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "an EVM serves another chain",
		file: "block.go", old: "l.config == b.env.Config && ", new: "",
		pkg: "", run: "^TestEVMOutlivesBlocks$",
	},
	{
		name: "an EVM keeps what it knew of code that is nowhere",
		file: "block.go", old: " && l.state.deployed <= maxDeployed", new: "",
		pkg: "", run: "^TestEVMOutlivesBlocks$",
	},
	{
		name: "every memory has the same seeds",
		file: "table.go", old: "seeds{rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1}", new: "seeds{rand.Uint64()&0 + 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0x8cb92ba72f3d8dd7, 0xabc98388fb8fac03}",
		pkg: "", run: "^TestGrindingDoesNotCarryOver$",
	},
	{
		name: "the end of an address is not hashed",
		file: "table.go", old: "^z, s[2])", new: "^z&0, s[2])",
		pkg: "", run: "^TestGroundKeysSpread$",
	},
	{
		name: "a receipt is made for each transaction",
		file: "receipt.go", old: "const few = 64", new: "const few = 1",
		pkg: "", run: "^TestCallsAllocate$",
	},
}
