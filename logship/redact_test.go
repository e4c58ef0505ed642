package logship

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/internal/testtool"
)

func TestSensitiveKeys(t *testing.T) {
	r := NewRedactor("session-id")
	for want, keys := range map[bool]string{
		true: `password api_key token secret authorization credit_card ssn social_security private_key
			PASSWORD Api-Key apiKey APIKEY api-key X-API-Key x-api-key ApiKeys a_p_i_key Pass-Word PassWord
			db_password dbPassword dbpassword user.password smtp_password_file_content password2 password_hash passwords passwd passphrase
			accessToken access_token accesstoken refresh_token id_token idToken X-Auth-Token csrf_token csrfToken slack_token hf_token
			token_value token_hash auth_tokens accessTokens bearer_token
			client_secret clientSecret clientsecret secret_key secretAccessKey aws_secret_access_key secrets
			Authorization Proxy-Authorization creditCard credit_card_number creditcard CreditCards user_ssn SSN socialSecurityNumber
			privateKey private_key_pem ssh_private_key privatekey api_key_1 oauth2_token Cookie Set-Cookie password_reset_token
			session_id sessionId SESSIONID my_session_id`,
		false: `token_count tokens max_tokens input_tokens output_tokens total_tokens inputTokens maxTokens prompt_tokens completion_tokens
			tokens_per_second tokensPerSecond token_usage token_limit token_ids token_type gen_ai_token_type tokenizer tokenizer_name tokenize
			tokenized secretary passwordless time_to_first_token timeToFirstToken time_per_output_token cost_per_token eos_token eosToken
			eos_token_id pad_token next_token stop_token max_new_tokens cached_tokens reasoning_tokens trained_tokens llm_trained_tokens_total
			password_length password_policy has_password is_secret hasToken num_tokens secret_name secret_version api_key_id_count
			key keys public_key publicKey primary_key monkey keyboard author authors authority authenticated auth_method session
			access_token_expires_in token_expires_at cookie_count compass passenger passage bypass assn lesson classname
			request_id user_id message level card_type credit credits creditor privates apiary api`,
	} {
		for key := range strings.FieldsSeq(keys) {
			for range 2 { // The second time from the cache.
				if got := r.Sensitive(key); got != want {
					t.Errorf("Sensitive(%q) is %v", key, got)
				}
			}
		}
	}
	if r.Sensitive("") || NewRedactor().Sensitive("session_id") || NewRedactor("-", "").Sensitive("x") {
		t.Error("an empty or unknown name is sensitive")
	}
}

const pemKey = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"

