package escapes

//go:generate env SAFECLAW_UPDATE=1 go test -count=1 -run ^TestDocs$ .
