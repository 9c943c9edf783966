// Package explain says why a policy decides an action as it does: the rule, why
// each rule before it does not match, and the smallest rule that would change
// the verdict, proved by compiling the changed policy and asking again.
package explain
