package health

import (
	"fmt"

	"pgweir/status"
)

// rights judges what the census may see.
func (j *Judge) rights(r *reading) {
	switch {
	case !r.Asked:
		r.find(censusBlind, status.Info,
			"Nobody may ask the server: what its processes wait for, its locks, its archiver and its limits are not known, and processes are seen only if they are this machine's.",
			"Set census_user (and census_password, if it needs one) to a role that is a member of pg_monitor.")
	case r.answered && !r.Privileged:
		r.find(censusRights, status.Info,
			fmt.Sprintf("The role %s may not see what the processes of others do.", identifier(r.Role)),
			fmt.Sprintf("GRANT pg_monitor TO %s;", identifier(r.Role)))
	case !r.answered:
		r.cannotTell(censusRights)
	}
}
