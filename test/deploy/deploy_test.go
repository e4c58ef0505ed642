// Package deploy holds the files by which llmwatch is installed against the types
// of the programs that read them. It is a module of its own, because those programs
// are large and llmwatch needs none of them.
package deploy

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the generated files anew")

const root = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}

	return text
}

// documents returns the YAML documents of a file.
func documents(t *testing.T, path string) (docs [][]byte) {
	t.Helper()

	for _, doc := range bytes.Split(read(t, path), []byte("\n---\n")) {
		docs = append(docs, doc)
	}

	return docs
}

// kinds are the objects that may stand in a manifest.
var kinds = map[string]func() any{
	"v1/Namespace":                                  func() any { return &corev1.Namespace{} },
	"v1/ConfigMap":                                  func() any { return &corev1.ConfigMap{} },
	"v1/Service":                                    func() any { return &corev1.Service{} },
	"v1/ServiceAccount":                             func() any { return &corev1.ServiceAccount{} },
	"v1/PersistentVolumeClaim":                      func() any { return &corev1.PersistentVolumeClaim{} },
	"apps/v1/Deployment":                            func() any { return &appsv1.Deployment{} },
	"apps/v1/DaemonSet":                             func() any { return &appsv1.DaemonSet{} },
	"policy/v1/PodDisruptionBudget":                 func() any { return &policyv1.PodDisruptionBudget{} },
	"networking.k8s.io/v1/NetworkPolicy":            func() any { return &networkingv1.NetworkPolicy{} },
	"rbac.authorization.k8s.io/v1/Role":             func() any { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1/RoleBinding":      func() any { return &rbacv1.RoleBinding{} },
	"monitoring.coreos.com/v1/ServiceMonitor":       func() any { return &monitoringv1.ServiceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule":       func() any { return &monitoringv1.PrometheusRule{} },
	"kustomize.config.k8s.io/v1beta1/Kustomization": func() any { return &kustomization{} },
}

// kustomization is what of kustomize's file is used here.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Namespace       string           `json:"namespace"`
	Labels          []map[string]any `json:"labels"`
	Resources       []string         `json:"resources"`
	Images          []map[string]any `json:"images"`
}

// manifest decodes a document strictly into the type that it names.
func manifest(t *testing.T, path string, doc []byte) any {
	t.Helper()

	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &meta); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	kind := meta.APIVersion + "/" + meta.Kind
	create := kinds[kind]
	if create == nil {
		t.Fatalf("%s: nothing is known of %s", path, kind)
	}
	object := create()
	if err := yaml.UnmarshalStrict(doc, object); err != nil {
		t.Errorf("%s: %s: %v", path, kind, err)
	}

	return object
}

func TestManifestsAreWhatKubernetesReads(t *testing.T) {
	for _, folder := range []string{"deploy/kubernetes", "deploy/kubernetes/operator"} {
		listed, ok := manifest(t, folder, read(t, folder+"/kustomization.yaml")).(*kustomization)
		if !ok {
			t.Fatalf("%s has no kustomization", folder)
		}
		files, err := filepath.Glob(filepath.Join(root, folder, "*.yaml"))
		if err != nil || len(files) != len(listed.Resources)+1 {
			t.Errorf("%s lists %v and has %v (%v)", folder, listed.Resources, files, err)
		}
		for _, name := range listed.Resources {
			for _, doc := range documents(t, folder+"/"+name) {
				manifest(t, folder+"/"+name, doc)
			}
		}
	}
}

func podsOf(object any) (name string, pod *corev1.PodSpec) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return o.Name, &o.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return o.Name, &o.Spec.Template.Spec
	}

	return "", nil
}

func TestPodsAreConfined(t *testing.T) {
	pods := 0
	for _, file := range []string{"deploy/kubernetes/llmwatch.yaml", "deploy/kubernetes/node.yaml"} {
		for _, doc := range documents(t, file) {
			name, pod := podsOf(manifest(t, file, doc))
			if pod == nil {
				continue
			}
			pods++
			if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
				t.Errorf("%s gets a token of the Kubernetes API", name)
			}
			for _, c := range pod.Containers {
				s := c.SecurityContext
				if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
					s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || len(s.Capabilities.Drop) == 0 {
					t.Errorf("container %s of %s may more than it needs: %+v", c.Name, name, s)
				}
				if c.Resources.Limits.Memory().IsZero() {
					t.Errorf("container %s of %s has no bound of memory", c.Name, name)
				}
			}
		}
	}
	if pods != 2 {
		t.Errorf("there are %d kinds of pods, want 2", pods)
	}
}

