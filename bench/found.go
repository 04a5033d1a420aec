package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// weirs are the pgweirs that are asked for: each as it is, and each with the
// settings of each variant.
func weirs(opts options) (all []*pooler) {
	for _, n := range opts.pgweirs {
		all = append(all, &pooler{name: n.name, kind: pgweir, program: n.path})
		for _, v := range opts.variants {
			if v.of != "" && v.of != n.name {
				continue
			}
			name := v.name
			if v.of == "" && len(opts.pgweirs) > 1 {
				name = n.name + "-" + v.name
			}
			all = append(all, &pooler{name: name, kind: pgweir, program: n.path, settings: v.settings})
		}
	}
	return all
}

// findPoolers lists all that are measured, the yardstick first.
func findPoolers(ctx context.Context, opts options) (all []*pooler, err error) {
	for _, k := range otherKinds {
		program, err := k.find(opts.others[k.name])
		if err != nil {
			return nil, err
		}
		if program != "" {
			all = append(all, &pooler{name: k.name, kind: k, program: program})
		}
	}
	all = append(all, weirs(opts)...)
	for _, p := range all {
		if opts.unix && !p.kind.unix {
			return nil, fmt.Errorf("%s does not listen on Unix sockets: leave out -unix, or -%s", p.kind.title, p.kind.name)
		}
		if p.program, err = filepath.Abs(p.program); err != nil {
			return nil, err
		}
		if p.version, err = versionOf(ctx, p.program, p.kind.versionArg); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if opts.yardstick == "" {
		return all, nil
	}
	at := slices.IndexFunc(all, func(p *pooler) bool { return p.name == opts.yardstick })
	if at < 0 {
		return nil, fmt.Errorf("-yardstick: %s is not there", opts.yardstick)
	}
	first := all[at]
	return slices.Insert(slices.Delete(all, at, at+1), 0, first), nil
}

// find is the given program, or the one that is installed where the kind is
// looked for, or "".
func (k *kind) find(given string) (string, error) {
	if given == "none" {
		return "", nil
	}
	if given != "" {
		path, err := exec.LookPath(given)
		if err != nil {
			return "", fmt.Errorf("-%s: %w", k.name, err)
		}
		return path, nil
	}
	for _, name := range k.installed {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", nil
}

// versionOf is the first line of what a program says of itself.
func versionOf(ctx context.Context, program, arg string) (string, error) {
	out, err := command(ctx, time.Minute, nil, program, arg)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return strings.TrimSpace(line), nil
}
