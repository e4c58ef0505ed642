package engine

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for what nobody is shown, as in the server's own answers.
const hidden = "<secret>"

// configured are the beginnings of the paths, below the API's own, whose answers tell of
// the configuration. The server itself hides passwords and keys in them, but not what
// stands in headers, parameters and addresses.
var configured = []string{"/status/config", "/targets", "/scrape_pools", "/alertmanagers", "/notifications"}

// scrubbed hides what may be secret in answers that tell of the configuration, whoever
// asks. What this process asks for itself does not come through here.
func scrubbed(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, inAPI := strings.CutPrefix(r.URL.Path, prefix+"/api/v1")
		if !inAPI || !tellsOfConfiguration(path) {
			next.ServeHTTP(w, r)
			return
		}
		inner := r.Clone(r.Context())
		inner.Header.Del("Accept-Encoding")
		rec := &recorder{header: http.Header{}, code: http.StatusOK}
		next.ServeHTTP(rec, inner)
		body := scrubAnswer(rec.body.Bytes())
		maps.Copy(w.Header(), rec.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.code)
		_, _ = w.Write(body) // Whoever has left needs no answer.
	})
}

func tellsOfConfiguration(path string) bool {
	for _, begin := range configured {
		if strings.HasPrefix(path, begin) {
			return true
		}
	}

	return false
}

// scrubAnswer hides what may be secret in an answer of the API.
func scrubAnswer(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var answer any
	if decoder.Decode(&answer) != nil {
		return []byte(scrubURLs(string(body)))
	}
	out, err := json.Marshal(scrubValue("", answer))
	if err != nil {
		return []byte(hidden) // What was decoded can be encoded.
	}

	return out
}

// scrubValue returns what may be shown of the value of a key.
func scrubValue(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		to, _ := v["target_label"].(string)
		for name, inner := range v {
			if name == "replacement" && secretLabel(to) {
				v[name] = hidden
				continue
			}
			v[name] = scrubValue(nameWithin(key, name), inner)
		}
	case []any:
		for i := range v {
			v[i] = scrubValue(key, v[i])
		}
	case string:
		switch {
		case v == "":
		case key == "yaml":
			return scrubYAML(v)
		case secretKey(key):
			return hidden
		default:
			return scrubURLs(v)
		}
	}

	return value
}

// secretKeys are keys below which everything is hidden: who configures headers and
// parameters often has a key there.
var secretKeys = map[string]bool{
	"params": true, "headers": true, "http_headers": true, "proxy_connect_header": true, "endpoint_params": true, "claims": true,
}

// nameWithin is the key under which the value of name is looked at, within key: what is
// below a secret key stays secret.
func nameWithin(key, name string) string {
	if secretKeys[key] {
		return key
	}

	return name
}

var secretWord = regexp.MustCompile(`(?i)(password|passwd|secret|token|credential|bearer|api_?key|access_?key|private_?key|signature)`)

// secretKey reports whether what stands under a key may be secret. Names of files and of
// addresses are not: those are looked at by themselves.
func secretKey(key string) bool {
	switch {
	case secretKeys[key], secretLabel(key):
		return true
	case strings.HasSuffix(key, "_file"), strings.HasSuffix(key, "_files"), strings.HasSuffix(key, "_url"), strings.HasSuffix(key, "_ref"):
		return false
	default:
		return secretWord.MatchString(key)
	}
}

// secretLabel reports whether a label of a target becomes a parameter of its address.
func secretLabel(name string) bool { return strings.HasPrefix(name, "__param_") }

var address = regexp.MustCompile("[a-zA-Z][a-zA-Z0-9+.-]*://[^\\s\"'`<>\\\\]+")

// scrubURLs hides passwords and parameters in all addresses of a text.
func scrubURLs(text string) string {
	return address.ReplaceAllStringFunc(text, func(found string) string {
		u, err := url.Parse(found)
		if err != nil {
			scheme, _, _ := strings.Cut(found, "://")
			return scheme + "://" + hidden
		}
		before, query, asks := strings.Cut(found, "?")
		if u.User != nil {
			scheme, rest, _ := strings.Cut(before, "://")
			before = scheme + "://" + hidden + "@" + rest[strings.LastIndex(rest[:authorityEnd(rest)], "@")+1:]
		}
		if !asks {
			return before
		}
		parameters := strings.Split(query, "&")
		for i, parameter := range parameters {
			name, _, _ := strings.Cut(parameter, "=")
			parameters[i] = name + "=" + hidden
		}

		return before + "?" + strings.Join(parameters, "&")
	})
}

// authorityEnd is where the path begins in an address without its scheme.
func authorityEnd(rest string) int {
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return i
	}

	return len(rest)
}

// scrubYAML hides what may be secret in a configuration.
func scrubYAML(text string) string {
	var root yaml.Node
	if yaml.Unmarshal([]byte(text), &root) != nil {
		return hidden
	}
	scrubNode("", &root)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if encoder.Encode(&root) != nil || encoder.Close() != nil {
		return hidden
	}

	return out.String()
}

// scrubNode is scrubValue for YAML, which keeps the order.
func scrubNode(key string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		scrubMapping(key, n)
	case yaml.ScalarNode:
		switch {
		case n.Value == "":
		case secretKey(key):
			n.SetString(hidden)
		default:
			if shown := scrubURLs(n.Value); shown != n.Value {
				n.SetString(shown)
			}
		}
	case yaml.DocumentNode, yaml.SequenceNode, yaml.AliasNode:
		for _, inner := range n.Content {
			scrubNode(key, inner)
		}
	}
}

func scrubMapping(key string, n *yaml.Node) {
	to := ""
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "target_label" {
			to = n.Content[i+1].Value
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		if name == "replacement" && secretLabel(to) {
			value.SetString(hidden)
			continue
		}
		scrubNode(nameWithin(key, name), value)
	}
}
