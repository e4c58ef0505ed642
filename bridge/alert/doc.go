// Package alert is what llmwatch knows about alerts: what one is, how it lives
// from triggered to resolved, and whom it is owed to be told to, and when.
//
// Reconcile turns what is stored and what is seen now into the next state; Plan
// turns states into the notifications they owe. Both are functions of their
// arguments, without clock, database or network. Manager owns the loop around
// them: Store keeps a change and what it owes in one transaction, and Notifier
// brings notifications to people.
//
// It must not know which sources alerts come from, which database keeps them,
// or which channels exist, and imports nothing of ours.
package alert
