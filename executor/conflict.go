package executor

import (
	"github.com/motet-evm/motet/executor/report"
)

// abort notes why the execution of a task does not hold, at the time that it is
// found. The worker goes on to run it on committed values.
func (s *speculation) abort(worker, task int) {
	r := s.record(task)
	l := loss{cause: report.CauseGas, writer: report.Nowhere}
	if r.failure != nil {
		l.cause = report.CauseRead
	} else if at, by, cause, found := r.conflict(); found {
		l.at, l.by, l.cause = at, by, cause
	}
	s.memory.trace.lose(worker, s.first+task, &l)
}

// conflict finds the first read of the record that does not hold, and who wrote
// what is there now: an index in the block plus one, or 0.
func (r *record) conflict() (at spot, by int32, cause report.Cause, found bool) {
	for _, l := range r.slots[:r.nSlots] {
		if l.flags&readSlot != 0 && slotValue(l.entry) != l.base {
			return spot{slot: l.entry}, l.entry.cell.trail.by, report.CauseSlot, true
		}
	}
	for _, a := range r.accounts[:r.nAccounts] {
		reliedOn := a.reliedOn()
		for _, check := range [...]struct {
			flag  uint16
			field report.Field
			cause report.Cause
		}{
			{readCode, report.Code, report.CauseCode},
			{readExist, report.Existence, report.CauseExistence},
			{readNonce, report.Nonce, report.CauseNonce},
			{readBalance, report.Balance, report.CauseBalance},
			{boundBalance, report.Balance, report.CauseFunds},
		} {
			if reliedOn&check.flag != 0 && !a.agrees(check.flag) {
				return spot{account: a.entry, field: check.field}, a.entry.cell.trail[check.field], check.cause, true
			}
		}
	}
	return spot{}, 0, 0, false
}
