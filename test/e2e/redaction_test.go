package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const pemKey = `-----BEGIN RSA PRIVATE KEY-----\nMIIEpQzMnBvCx17SecretBody\n-----END RSA PRIVATE KEY-----`

// redactions are lines as programs send them. What is marked «so» is a secret,
// which must be kept nowhere; everything else must be.
var redactions = []string{
	// By key: documented names, any case and separator, compounds.
	`{"message":"k1","password":"«hunter2-01»"}`,
	`{"message":"k2","PASSWORD":"«hunter2-02»"}`,
	`{"message":"k3","api_key":"«keyvalue-03»"}`,
	`{"message":"k4","apiKey":"«keyvalue-04»"}`,
	`{"message":"k5","X-API-Key":"«keyvalue-05»"}`,
	`{"message":"k6","token":"«tokenvalue-06»"}`,
	`{"message":"k7","accessToken":"«tokenvalue-07»"}`,
	`{"message":"k8","refresh_token":"«tokenvalue-08»"}`,
	`{"message":"k9","secret":"«secretvalue-09»"}`,
	`{"message":"k10","clientSecret":"«secretvalue-10»"}`,
	`{"message":"k11","Authorization":"«Basic dXNlcjpwYXNzMTE=»"}`,
	`{"message":"k12","credit_card":"«4000000000000012»"}`,
	`{"message":"k13","ssn":"«078-05-1120»"}`,
	`{"message":"k14","social_security":"«078-05-1121»"}`,
	`{"message":"k15","private-key":"«pk-value-15»"}`,
	`{"message":"k16","db_password":"«hunter2-16»"}`,
	`{"message":"k17","smtpPassword":"«hunter2-17»"}`,
	`{"message":"k18","passwd":"«hunter2-18»"}`,
	`{"message":"k19","passphrase":"«open sesame 19»"}`,
	`{"message":"k20","aws_secret_access_key":"«awsvalue/20»"}`,
	`{"message":"k21","p\u0061ssword":"«hunter2-21»"}`,
	// Of any type.
	`{"message":"t1","token":«98765432101»}`,
	`{"message":"t2","secret":{"a":["«inner-t2»"],"b":«5550123402»}}`,
	`{"message":"t3","api_key":["«listed-t3»","«listed-t3b»"]}`,
	// At any depth.
	`{"message":"d1","user":{"name":"ada-d1","password":"«hunter2-d1»"}}`,
	`{"message":"d2","a":{"b":{"c":{"d":{"token":"«tokenvalue-d2»"}}}}}`,
	`{"message":"d3","list":[{"password":"«hunter2-d3»"},{"name":"kept-d3"}]}`,
	`{"message":"d4","headers":{"Authorization":"«Bearer abcdef-d4»","Accept":"kept-d4"}}`,
	`{"message":"d5","request":{"headers":{"Cookie":"«sid=abcdef-d5»"}}}`,
	`{"message":"d6","a":[[[{"clientSecret":"«nested-d6»"}]]]}`,
	`{"message":"d7","user.password":"«hunter2-d7»"}`,
	// In headers written as text.
	`{"message":"Authorization: Bearer «abcdef0123-h1»"}`,
	`{"message":"sent X-Api-Key: «abcd1234efgh-h2» to the model"}`,
	`{"message":"header was 'Basic «dXNlcjpwYXNzaDM=»' today"}`,
	`{"message":"h4","header":"bearer «mysecretvalue-h4»"}`,
	// In URLs.
	`{"message":"GET /v1/chat?token=«tokenvalue-u1»&page=kept-u1"}`,
	`{"message":"u2","url":"https://example.com/cb?api_key=«keyvalue-u2»&page=kept-u2"}`,
	`{"message":"dial postgres://app:«hunter2-u3»@db:5432/kept-u3 failed"}`,
	`{"message":"redis://:«p4ssw0rd-u4»@cache:6379"}`,
	`{"message":"posted to https://hooks.slack.com/services/«T00000001/B00000001/XXXXXXu5»"}`,
	// In bodies of forms and of JSON.
	`{"message":"f1","body":"user=kept-f1&password=«hunter2-f1»&x=1"}`,
	`{"message":"f2","body":"{\"user\":\"kept-f2\",\"password\":\"«hunter2-f2»\"}"}`,
	`{"message":"f3","body":"{\"api_key\": \"«keyvalue-f3»\", \"n\": 1}"}`,
	`{"message":"f4 {'password': '«hunter2-f4»', 'n': 1}"}`,
	`{"message":"host=db password=«hunter2-f5» dbname=kept-f5"}`,
	`{"message":"map[password:«hunter2f6» user:kept-f6]"}`,
	`{"message":"DB_PASSWORD=«hunter2f7»;next=kept-f7"}`,
	// By what they look like.
	`{"message":"card «4111111111111111» declined"}`,
	`{"message":"card «5555-5555-5555-4444», again"}`,
	`{"message":"amex «3782 822463 10005»."}`,
	`{"message":"s4","payment":«6011111111111117»}`,
	`{"message":"key «sk-1234567890abcdefghs5»!"}`,
	`{"message":"«ghp_abcdefghijklmnopqrstuvwxyz01234567s6»"}`,
	`{"message":"«AKIAIOSFODNN7EXAMPL7»"}`,
	`{"message":"«xoxb-123456789012-abcdefghs8»"}`,
	`{"message":"«glpat-abcdefghij12345678s9»"}`,
	`{"message":"got «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEs10»"}`,
	`{"message":"pem «` + pemKey + `» kept-s11"}`,
	// In stack traces.
	`{"message":"Traceback (most recent call last):\n  File \"db.py\", line 12, in connect\n    connect(password='«hunter2-st1»')\nOperationalError: kept-st1"}`,
	`{"message":"st2","exception":"panic: dial postgres://app:«hunter2-st2»@db/x\n\ngoroutine 1 [running]:\nmain.kept_st2()\n\t/src/token.go:42 +0x1d"}`,
	// Not JSON.
	`plain text with password=«hunter2-p1» and kept-p1`,
	`2024-01-15 10:30:45 ERROR login failed: Bearer «abcdef0123-p2»`,
	`{"message":"cut","password":"«hunter2-p3»`,
	// Look-alikes, which stay.
	`{"message":"l1","max_tokens":512,"token_count":99,"input_tokens":7}`,
	`{"message":"l2","tokenizer":"kept-l2","tokens_per_second":41.5}`,
	`{"message":"l3","password_length":12,"has_password":true,"author":"kept-l3"}`,
	`{"message":"l4","request_id":"550e8400-e29b-41d4-a716-446655440000","thread":140234567890}`,
	`{"message":"l5 invalid token: unexpected end of input"}`,
	`{"message":"l6 Bearer token is required"}`,
	`{"message":"l7 if token == nil at token.go:42"}`,
	`{"message":"l8","time_ms":1705314645123,"card":"4111111111111112"}`,
	`{"message":"l9 sk-learn-is-not-a-secret-at-all, task-1234567890abcdefghij"}`,
	`{"message":"l10 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`,
	`{"message":"l11 the secretary passed the compass to the passenger"}`,
}

