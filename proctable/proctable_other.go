//go:build !linux

package proctable

import (
	"errors"
	"net"
	"time"
)

// Read knows nothing on this system.
func Read(int) (Process, error) { return Process{}, errors.ErrUnsupported }

// Title knows nothing on this system.
func Title(int) (string, error) { return "", errors.ErrUnsupported }

// Began knows nothing on this system.
func Began(Process) time.Time { return time.Time{} }

// MemoryOf knows nothing on this system.
func MemoryOf(int) (Memory, error) { return Memory{}, errors.ErrUnsupported }

// Peer knows nothing on this system.
func Peer(net.Conn) (int, error) { return 0, errors.ErrUnsupported }

func childPIDs(int) ([]int, error) { return nil, errors.ErrUnsupported }
