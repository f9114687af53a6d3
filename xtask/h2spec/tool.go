//go:build tools

// Package tool names the program to build, so that go.mod keeps it.
package tool

import _ "github.com/summerwind/h2spec"
