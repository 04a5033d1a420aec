//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

// runCrowd has no engine here; the program says so before it begins.
func runCrowd(context.Context, []*client, time.Duration, func() error, func(int) error) (*crowd, error) {
	return nil, errors.New("a crowd of clients needs epoll")
}

func logInAtOnce(*access, int, []*client) ([]*client, error) {
	return nil, errors.New("a crowd of clients needs epoll")
}
