package main

import (
	"context"

	"pgweir/config"
	"pgweir/status"
)

// hangUp asks for a reload.
func (f *frontDesk) hangUp() {
	select {
	case f.hangups <- struct{}{}:
	default:
	}
}

// reload reloads as often as that is asked for, to the program's end. It may have to
// wait for commands that passwords come from, and nothing else waits for that.
func (f *frontDesk) reload() {
	for range f.hangups {
		f.tellManager(f.manager.reloading())
		_, _ = f.proxy.Reload() // logs what came of it
		f.tellManager(f.manager.ready())
	}
}

func (f *frontDesk) load() (*config.Config, error) {
	if f.file != nil {
		if err := f.file.Reopen(); err != nil {
			f.log.Error("the log goes on in the file before", "err", err)
		}
	}
	return f.from.load()
}

// follow does what a configuration that has come into force asks of the process, and
// tells what of that waits for a restart.
func (f *frontDesk) follow(c *config.Config) (pending []status.Change) {
	f.applied.Add(1)
	pending = f.followProcess()
	f.from.warn(f.log)
	setLevel(f.level, c.LogLevel)
	return pending
}

// followProcess goes on in a logfile of another name, and tells of what the file says
// of the process that only a restart changes.
func (f *frontDesk) followProcess() (pending []status.Change) {
	now := f.from.process()
	if f.file != nil && now.LogFile != "" && now.LogFile != f.file.Path() {
		f.log.Info("the log goes on in another file", "logfile", now.LogFile)
		if err := f.file.MoveTo(now.LogFile); err != nil {
			f.log.Error("the log goes on in the file before", "err", err)
		}
	}
	later := func(setting, before, after string) {
		pending = append(pending, status.Change{Setting: setting, Kind: config.Changed, Before: before, After: after})
	}
	if (now.LogFile == "") != (f.file == nil) {
		later("logfile", f.process.LogFile, now.LogFile)
	}
	if now.PIDFile != f.process.PIDFile {
		later("pidfile", f.process.PIDFile, now.PIDFile)
	}
	if now.User != f.process.User {
		later("user", f.process.User, now.User)
	}
	return pending
}

// pause is PAUSE, for SIGUSR1. It may wait for long.
func (f *frontDesk) pause() {
	f.log.Info("SIGUSR1, pausing all databases")
	if err := f.proxy.Pause(context.Background(), "", func(holders string) { f.log.Info("SIGUSR1", "waits", holders) }); err != nil {
		f.log.Warn("SIGUSR1 has not paused", "err", err)
		return
	}
	f.log.Info("SIGUSR1, all databases are paused")
}

// resume is RESUME, for SIGUSR2.
func (f *frontDesk) resume() {
	if err := f.proxy.Resume(""); err != nil {
		f.log.Warn("SIGUSR2 has not resumed", "err", err)
		return
	}
	f.log.Info("SIGUSR2, all databases are resumed")
}
