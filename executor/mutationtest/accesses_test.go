package mutationtest

const accessLog = "bal.go"

// accessMutants are faults of the block access list.
var accessMutants = []mutant{
	{
		name: "a value that was read and reverted is no access",
		file: accessLog, old: "\t\tif l.flags&isLoaded == 0 {\n", new: "\t\tif l.version == nil {\n",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "an account that was only read is no access",
		file: accessLog, old: "\t\tif a.flags&isLoaded == 0 {\n", new: "\t\tif a.flags&isLoaded == 0 || a.version == nil {\n",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a slot that holds what it held is a change",
		file: accessLog, old: "if l.value != l.base && ", new: "if l.flags&isWarm != 0 && ",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "what a destroyed account wrote is a change",
		file: accessLog, old: " && l.account.flags&isDestructed == 0", new: "",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "speculation counts skipped transactions",
		file: "speculation.go", old: "log.committed(&r.footprint, uint32(len(s.included)+1), &s.memory.fees.value.balance)", new: "log.committed(&r.footprint, uint32(task+1), &s.memory.fees.value.balance)",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "the marks of the last block count",
		file: accessLog, old: "epoch:    last.epoch + 1<<32", new: "epoch:    1 << 32",
		pkg: "oracletest", run: blocks,
	},
	{
		name: "a later call of the same index adds a change",
		file: "ballist.go", old: "last.BlockAccessIndex != b.index", new: "last.BlockAccessIndex <= b.index",
		pkg: "", run: "^TestAccessList$",
	},
}