// What kills a pod must not depend on what is behind the port, such as the disk.
func TestProbesKillNobodyForAFullDisk(t *testing.T) {
	path := func(p *corev1.Probe) string {
		if p == nil || p.HTTPGet == nil {
			return "none"
		}

		return p.HTTPGet.Path
	}
	probed := 0
	for _, file := range []string{"deploy/kubernetes/llmwatch.yaml", "deploy/kubernetes/node.yaml"} {
		for _, doc := range documents(t, file) {
			name, pod := podsOf(manifest(t, file, doc))
			if pod == nil {
				continue
			}
			for _, c := range pod.Containers {
				if len(c.Ports) == 0 {
					continue // It answers no requests.
				}
				probed++
				if live, ready := path(c.LivenessProbe), path(c.ReadinessProbe); live != "/-/healthy" || ready != "/-/ready" {
					t.Errorf("container %s of %s is killed by %s and gets requests by %s", c.Name, name, live, ready)
				}
				if c.StartupProbe != nil && path(c.StartupProbe) != "/-/healthy" {
					t.Errorf("container %s of %s is killed at its start by %s", c.Name, name, path(c.StartupProbe))
				}
			}
		}
	}
	if probed != 2 {
		t.Errorf("%d containers are probed, want 2", probed)
	}
}

// TestPrometheusRuleIsThatOfTheRuleFiles makes the operator's rules of rules/*.yml.
func TestPrometheusRuleIsThatOfTheRuleFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "rules", "*.yml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("there are %d rule files (%v)", len(files), err)
	}
	rule := monitoringv1.PrometheusRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule"},
		ObjectMeta: metav1.ObjectMeta{Name: "llmwatch", Labels: map[string]string{"app.kubernetes.io/name": "llmwatch"}},
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var spec monitoringv1.PrometheusRuleSpec
		if err := yaml.UnmarshalStrict(text, &spec); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rule.Spec.Groups = append(rule.Spec.Groups, spec.Groups...)
	}
	text, err := yaml.Marshal(rule)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("# Generated from rules/*.yml: go test . -update in test/deploy.\n"), text...)
	const path = "deploy/kubernetes/operator/prometheusrule.yaml"
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, path), want) {
		t.Errorf("%s is not current: run go test . -update in test/deploy", path)
	}
}

// compose loads docker-compose.yml as docker compose does.
func compose(t *testing.T, env []string, profiles ...string) *types.Project {
	t.Helper()

	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnv(env), cli.WithProfiles(profiles), cli.WithName("llmwatch"), cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}

	return project
}

func TestComposeStartsLlmwatchAloneUnlessAskedForMore(t *testing.T) {
	if names := compose(t, nil).ServiceNames(); len(names) != 1 || names[0] != "llmwatch" {
		t.Errorf("without a profile it starts %v", names)
	}
	full := compose(t, nil, "full")
	for _, name := range []string{"llmwatch", "exporter", "bridge", "logship", "prometheus", "alertmanager", "grafana"} {
		if _, err := full.GetService(name); err != nil {
			t.Error(err)
		}
	}
}

func TestComposePublishesOnLoopbackAndBoundsEverything(t *testing.T) {
	for _, s := range compose(t, nil, "full").Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", s.Name, port.Published, port.HostIP)
			}
		}
		if s.HealthCheck == nil {
			t.Errorf("%s has no health check and does not say so", s.Name)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 {
			t.Errorf("%s has no bound of memory", s.Name)
		}
		if strings.HasPrefix(s.Image, "llmwatch:") && !s.ReadOnly {
			t.Errorf("%s may write into its own image", s.Name)
		}
		for name, value := range s.Environment {
			if value != nil && *value != "" && (strings.Contains(name, "PASSWORD") || strings.Contains(name, "WEBHOOK_URL")) &&
				!strings.HasPrefix(*value, "/run/secrets/") {
				t.Errorf("%s has a secret in %s instead of a file", s.Name, name)
			}
		}
	}
}

func TestComposeHandsSecretsOnAsFiles(t *testing.T) {
	for _, set := range []bool{false, true} {
		var env []string
		if set {
			env = []string{"SMTP_PASSWORD_FILE=/etc/hosts", "SMTP_SERVER=smtp.example.com"}
		}
		service, err := compose(t, env).GetService("llmwatch")
		if err != nil {
			t.Fatal(err)
		}
		// An empty variable is none to llmwatch; a file without a secret would be refused.
		want := map[bool]string{true: "/run/secrets/smtp_password"}[set]
		if got := service.Environment["SMTP_PASSWORD_FILE"]; got == nil || *got != want {
			t.Errorf("with a password %v, the file is %v, want %q", set, got, want)
		}
	}
}

// noRegistry knows no images: what is looked at is the file alone.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}

func TestDockerfileHasNothingToComplainAbout(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	results, err := dockerfile2llb.DockerfileLint(t.Context(), text, dockerfile2llb.ConvertOpt{
		MetaResolver: noRegistry{},
		SourceMap:    &llb.SourceMap{Definition: &llb.Definition{}, Filename: "Dockerfile", Language: "Dockerfile", Data: text},
	})
	if err != nil {
		t.Fatal(err)
	}
	if results.Error != nil {
		t.Fatal(results.Error.Message)
	}
	for _, w := range results.Warnings {
		t.Errorf("line %d: %s: %s", w.Location.Ranges[0].Start.Line, w.RuleName, w.Detail)
	}
}
