package config

import "reflect"

// KeepUntilRestart gives c the values of before for what takes effect at a restart only,
// and tells which of these settings it has otherwise: before a restart, and after it.
func (c *Config) KeepUntilRestart(before *Config) (pending []Change) {
	for i := range settings {
		s := &settings[i]
		if !s.restart {
			continue
		}
		change, differs := s.change(s.at(before), s.at(c))
		if !differs {
			continue
		}
		change.Setting = s.name
		pending = append(pending, change)
		reflect.ValueOf(s.at(c)).Elem().Set(reflect.ValueOf(s.at(before)).Elem())
	}
	return pending
}
