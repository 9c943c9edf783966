package policy

// tooDeep finds the place where a document nests deeper than maxDepth, before
// any YAML parser sees it. It counts open brackets outside quotes, and the
// entries that one line opens with "- ", "? " and indentation.
func tooDeep(src []byte) (line, col int, deep bool) {
	line = 1
	start, flow := 0, 0
	var quote byte
	var indents []int
	for i := 0; i < len(src); i++ {
		if quote == 0 && i == start {
			n := 0
			for i < len(src) && (src[i] == ' ' || src[i] == '-' || src[i] == '?' || src[i] == '\t') {
				if src[i] != ' ' && src[i] != '\t' {
					n++
				}
				i++
			}
			if i >= len(src) {
				return line, 1, n > maxDepth && len(src) > 0 && src[len(src)-1] != '-'
			}
			if src[i] != '\n' && src[i] != '#' && flow == 0 {
				indents = pushIndent(indents, i-start)
				if len(indents) > maxDepth || (n > maxDepth && src[i-1] != '-') {
					return line, i - start + 1, true
				}
			}
		}
		switch c := src[i]; {
		case c == '\n':
			line++
			start = i + 1
		case quote != 0:
			if c == '\\' && quote == '"' {
				if i+1 < len(src) && src[i+1] != '\n' {
					i++
				}
			} else if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && opensQuote(src, start, i):
			quote = c
		case c == '#' && (i == start || src[i-1] == ' '):
			for i+1 < len(src) && src[i+1] != '\n' {
				i++
			}
		case c == '[' || c == '{':
			if flow++; flow > maxDepth {
				return line, i - start + 1, true
			}
		case (c == ']' || c == '}') && flow > 0:
			flow--
		}
	}
	return 0, 0, false
}

// opensQuote reports whether a quote character at i can start a quoted scalar:
// only white space or an indicator stands before it.
func opensQuote(src []byte, start, i int) bool {
	if i == start {
		return true
	}
	switch src[i-1] {
	case ' ', '\t', '[', '{', ',', ':':
		return true
	}
	return false
}

func pushIndent(stack []int, indent int) []int {
	for len(stack) > 0 && stack[len(stack)-1] >= indent {
		stack = stack[:len(stack)-1]
	}
	return append(stack, indent)
}
