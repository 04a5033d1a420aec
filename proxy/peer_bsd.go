//go:build darwin || freebsd

package proxy

import "golang.org/x/sys/unix"

// peerUID is the user of the process at the other end of a Unix socket.
func peerUID(fd int) (int, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}

// peerPID is not known here.
func peerPID(int) int { return 0 }
