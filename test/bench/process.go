package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// process is a program under measurement.
type process struct {
	cmd     *exec.Cmd
	address string
	begin   time.Time
}

// start runs a program whose arguments may contain ADDRESS for a free port.
func start(name string, args ...string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{address: l.Addr().String(), begin: time.Now()}
	l.Close()
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "ADDRESS", p.address)
	}
	p.cmd = exec.Command(name, args...)
	p.begin = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}

	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill() // It may have ended already.
	_ = p.cmd.Wait()         // Killed: the exit code says nothing.
}

// ready waits for the first 200 and returns how long after the start it came.
func (p *process) ready(ctx context.Context, path string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, err := p.get(ctx, path); err == nil {
			return time.Since(p.begin), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s never answered %s", p.cmd.Path, path)
		case <-time.After(time.Millisecond):
		}
	}
}

// get asks once and returns how long the whole answer took.
func (p *process) get(ctx context.Context, path string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s answered %s", path, resp.Status)
	}

	return time.Since(begin), nil
}

// median asks n times and returns the median duration.
func (p *process) median(ctx context.Context, path string, n int) (time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		var err error
		if took[i], err = p.get(ctx, path); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)

	return took[n/2], nil
}

// residentMB is the resident memory by /proc, in millions of bytes.
func (p *process) residentMB() (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kb float64
		if n, _ := fmt.Sscanf(lines.Text(), "VmRSS: %f kB", &kb); n == 1 {
			return kb * 1024 / 1e6, nil
		}
	}

	return 0, fmt.Errorf("no VmRSS for process %d", p.cmd.Process.Pid)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
