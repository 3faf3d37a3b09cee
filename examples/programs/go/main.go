// The table server on net/http.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strconv"
	"sync/atomic"
)

const entries = 100_000

var (
	table    [entries]uint32
	requests uint64
)

func answer(w http.ResponseWriter, content map[string]any) {
	content["program"] = "go"
	content["requests"] = atomic.AddUint64(&requests, 1)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(content)
}

func value(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 || n >= entries {
		http.Error(w, "expected /value?n=N with N from 0 to 99999", http.StatusNotFound)
		return
	}
	answer(w, map[string]any{"n": n, "value": table[n]})
}

func check(w http.ResponseWriter, _ *http.Request) {
	var sum uint32
	for i, entry := range table {
		sum += entry * uint32(i%7+1)
	}
	answer(w, map[string]any{"checksum": sum})
}

func main() {
	for i := range table {
		table[i] = uint32(i) * 2654435761
	}
	http.HandleFunc("/value", value)
	http.HandleFunc("/check", check)
	log.Fatal(http.ListenAndServe("0.0.0.0:8000", nil))
}
