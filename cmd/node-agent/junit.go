package main

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The JUnit form of test results, as build servers read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

func junitXML(w io.Writer, suites []testSuite) error {
	var all junitSuites
	for _, s := range suites {
		suite := junitSuite{Name: s.File, Tests: len(s.Cases), Failures: s.Failed}
		for _, c := range s.Cases {
			jc := junitCase{Name: c.Name, Class: s.Policy, File: s.File, Line: c.Line}
			if !c.OK {
				expected := c.Expect
				if c.Rule != "" {
					expected += " by " + c.Rule
				}
				jc.Failure = &junitFailure{fmt.Sprintf("expected %s, got %s by %s", expected, c.Got, c.By)}
			}
			suite.Cases = append(suite.Cases, jc)
		}
		all.Tests, all.Failures = all.Tests+suite.Tests, all.Failures+suite.Failures
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
