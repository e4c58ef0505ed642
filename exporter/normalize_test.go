package exporter

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalizeRoute(t *testing.T) {
	tests := []struct{ name, path, want string }{
		{"root", "/", "/"},
		{"empty", "", "/"},
		{"asterisk", "*", "*"},
		{"words", "/api/generate", "/api/generate"},
		{"version", "/api/v1/generate", "/api/v1/generate"},
		{"version with minor", "/api/v1.2/models", "/api/v1.2/models"},
		{"version with stage", "/apis/v1beta2/jobs", "/apis/v1beta2/jobs"},
		{"upper-case version", "/V2/models", "/V2/models"},
		{"not a version", "/v12345678901/x", "/{id}/x"},
		{"number", "/users/42", "/users/{id}"},
		{"number amid", "/users/42/posts", "/users/{id}/posts"},
		{"one digit", "/users/7", "/users/{id}"},
		{"negative number", "/offset/-12", "/offset/{id}"},
		{"decimal number", "/at/52.5", "/at/{id}"},
		{"long digits", "/t/17954605510001234567", "/t/{id}"},
		{"UUID", "/jobs/3f2504e0-4f89-41d3-9a0c-0305e82c3301", "/jobs/{id}"},
		{"upper-case UUID", "/jobs/3F2504E0-4F89-41D3-9A0C-0305E82C3301", "/jobs/{id}"},
		{"UUID without dashes", "/jobs/3f2504e04f8941d39a0c0305e82c3301", "/jobs/{id}"},
		{"UUID of letters", "/jobs/abcdefab-cdef-abcd-efab-abcdefabcdef", "/jobs/{id}"},
		{"UUID in braces", "/jobs/{3f2504e0-4f89-41d3-9a0c-0305e82c3301}", "/jobs/{id}"},
		{"hexadecimal id", "/blobs/deadbee1", "/blobs/{id}"},
		{"hexadecimal word", "/blobs/deadbeef", "/blobs/deadbeef"},
		{"short mixed word", "/s3/sha256/utf8", "/s3/sha256/utf8"},
		{"ULID", "/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/runs/{id}"},
		{"object id", "/o/507f1f77bcf86cd799439011", "/o/{id}"},
		{"random id", "/watch/dQw4w9WgXcQ", "/watch/{id}"},
		{"prefixed id", "/jobs/ftjob-abc123def456", "/jobs/{id}"},
		{"prefixed number", "/orders/order_10234", "/orders/{id}"},
		{"model name", "/models/gpt-4/llama-3-70b", "/models/gpt-4/llama-3-70b"},
		{"camel case", "/OAuth2Callback/getUserProfile", "/OAuth2Callback/getUserProfile"},
		{"base64", "/t/aGVsbG8gd29ybGQ=", "/t/{id}"},
		{"base64 with plus", "/t/ab+cd", "/t/{id}"},
		{"JWT", "/t/eyJhbGciOi.eyJzdWIiOiIxMjM0NTY3ODkw.SflKx", "/t/{id}"},
		{"e-mail", "/users/alice@example.org", "/users/{id}"},
		{"at sign in front", "/@types/node", "/@types/node"},
		{"date", "/reports/2024-01-15", "/reports/{id}"},
		{"compact date", "/reports/20240115", "/reports/{id}"},
		{"date and time", "/reports/2024-01-15T10:30:45Z", "/reports/{id}"},
		{"date in a name", "/reports/daily-2024-01-15.csv", "/reports/{id}"},
		{"IPv4", "/hosts/192.168.0.1", "/hosts/{id}"},
		{"IPv6", "/hosts/fe80::1", "/hosts/{id}"},
		{"file", "/assets/index.html", "/assets/index.html"},
		{"file with hash", "/assets/main.3f2a1b9c.js", "/assets/{id}"},
		{"file with long hash", "/a/app-5d41402abc4b2a76b9719d91.css", "/a/{id}"},
		{"custom method", "/models/gpt:generate", "/models/gpt:generate"},
		{"placeholder", "/users/{user_id}/posts", "/users/{user_id}/posts"},
		{"false placeholder", "/users/{4711}", "/users/{id}"},
		{"words of other scripts", "/文章/größe", "/文章/größe"},
		{"free text", "/search/hello world", "/search/{id}"},
		{"invalid UTF-8", "/x/\xff\xfe", "/x/{id}"},
		{"control characters", "/x/a\nb", "/x/{id}"},
		{"quotes", `/x/a"b`, "/x/{id}"},
		{"long word", "/x/" + strings.Repeat("a", 41), "/x/{id}"},
		{"long letters", "/x/" + strings.Repeat("ab", 16), "/x/{id}"},
		{"query", "/users/42?x=1", "/users/{id}"},
		{"fragment", "/users#top", "/users"},
		{"slashes", "//users///42/", "/users/{id}"},
		{"no slash in front", "users/42", "/users/{id}"},
		{"as deep as allowed", "/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"},
		{"too deep", "/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/{rest}"},
		{
			"too long", "/" + strings.Repeat("abcdefghijklmnopqrst/", 6),
			strings.Repeat("/abcdefghijklmnopqrst", 4) + "/{rest}",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := NormalizeRoute(tt.path)
			if got != tt.want {
				t.Errorf("NormalizeRoute(%q) is %q, want %q", tt.path, got, tt.want)
			}
			checkNormalized(t, tt.path, got)
		})
	}
}

func TestNormalizeRouteAllocatesNothingForNormalizedPaths(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { NormalizeRoute("/api/v1/users/{id}/posts") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func checkNormalized(t *testing.T, path, got string) {
	t.Helper()

	if again := NormalizeRoute(got); again != got {
		t.Errorf("NormalizeRoute(%q) is %q, whose normalisation is %q", path, got, again)
	}
	if len(got) > maxRouteBytes || strings.Count(got, "/") > maxRouteSegments {
		t.Errorf("NormalizeRoute(%q) is %q, %d bytes", path, got, len(got))
	}
	if !utf8.ValidString(got) {
		t.Errorf("NormalizeRoute(%q) is %q, not UTF-8", path, got)
	}
	if got != "*" && (got == "" || got[0] != '/') {
		t.Errorf("NormalizeRoute(%q) is %q, want it to begin with a slash", path, got)
	}
}

func FuzzNormalizeRoute(f *testing.F) {
	for _, path := range []string{
		"", "*", "/", "/users/42", "/x/\xff", "//a//", "/{id}/{rest}", "/a/b/c/d/e/f/g/h/i", "/é/١٢٣", "/v1/{a}", "?#",
		"/" + strings.Repeat("a/", 60), "/" + strings.Repeat("abcdefghi/", 11), "/+/-/=", "/\u0301",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		checkNormalized(t, path, NormalizeRoute(path))
	})
}
