// Package ruleset is what llmwatch knows about alert rules: the default ones,
// what overrides them, the custom ones, and the rule files that all of them make
// for a metrics server.
//
// It must not know which server loads the files, or how: that comes as
// functions. Each custom rule has a file and a group of its own, so that a
// change of one leaves the timers of the others alone, and a broken one stops
// nobody.
package ruleset
