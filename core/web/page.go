package web

import (
	"crypto/sha256"
	_ "embed" // go:embed
	"encoding/base64"
	"fmt"
	"strings"
)

// The parts of the page, which goes out as one document: a browser that shows
// it once needs nothing more than the stream, from nowhere else.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/style.css
	pageStyle string
	//go:embed page/view.js
	viewScript string
	//go:embed page/page.js
	pageScript string
)

// page is the document, and what a browser may do with it.
type page struct {
	html   []byte
	policy string
}

// newPage puts the parts together. Script and style are named to the browser
// by their hashes, so that nothing that finds its way into the document can
// run; Trusted Types refuse text that would become markup.
func newPage() page {
	script := viewScript + pageScript
	html := strings.NewReplacer("/*STYLE*/", pageStyle, "/*SCRIPT*/", script).Replace(pageHTML)
	return page{[]byte(html), strings.Join([]string{
		"default-src 'none'",
		"script-src " + hash(script),
		"style-src " + hash(pageStyle),
		"connect-src 'self'",
		"img-src data:", // the icon
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'",
	}, "; ")}
}

// hash names an inline element's text as CSP does (CSP Level 3 §2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
}
