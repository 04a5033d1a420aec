package demo

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/prometheus/procfs"
)

// memoryOf adds up what processes have to themselves: the private dirty pages
// of /proc/PID/smaps_rollup and the page tables (VmPTE of /proc/PID/status),
// which no figure of smaps holds. RSS would count shared buffers once for
// every process. A process that has ended meanwhile counts nothing; one that
// we may not look into makes the sum unknown.
func memoryOf(pids []int) memory {
	var sum int64
	for _, pid := range pids {
		bytes, err := privateMemory(pid)
		switch {
		case err == nil:
			sum += bytes
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH):
			return memory{}
		}
	}
	return memory{bytes: sum, known: true}
}

func privateMemory(pid int) (int64, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(procfs.DefaultMountPoint + "/self/smaps_rollup"); err != nil {
		return 0, errors.New("this kernel has no smaps_rollup")
	}
	rollup, err := proc.ProcSMapsRollup()
	if err != nil {
		return 0, err
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0, err
	}
	return int64(rollup.PrivateDirty + status.VmPTE), nil
}
