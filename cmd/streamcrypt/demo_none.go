//go:build nodemo

package main

import "github.com/streamcrypt/streamcrypt/internal/hint"

// Run refuses: a build with the tag nodemo contains no server.
func (demoCmd) Run(*program) error {
	return &startError{hint.New("demo: this build has none, since it contains no server",
		"go run github.com/streamcrypt/streamcrypt/cmd/streamcrypt@latest demo")}
}
