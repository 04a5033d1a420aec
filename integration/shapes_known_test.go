package integration

// knownShapes are the shapes that leak, or are refused. No other may, and each of
// these must; go test ./integration -run TestShapes -update writes the list.
var knownShapes = map[string]bool{}
