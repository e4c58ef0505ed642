// Package gate stands before everything that is served. It bounds what one
// client can cost the others: connections, requests, queries at a time, slow
// bodies, slow readers. It refuses what browsers are tricked into sending, and
// puts the headers on every answer that protect those who look at it.
//
// It knows addresses and headers, and neither callers nor what routes mean: it is
// told which requests are queries, and how a refusal is answered.
package gate
