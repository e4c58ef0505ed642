// Package app puts the program together: it checks the configuration, opens
// the port, starts the parts along the way of the data and stops them in
// reverse.
//
// It is the one package that knows all others; nobody but the command line
// imports it, and it knows neither flags nor signals.
package app
