package exporter

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// update makes golden tests write what they would otherwise compare with.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// golden compares got with a file below testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()

	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to create it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run the test with -update to accept it); got:\n%s", path, got)
	}
}
