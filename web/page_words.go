package web

import "strconv"

// percent writes a share as an attribute of a drawing.
func percent(part, of int) string {
	if of <= 0 {
		return "0%"
	}
	return strconv.FormatFloat(100*float64(part)/float64(of), 'f', 2, 64) + "%"
}

// orUnknown is text, or the word for it if there is none.
func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
