package logship

import (
	"slices"
	"strings"
)

// The names of secrets, without separators. The documented ones come first; the
// others are their plurals and other words for the same.
var secretNames = []string{
	"password", "apikey", "secret", "authorization", "creditcard", "ssn", "socialsecurity", "privatekey",
	"passwords", "apikeys", "secrets", "creditcards", "privatekeys",
	"passwd", "passphrase", "cookie", "cookies", "setcookie",
}

// tokenName is apart from secretNames: language models count tokens, so the word
// alone says little.
const tokenName = "token"

// gluedTokens are the words that mean a credential without a separator in them.
var gluedTokens = []string{
	"accesstoken", "apitoken", "authtoken", "bearertoken", "csrftoken", "idtoken", "refreshtoken", "sessiontoken", "xsrftoken",
}

// tokenOwners are the words before "tokens" that make the plural a credential.
var tokenOwners = []string{"access", "api", "auth", "bearer", "refresh", "session"}

// modelTokens are the words before "token" that make it one of a language model
// or of a page of results.
var modelTokens = []string{
	"accepted", "added", "audio", "begin", "bos", "cached", "cls", "completion", "count", "current", "draft", "each", "end",
	"eos", "eot", "first", "generated", "image", "input", "last", "mask", "max", "min", "n", "new", "next", "num", "number",
	"output", "pad", "padding", "per", "prev", "previous", "prompt", "reasoning", "sep", "special", "start", "stop", "text",
	"total", "unk", "unknown",
}

// tokenCarriers are the words after "token" that leave it a credential.
var tokenCarriers = []string{"hash", "header", "key", "secret", "value"}

// describers are words after a secret's name that make the key tell something
// about the secret: password_length, secret_name.
var describers = []string{
	"age", "at", "attempts", "changed", "count", "created", "enabled", "exists", "expired", "expires", "expiry", "failures",
	"len", "length", "max", "min", "missing", "name", "names", "ok", "path", "policy", "present", "required", "reset", "rotated",
	"rotation", "set", "size", "status", "strength", "type", "updated", "valid", "version",
}

// questioners are first words that make the key a yes or no: has_password.
var questioners = []string{"has", "is", "needs", "no", "num", "number", "requires", "uses"}

// isSensitiveKey tells whether a key names a secret. It goes by the words of the
// key, told apart by anything but letters, by digits and by capitals, so that
// db_password, x-api-key and accessToken are found; names are found without
// separators too. extra holds further names, without separators.
func isSensitiveKey(key string, extra []string) bool {
	words := keyWords(key)
	if len(words) == 0 {
		return false
	}
	joined := strings.Join(words, "")
	if joined == tokenName || slices.Contains(secretNames, joined) || slices.Contains(extra, joined) {
		return true
	}
	if slices.Contains(questioners, words[0]) {
		return false
	}
	for first := range words {
		if namesSecret(words[first:], secretNames) || namesSecret(words[first:], extra) {
			return true
		}
	}

	return endsInSecret(words[len(words)-1]) || holdsToken(words)
}

// namesSecret tells whether the words begin with one of the names, and go on
// without telling something about it.
func namesSecret(words, names []string) bool {
	for n := 1; n <= min(len(words), 3); n++ {
		if slices.Contains(names, strings.Join(words[:n], "")) {
			return !slices.ContainsFunc(words[n:], func(w string) bool { return slices.Contains(describers, w) })
		}
	}

	return false
}

// endsInSecret finds names that nothing separates from what is before them:
// dbpassword, clientsecret. Shorter names would be found in other words.
func endsInSecret(word string) bool {
	return slices.ContainsFunc(secretNames, func(name string) bool {
		return len(name) >= len("secret") && strings.HasSuffix(word, name)
	})
}

// holdsToken applies the rules for the word token.
func holdsToken(words []string) bool {
	for i, word := range words {
		before, after := "", words[i+1:]
		if i > 0 {
			before = words[i-1]
		}
		switch {
		case slices.Contains(gluedTokens, word):
		case word == tokenName && !slices.Contains(modelTokens, before):
		case word == tokenName+"s" && slices.Contains(tokenOwners, before):
		default:
			continue
		}
		if len(after) == 0 || slices.Contains(tokenCarriers, after[len(after)-1]) {
			return true
		}
	}

	return false
}

// keyWords returns the words of a key in lower case. Digits belong to no word.
func keyWords(key string) []string {
	words := make([]string, 0, 8)
	start := -1
	end := func(i int) {
		if start >= 0 {
			words = append(words, strings.ToLower(key[start:i]))
		}
		start = -1
	}
	for i := range len(key) {
		c := key[i]
		switch {
		case !isLetter(c):
			end(i)
		case start < 0:
			start = i
		case isUpper(c) && !isUpper(key[i-1]), // accessToken
			isUpper(c) && i+1 < len(key) && isLower(key[i+1]): // APIKey
			end(i)
			start = i
		}
	}
	end(len(key))

	return words
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isLetter counts the bytes of all runes outside ASCII as letters.
func isLetter(c byte) bool { return isUpper(c) || isLower(c) || c >= 0x80 }

func isAlphanumeric(c byte) bool { return isUpper(c) || isLower(c) || isDigit(c) }
