// Package slack brings notifications to people over a Slack incoming webhook,
// with Block Kit.
//
// It must not know what a message says (package notify does) or when one is
// owed (package alert does).
package slack
