package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the program that the guides are about.
var binary string

func TestMain(m *testing.M) {
	binary = os.Getenv("LLMWATCH_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "llmwatch-docs-*")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "llmwatch")
		if out, err := exec.Command("go", "build", "-o", binary, "llmwatch/cmd/llmwatch").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("building llmwatch: %v\n%s", err, out))
		}
	}
	m.Run()
}
