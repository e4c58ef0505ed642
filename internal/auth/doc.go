// Package auth says who a caller is, what the caller may do, and keeps a record
// of what was done: tokens, users and their sessions, roles, the audit trail.
//
// Everything is kept in llmwatch.db and read there for each request, so that
// what another process changes (`llmwatch tokens revoke`) counts at once.
// Secrets are kept as hashes only.
//
// It knows credentials as HTTP carries them, and must not know which paths
// there are or what a permission opens.
package auth
