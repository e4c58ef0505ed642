// Package email brings notifications to people by SMTP: one mail for all
// recipients, with a plain text part, an HTML part and the chart.
//
// It must not know what a message says (package notify does) or when one is
// owed (package alert does).
package email
