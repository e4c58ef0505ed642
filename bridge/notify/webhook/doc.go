// Package webhook brings notifications to programs: a POST with Alertmanager's
// webhook payload, version 4, so that whatever understands Alertmanager
// understands llmwatch.
//
// It must not know when a notification is owed (package alert does).
package webhook
