// Package product walks compiled policies over all actions at once: it finds
// what several policies say about any action that can happen, with a short
// example of each answer.
package product
