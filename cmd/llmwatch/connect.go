package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"llmwatch/internal/outgoing"
)

// connectFlags say how to reach a llmwatch, and as whom. The token itself is no
// flag: arguments are visible to everyone on the machine.
type connectFlags struct {
	URL       string `env:"LLMWATCH_URL" default:"http://127.0.0.1:5000" help:"Base address of the llmwatch to ask."`
	TokenFile string `env:"LLMWATCH_TOKEN_FILE" help:"File that holds an API token; the variable LLMWATCH_TOKEN may hold one instead." placeholder:"FILE"`
	CAFile    string `name:"ca-file" env:"LLMWATCH_CA_FILE" help:"Certificate authorities to trust beside the system's." placeholder:"FILE"`
	CertFile  string `env:"LLMWATCH_CERT_FILE" help:"Certificate to show, where the server wants one." placeholder:"FILE"`
	KeyFile   string `env:"LLMWATCH_KEY_FILE" help:"Its key." placeholder:"FILE"`
}

// client returns a client that trusts and shows what the flags say.
func (f *connectFlags) client() (*http.Client, error) {
	client := &http.Client{CheckRedirect: outgoing.CheckRedirect}
	if f.CAFile == "" && f.CertFile == "" && f.KeyFile == "" {
		return client, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		text, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading --ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca-file %s holds no certificate", f.CAFile)
		}
		config.RootCAs = pool
	}
	if f.CertFile != "" || f.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading --cert-file and --key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}

	client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true}

	return client, nil
}

// authorize adds the token to a request, where there is one.
func (f *connectFlags) authorize(r *http.Request) error {
	token := os.Getenv("LLMWATCH_TOKEN")
	if f.TokenFile != "" {
		if token != "" {
			return errors.New("--token-file and LLMWATCH_TOKEN are both given; give one of them")
		}
		text, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return fmt.Errorf("reading --token-file: %w", err)
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			return fmt.Errorf("--token-file %s is empty", f.TokenFile)
		}
	}
	if strings.ContainsAny(token, " \r\n\t") {
		return errors.New("the token is not one word")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}

	return nil
}

// do sends a request with the token.
func (f *connectFlags) do(r *http.Request) (*http.Response, error) {
	if err := f.authorize(r); err != nil {
		return nil, err
	}
	client, err := f.client()
	if err != nil {
		return nil, err
	}

	return client.Do(r)
}
