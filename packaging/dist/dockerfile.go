package main

import (
	"bytes"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// imageConfig is how the image is run, from the Dockerfile, so that both say the same.
func imageConfig(text []byte) (v1.Config, error) {
	c := v1.Config{Labels: map[string]string{}, ExposedPorts: map[string]struct{}{}}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return c, err
	}
	stages, _, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return c, err
	}
	if len(stages) != 1 || stages[0].BaseName != "scratch" {
		return c, fmt.Errorf("it has %d stages; it must be one, FROM scratch", len(stages))
	}
	for _, command := range stages[0].Commands {
		if err := configure(&c, command); err != nil {
			return c, err
		}
	}
	return c, nil
}

func configure(c *v1.Config, command instructions.Command) error {
	switch cmd := command.(type) {
	case *instructions.ArgCommand, *instructions.AddCommand: // the layer
	case *instructions.LabelCommand:
		for _, l := range cmd.Labels {
			c.Labels[l.Key] = strings.Trim(l.Value, `"`)
		}
	case *instructions.EnvCommand:
		for _, e := range cmd.Env {
			c.Env = append(c.Env, e.Key+"="+e.Value)
		}
	case *instructions.UserCommand:
		c.User = cmd.User
	case *instructions.ExposeCommand:
		for _, port := range cmd.Ports {
			c.ExposedPorts[port+"/tcp"] = struct{}{}
		}
	case *instructions.StopSignalCommand:
		c.StopSignal = cmd.Signal
	case *instructions.HealthCheckCommand:
		h := cmd.Health
		c.Healthcheck = &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	case *instructions.EntrypointCommand:
		c.Entrypoint = cmd.CmdLine
	case *instructions.CmdCommand:
		c.Cmd = cmd.CmdLine
	default:
		return fmt.Errorf("%s is not known here", command.Name())
	}
	return nil
}