func TestRedactorString(t *testing.T) {
	const (
		mark = Redacted
		jwt  = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
		same = "" // The text stays as it is.
	)
	for _, test := range []struct{ text, want string }{
		// Schemes.
		{"Bearer abc123def456", "Bearer " + mark},
		{"Authorization: Bearer abc123", "Authorization: " + mark},
		{"sent Bearer abc123.", "sent Bearer " + mark},
		{"bearer mysecretvalue", "bearer " + mark},
		{"header was 'Basic dXNlcjpwYXNz' today", "header was 'Basic " + mark + "' today"},
		{"Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Basic " + mark},
		{"Bearer token is required", same},
		{"Bearer authentication failed", same},
		{`WWW-Authenticate: Bearer realm="api"`, same},
		{"basic usage of the API", same},
		{"Basic Authentication failed", same},
		{"forbearer abc123def456", same},
		// Card numbers.
		{"card 4111111111111111 declined", "card " + mark + " declined"},
		{"4111 1111 1111 1111", mark},
		{"4111-1111-1111-1111,", mark + ","},
		{"amex 3782 822463 10005.", "amex " + mark + "."},
		{"5555555555554444", mark},
		{"6011111111111117", mark},
		{"30569309025904", mark},
		{"2223003122003222", mark},
		{"status 200 4111111111111111 200", "status 200 " + mark + " 200"},
		{"4111 1111 1111 1111 200", mark + " 200"},
		{"4222222222222", mark},
		{"4111111111111112", same},                     // Wrong check digit.
		{"1705314645123", same},                        // Milliseconds.
		{"1705314645123456789", same},                  // Nanoseconds.
		{"at 1700000000000 and 1700000000018", same},   // The second passes Luhn.
		{"id 9999999999999995", same},                  // Passes Luhn, no issuer.
		{"a4111111111111111", same},                    // Within a word.
		{"0.4111111111111111", same},                   // A fraction.
		{"4111111111111111.5", same},                   // A decimal.
		{"41111111111111111111111", same},              // Too long.
		{"550e8400-e29b-41d4-a716-446655440000", same}, // A UUID.
		{"2024-01-15 10:30:45.123 4111 rows", same},
		{"+1 555 010 9999, 4111 items, 1111 more", same},
		// Keys of known form.
		{"key sk-1234567890abcdefghij!", "key " + mark + "!"},
		{"sk-ant-api03-AbCdEf_1234567890", mark},
		{"sk-proj-abcdefghijklmnop1234", mark},
		{"sk-learn-is-not-a-secret-at-all", same},
		{"task-1234567890abcdefghij", same},
		{"risk-assessment-2024-report", same},
		{"sk-short", same},
		{"ghp_abcdefghijklmnopqrstuvwxyz0123456789", mark},
		{"gho_abcdefghijklmnopqrstuvwxyz0123456789", mark},
		{"github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv", mark},
		{"xoxb-123456789012-abcdefghij", mark},
		{"xoxp-123456789012-abcdefghij", mark},
		{"AKIAIOSFODNN7EXAMPLE", mark},
		{"AKIA is a prefix", same},
		{"BAKIAIOSFODNN7EXAMPLE", same},
		{"AIzaSyA1234567890abcdefghijklmnopqrstuv", mark},
		{"hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", mark},
		{"hf_hub_download", same},
		{"lwt_abcdefgh_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST", mark},
		{"half_abcdefghijklmnopqrstuvwxyz", same},
		{"glpat-abcdefghij1234567890", mark},
		{"sk_live_abcdefghijklmnop1234", mark},
		{"got " + jwt + ".", "got " + mark + "."},
		{"eyJhbGciOiJIUzI1NiJ9 alone", same},
		{"key:\n" + pemKey + "\nend", "key:\n" + mark + "\nend"},
		{"-----BEGIN PRIVATE KEY-----\nMIIE", mark},
		{"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", same},
		{"-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----", same},
		{"https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX", "https://hooks.slack.com/services/" + mark},
		{"hooks.slack.com/services/ is the prefix", same},
		// URLs.
		{"postgres://app:hunter2@db:5432/x?sslmode=disable", "postgres://app:" + mark + "@db:5432/x?sslmode=disable"},
		{"redis://:p@ss:w@cache:6379", "redis://:" + mark + "@cache:6379"},
		{"dial https://host:8080/path@v1 failed", same},
		{"https://user@host/", same},
		{"GET /v1/x?token=abc&max_tokens=5", "GET /v1/x?token=" + mark + "&max_tokens=5"},
		{"/v1?a=1&api_key=abc#top", "/v1?a=1&api_key=" + mark},
		// Assignments.
		{"host=db password=hunter2 dbname=x", "host=db password=" + mark + " dbname=x"},
		{"password = 'two words' x", "password = '" + mark + "' x"},
		{`password="a\"b" next`, `password="` + mark + `" next`},
		{"authorization=Bearer abc123 x", "authorization=" + mark + " x"},
		{"DB_PASSWORD=x;y", "DB_PASSWORD=" + mark + ";y"},
		{"max_tokens=512 tokens=7 token_count=9", same},
		{"if token == nil", same},
		{"password= x", "password= " + mark},
		{"password=", same},
		{"map[password:hunter2 user:bob]", "map[password:" + mark + " user:bob]"},
		{"{Password:hunter2 User:bob}", "{Password:" + mark + " User:bob}"},
		{"x-api-key: abcd1234efgh", "x-api-key: " + mark},
		{"invalid token: unexpected end of input", same},
		{"token.go:42 +0x1d", same},
		{"secret.go:42", same},
		{"main.go:12: password: must be longer", same},
		{`body {"user":"bob","password":"hunter2"}`, `body {"user":"bob","password":"` + mark + `"}`},
		{`{\"api_key\":\"abc\",\"n\":1}`, `{\"api_key\":\"` + mark + `\",\"n\":1}`},
		{`{"ssn": 123456789, "tokens": 5}`, `{"ssn": "` + mark + `", "tokens": 5}`},
		{"{'password': 'x', 'n': 1}", "{'password': '" + mark + "', 'n': 1}"},
		{`{"secret":{"a":[1,"}"]},"b":2}`, `{"secret":"` + mark + `","b":2}`},
		// Neither.
		{"", same},
		{"gpt-4o-mini answered 1024 tokens in 150.5 ms", same},
		{"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", same},
		{"trace 4bf92f3577b34da6a3ce929d0e0e4736", same},
		{"the secretary: Ms Brown", same},
		{"token_count: 12345678a", same},
	} {
		t.Run(test.text, func(t *testing.T) {
			want := test.want
			if want == same {
				want = test.text
			}
			if got := NewRedactor().String(test.text); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRedactorStackTrace(t *testing.T) {
	trace := "panic: dial postgres://app:hunter2@db/x\n\ngoroutine 1 [running]:\nmain.login({0xc000012345, 0x10}, 0x4a)\n" +
		"\t/src/token.go:42 +0x1d\nmain.main()\n\t/src/main.go:12 +0x25 token=sk-1234567890abcdefghij\n"
	want := strings.NewReplacer("hunter2", Redacted, "sk-1234567890abcdefghij", Redacted).Replace(trace)
	if diff := cmp.Diff(want, NewRedactor().String(trace)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRedactorJSON(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"any depth", `{"a":[{"b":{"password":"x"}}],"max_tokens":5}`, `{"a":[{"b":{"password":"[REDACTED]"}}],"max_tokens":5}`},
		{"any type", `{"token":1,"secret":null,"ssn":true,"api_key":["a"],"private_key":{"a":"}"},"c":2}`, `{"token":"[REDACTED]","secret":"[REDACTED]","ssn":"[REDACTED]","api_key":"[REDACTED]","private_key":"[REDACTED]","c":2}`},
		{"white space stays", "{ \"password\" :\n \"x\" , \"b\" : [ 1 , 2 ] }\n", "{ \"password\" :\n \"[REDACTED]\" , \"b\" : [ 1 , 2 ] }\n"},
		{"escaped key", `{"p\u0061ssword":"x"}`, `{"p\u0061ssword":"[REDACTED]"}`},
		{"secret in a text", `["Bearer abc123","a\nBearer abc123","plain \u00e9\n"]`, `["Bearer [REDACTED]","a\nBearer [REDACTED]","plain \u00e9\n"]`},
		{"escaped secret", `["Bear\u0065r abc123"]`, `["Bearer [REDACTED]"]`},
		{"JSON in a text", `{"body":"{\"password\":\"x\",\"n\":1}"}`, `{"body":"{\"password\":\"[REDACTED]\",\"n\":1}"}`},
		{"card as a number", `[4111111111111111,1705314645123,-5,1.5e3]`, `["[REDACTED]",1705314645123,-5,1.5e3]`},
		{"cut in a value", `{"n":1,"password":"hun`, `{"n":1,"password":"[REDACTED]"`},
		{"cut in a nested value", `{"secret":{"a":[1,`, `{"secret":"[REDACTED]"`},
		{"cut in a text", `{"m":"Bearer abc123`, `{"m":"Bearer [REDACTED]`},
		{"cut in a key", `{"passw`, `{"passw`},
		{"cut after a key", `{"password":`, `{"password":`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(NewRedactor().AppendJSON([]byte(">"), []byte(test.text))); got != ">"+test.want {
				t.Errorf("got  %s\nwant >%s", got, test.want)
			}
		})
	}
}

func TestRedactorForm(t *testing.T) {
	for text, want := range map[string]string{
		"user=bob&password=a%26b&max_tokens=5":  "user=bob&password=[REDACTED]&max_tokens=5",
		"p%61ssword=x;user=bob":                 "p%61ssword=[REDACTED];user=bob",
		"next=Bearer+abc123&q=two+words":        "next=[REDACTED]&q=two+words",
		"token=&a&&b=1&":                        "token=&a&&b=1&",
		"token=[REDACTED]&token=%5BREDACTED%5D": "token=[REDACTED]&token=%5BREDACTED%5D",
		"":                                      "",
	} {
		if got := NewRedactor().Form(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"https://u:p@host/a?token=x&b=1":     "https://u:[REDACTED]@host/a?token=[REDACTED]&b=1",
		"/callback#access_token=abc&state=1": "/callback#access_token=[REDACTED]&state=1",
		"https://host/a":                     "https://host/a",
	} {
		if got := NewRedactor().URL(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestRedactorHeaders(t *testing.T) {
	header := http.Header{
		"Authorization": {"Bearer abc"}, "Cookie": {"sid=1"}, "X-Api-Key": {"a", "b"}, "Accept": {"text/html", "x"},
		"Referer": {"https://x/?token=abc"}, "X-Ratelimit-Remaining-Tokens": {"7"},
	}
	want := http.Header{
		"Authorization": {Redacted}, "Cookie": {Redacted}, "X-Api-Key": {Redacted, Redacted}, "Accept": {"text/html", "x"},
		"Referer": {"https://x/?token=" + Redacted}, "X-Ratelimit-Remaining-Tokens": {"7"},
	}
	if diff := cmp.Diff(want, NewRedactor().Headers(header)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if header.Get("Cookie") != "sid=1" {
		t.Error("the header itself was changed")
	}
}

func TestRedactorIsCheapWithoutSecrets(t *testing.T) {
	r := NewRedactor()
	line := []byte(`{"timestamp":"2024-01-15T10:30:45.123Z","message":"Request completed","path":"/api/v1/generate","max_tokens":5}`)
	dst := make([]byte, 0, 2*len(line))
	for name, f := range map[string]func(){
		"String":     func() { r.String("GET https://host:8080/api/v1?a=b took 150.5 ms") },
		"AppendJSON": func() { r.AppendJSON(dst, line) },
		"Sensitive":  func() { r.Sensitive("max_tokens") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s allocates %v times", name, got)
		}
	}
}

func TestRedactorTakesLinearTime(t *testing.T) {
	r := NewRedactor()
	for _, part := range []string{
		"=", ":", "-", "_", "/", "b", "A", "J", "4", "4111 ", "eyJ", "eyJaaaaaaaa.", "://", "://a:", "a:a@", `"password":`, `"a":"`, "-----BEGIN ", "password=",
		"password=\"", "Bearer ", "sk-", "{", `{"token":[`, "\\", "\"", `\"`, "a=b&", "token:", "xoxb-", "hooks.slack.com/services/", "ey", "é", "-----BEGIN PRIVATE KEY-----", "4111-1111-",
	} {
		text := strings.Repeat(part, 1<<20/len(part))
		start := time.Now()
		r.String(text)
		r.AppendJSON(nil, []byte(text))
		r.Form(text)
		// Quadratic time would be minutes.
		if took := time.Since(start); took > 5*time.Second && !testtool.Race() {
			t.Errorf("a megabyte of %q took %s", part, took)
		}
	}
}

func FuzzRedactor(f *testing.F) {
	for _, seed := range []string{
		`{"password":"x","a":[1,{"token":null}]}`, "password=Bearer abc123 4111 1111 1111 1111", "https://u:p@h/?token=a&b=sk-1234567890abcdefghij",
		`{"body":"{\"api_key\":\"abc\"}"}`, "{'secret': {1}}", pemKey, "eyJaaaaaaaa.eyJbbbbbbbb.c", "token:\"abc", `password\":\"x\"`, "ssn=1&ssn=2",
	} {
		f.Add(seed)
	}
	r := NewRedactor("a")
	f.Fuzz(func(t *testing.T, text string) {
		bound := 4*len(text) + 16
		for name, redact := range map[string]func(string) string{
			"String": r.String,
			"Form":   r.Form,
			"URL":    r.URL,
			"AppendJSON": func(s string) string {
				return string(r.AppendJSON(nil, []byte(s)))
			},
		} {
			once := redact(text)
			if twice := redact(once); twice != once {
				t.Errorf("%s: %q became %q and then %q", name, text, once, twice)
			}
			if len(once) > bound {
				t.Errorf("%s: %q of %d bytes became %d bytes", name, text, len(text), len(once))
			}
			if name == "AppendJSON" && json.Valid([]byte(text)) && !json.Valid([]byte(once)) {
				t.Errorf("%q became %q, which is not JSON", text, once)
			}
		}
	})
}

func BenchmarkRedactor(b *testing.B) {
	r := NewRedactor()
	line := []byte(`{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api.requests","message":"Request completed","module":"logging_middleware","function":"log_request_end","line":85,"thread":140234567890,"process":12345,"request_id":"req-abc123","method":"POST","path":"/api/v1/generate","status_code":200,"duration_ms":150.5,"response_size":2048}`)
	dst := make([]byte, 0, 2*len(line))
	b.Run("AppendJSON", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			r.AppendJSON(dst, line)
		}
	})
	b.Run("String", func(b *testing.B) {
		const text = "upstream answered 503 after 150.5 ms, retrying in 2s"
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			r.String(text)
		}
	})
	b.Run("Sensitive", func(b *testing.B) {
		for b.Loop() {
			r.Sensitive("response_size")
		}
	})
}
