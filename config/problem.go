package config

import "pgweir/fault"

type (
	// Problem is one thing that is wrong with a configuration.
	Problem = fault.Problem
	// Problems is everything that is wrong with one, in order of lines.
	Problems = fault.Problems
)
