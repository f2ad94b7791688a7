package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is the machine on which the figures were measured.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	OS    string `json:"os"`
}

func thisMachine() Machine {
	system := runtime.GOOS + "/" + runtime.GOARCH
	return Machine{CPU: cpuName(), Cores: runtime.NumCPU(), Go: runtime.Version(), OS: system}
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s", m.CPU, m.Cores, m.Go, m.OS)
}

// cpuName reads the name of the processor, which only Linux has at this path.
func cpuName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
