package network

//go:generate env SAFECLAW_UPDATE=1 go test -count=1 -run ^TestDocs$ .
