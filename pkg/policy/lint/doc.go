// Package lint finds what is wrong or careless in a policy that is valid: rules
// that can never match, allows that are wider than they look, names that the
// kernel never sees. What it says about rules it has proved on the policy's
// automata.
package lint
