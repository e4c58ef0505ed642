package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"llmwatch/bridge"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"llmwatch": main})
}

func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // Nobody waits for it.
	logs := cannedLogs(t)
	starting := httptest.NewServer(http.HandlerFunc(bridge.Starting))
	t.Cleanup(starting.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BUSY", taken.Addr().String())
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("FREE", free.Addr().String())
			env.Setenv("LOGS", logs)
			env.Setenv("STARTING", starting.Listener.Addr().String())

			return free.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "oneline": oneLine, "answers": answers},
	})
}

// exits runs a program that must end with a certain code:
//
//	exits CODE PROGRAM [ARGUMENT...]
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("it exited with %d, want %d", got, want)
	}
}

// oneLine expects standard error to be one line that is exactly this, after
// variables were expanded, and standard output to be empty:
//
//	oneline TEXT
func oneLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline TEXT")
	}
	if got := ts.ReadFile("stderr"); strings.TrimSuffix(got, "\n") != args[0] {
		ts.Fatalf("standard error is\n%swant\n%s", got, args[0])
	}
	if got := ts.ReadFile("stdout"); got != "" {
		ts.Fatalf("standard output is %s", got)
	}
}

// answers waits until a server is ready:
//
//	answers ADDRESS
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers ADDRESS")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := http.Get("http://" + args[0] + "/api/v1/monitoring/alerts")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited for %s to answer: %v", args[0], err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
