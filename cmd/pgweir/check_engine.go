package main

import (
	"fmt"

	"pgweir/config"
	"pgweir/proxy"
)

// engineLine says which engine the event loops would have here, and why. The error is
// that of a start. What is printed is of this user and this machine, as all of check.
func (ck *checker) engineLine(c *config.Config) (string, error) {
	if ck.ioUring == nil {
		return "", nil
	}
	engine, reason, err := proxy.EngineFor(c, ck.ioUring)
	switch {
	case err != nil:
		return "", err
	case c.IOEngine == "epoll":
		reason = "as configured"
	case reason == "":
		reason = "the kernel allows it"
	}
	return fmt.Sprintf("io_engine: %s: %s\n", engine, reason), nil
}
