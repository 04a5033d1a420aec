package status

// Waits is how many waits for a backend are over, with one or without; WaitTime is
// how long they were.
func (t *Totals) Waits() int64 {
	return t.ServerAssignments + t.WaitsTimedOut + t.WaitsCanceled + t.WaitsLeft + t.WaitsRefused
}
