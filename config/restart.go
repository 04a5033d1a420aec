package config

import "reflect"

// KeepUntilRestart gives c the values of before for what takes effect at a restart only,
// and the names of those settings that it has otherwise.
func (c *Config) KeepUntilRestart(before *Config) (changed []string) {
	for _, s := range settings {
		if !s.restart {
			continue
		}
		now, kept := reflect.ValueOf(s.at(c)).Elem(), reflect.ValueOf(s.at(before)).Elem()
		if !reflect.DeepEqual(now.Interface(), kept.Interface()) {
			changed = append(changed, s.name)
			now.Set(kept)
		}
	}
	return changed
}
