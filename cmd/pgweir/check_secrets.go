package main

import (
	"context"
	"fmt"

	"pgweir/config"
	"pgweir/secrets"
)

// withSecrets runs the commands that passwords come from, one after the other. It
// gives the configuration with them, and what does not work in words.
func withSecrets(ctx context.Context, c *config.Config) (with *config.Config, failures []string) {
	values := map[string]config.Secret{}
	for _, s := range c.SecretSources() {
		value := s.Read
		if s.File == "" {
			var err error
			if value, err = secrets.Run(ctx, &s); err != nil {
				failures = append(failures, fmt.Sprintf("%s gives no password: %v", s.Setting, err))
			}
		}
		values[s.Key()] = value
	}
	return c.WithSecrets(func(key string) config.Secret { return values[key] }), failures
}
