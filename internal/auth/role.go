package auth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Role is what a principal is trusted with.
type Role string

// The roles.
const (
	Admin    Role = "admin"    // Everything.
	Operator Role = "operator" // Reads and takes care of alerts.
	Viewer   Role = "viewer"   // Reads.
	Ingest   Role = "ingest"   // Sends metrics, logs and alerts, reads nothing.
	Scrape   Role = "scrape"   // Reads /metrics and nothing else.
)

// Roles are all of them, from the most to the least trusted.
var Roles = []Role{Admin, Operator, Viewer, Ingest, Scrape}

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	if slices.Contains(Roles, Role(s)) {
		return Role(s), nil
	}

	return "", fmt.Errorf("role must be %s, got %q", list(Roles), s)
}

// Permission is what a role is given.
type Permission string

// The permissions. The first three are the documented ones.
const (
	ReadMetrics       Permission = "read_metrics"       // Metrics, alerts, rules, logs: everything there is to see.
	AcknowledgeAlerts Permission = "acknowledge_alerts" // Say "I have it".
	ManageRules       Permission = "manage_rules"       // Rules, reloads and test notifications.
	IngestData        Permission = "ingest_data"        // Push metrics, logs and alerts.
	ScrapeMetrics     Permission = "scrape_metrics"     // The exporter's /metrics.
	ReadConfiguration Permission = "read_configuration" // How llmwatch and its engine are configured, and what they scrape.
)

// Permissions are all of them.
var Permissions = []Permission{ReadMetrics, AcknowledgeAlerts, ManageRules, IngestData, ScrapeMetrics, ReadConfiguration}

// Policy says which roles have a permission.
type Policy map[Permission][]Role

// DefaultPolicy gives the documented permissions to the documented roles, and
// the others what their names say.
func DefaultPolicy() Policy {
	return Policy{
		ReadMetrics:       {Admin, Operator, Viewer},
		AcknowledgeAlerts: {Admin, Operator},
		ManageRules:       {Admin},
		IngestData:        {Admin, Ingest},
		ScrapeMetrics:     {Admin, Operator, Viewer, Scrape},
		ReadConfiguration: {Admin},
	}
}

// ParsePolicy reads a policy as a configuration names it. Permissions that it
// leaves out keep their default.
func ParsePolicy(named map[string][]string) (Policy, error) {
	policy := DefaultPolicy()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		permission := Permission(name)
		if !slices.Contains(Permissions, permission) {
			return nil, fmt.Errorf("permission must be %s, got %q", list(Permissions), name)
		}
		roles := []Role{}
		for _, role := range named[name] {
			if !slices.Contains(Roles, Role(role)) {
				return nil, fmt.Errorf("%s must hold %s, got %q", name, list(Roles), role)
			}
			roles = append(roles, Role(role))
		}
		policy[permission] = roles
	}

	return policy, nil
}

// Allows reports whether a role has a permission.
func (p Policy) Allows(role Role, permission Permission) bool {
	return slices.Contains(p[permission], role)
}

// Of returns what a role may do, in the order of Permissions.
func (p Policy) Of(role Role) []Permission {
	may := []Permission{}
	for _, permission := range Permissions {
		if p.Allows(role, permission) {
			may = append(may, permission)
		}
	}

	return may
}

// list names the choices: a, b or c.
func list[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = string(one)
	}
	last := len(words) - 1

	return strings.Join(words[:last], ", ") + " or " + words[last]
}
