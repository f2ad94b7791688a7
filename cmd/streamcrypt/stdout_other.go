//go:build !unix

package main

import "os"

func isStandIn(*os.File) bool { return false }