// TestSecretsAreKeptNowhere sends lines with secrets and looks for these in what
// can be read back and in the bytes on disk.
func TestSecretsAreKeptNowhere(t *testing.T) {
	if len(redactions) < 60 {
		t.Fatalf("there are only %d cases", len(redactions))
	}
	dir := t.TempDir()
	p, api := llmwatch(t, "bridge", "--prometheus-url", noMetrics, "--data-dir", dir)
	plain := strings.NewReplacer("«", "", "»", "")
	status, answer, err := post(api.base, plain.Replace(strings.Join(redactions, "\n")))
	if err != nil || status != http.StatusOK || !strings.Contains(answer, `"rejected":0`) {
		t.Fatalf("answered %d %s, %v", status, answer, err)
	}
	_, export := api.raw(http.MethodGet, apiBase+"/export/logs?format=json&order=oldest", nil)
	var entries []map[string]any
	if err := json.Unmarshal(export, &entries); err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, e := range entries {
		if e["logger"] == "" {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, string(text))
		}
	}
	if len(kept) != len(redactions) {
		t.Fatalf("%d lines were sent, %d are kept", len(redactions), len(kept))
	}
	p.signal(syscall.SIGTERM) // So that everything is on disk.
	disk := files(t, dir)
	for i, line := range redactions {
		for _, part := range strings.Split(line, "«")[1:] {
			secret, _, _ := strings.Cut(part, "»")
			if _, body, ok := strings.Cut(secret, `\n`); ok {
				secret, _, _ = strings.Cut(body, `\n`) // Of a key in PEM, what is between the lines.
			}
			if bytes.Contains(export, []byte(secret)) {
				t.Errorf("%s can be read: %s", secret, kept[i])
			}
			if bytes.Contains(disk, []byte(secret)) {
				t.Errorf("%s is on disk", secret)
			}
			if !strings.Contains(kept[i], "[REDACTED]") {
				t.Errorf("%s is gone without a mark: %s", secret, kept[i])
			}
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(` "'«»{}[](),;&=?:/@#\`, r) }) {
			if strings.HasPrefix(word, "kept") && !strings.Contains(kept[i], word) {
				t.Errorf("%s is gone: %s", word, kept[i])
			}
		}
		if !strings.Contains(line, "«") && strings.Contains(kept[i], "[REDACTED]") {
			t.Errorf("a look-alike was taken for a secret: %s", kept[i])
		}
	}
}

// files returns the bytes of all files below a directory.
func files(t *testing.T, dir string) []byte {
	t.Helper()

	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return all
}
