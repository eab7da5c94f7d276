package session

import "strings"

// DeviceName makes a short name, such as "Edge on Windows", from a User-Agent.
// It is a help for people to recognise their sessions, nothing more.
func DeviceName(userAgent string) string {
	find := func(pairs [][2]string, otherwise string) string {
		for _, p := range pairs {
			if strings.Contains(userAgent, p[0]) {
				return p[1]
			}
		}
		return otherwise
	}
	// The order matters: Edge says Chrome, Chrome says Safari, Android says Linux.
	browser := find([][2]string{{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"PowerShell/", "PowerShell"}}, "A browser")
	system := find([][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}, "")
	if system == "" {
		return browser
	}
	return browser + " on " + system
}
