// Package bridge is the REST API: it turns HTTP requests into questions to the
// packages below it and their answers into the documented JSON.
//
// It holds the router, the envelope, the one place where errors become status
// codes, the cache of rendered answers and the OpenAPI document. It must not
// know the embedded engine, configuration files or the command line.
package bridge
