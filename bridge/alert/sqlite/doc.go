// Package sqlite keeps alerts, their timelines, the outbox and custom rules in
// a SQLite database, as alert.Store and alert.RuleStore ask.
//
// Each alert and notification is a row with the columns that queries need and a
// JSON body with everything. Other parts of llmwatch may keep their tables in
// the same file: the schema's version is kept by component.
//
// It must not know when alerts change or notifications are owed.
package sqlite
