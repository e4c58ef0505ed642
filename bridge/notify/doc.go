// Package notify is what the notifiers share: what a message says, the
// templates that say it, the chart beside it, and how an HTTP receiver's answer
// is understood.
//
// What a message says depends on the notification alone, not on a clock, so
// that two attempts say the same. Everything that comes from labels,
// annotations, logs or people is bounded and cleaned here, once; escaping it
// for a medium is the matter of that medium's package. It must not know
// channels, storage or configuration files, and its subpackages email, slack
// and webhook never import each other.
package notify
