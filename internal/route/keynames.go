package route

// listNames returns the names of keys.
func listNames[K interface{ Name() string }](keys []K) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Name()
	}
	return out
}
