// An API that verifies the access tokens of Admit by itself. ISSUER and AUDIENCE say whose tokens, and for which API.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Caller is what a token says.
type Caller struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

type callerKey struct{}

// requireScope lets through who shows a good token with this scope.
func requireScope(verifier *oidc.IDTokenVerifier, scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, text, found := strings.Cut(r.Header.Get("Authorization"), " ")
		if !found || !strings.EqualFold(scheme, "Bearer") {
			refuse(w, http.StatusUnauthorized, "Bearer")
			return
		}
		token, err := verifier.Verify(r.Context(), text)
		var caller Caller
		if err != nil || !isAccessToken(text) || token.Claims(&caller) != nil || caller.ClientID == "" {
			refuse(w, http.StatusUnauthorized, `Bearer error="invalid_token"`)
			return
		}
		if !slices.Contains(strings.Fields(caller.Scope), scope) {
			refuse(w, http.StatusForbidden, `Bearer error="insufficient_scope", scope="`+scope+`"`)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	}
}

// isAccessToken reads the header of a token that was verified: the library itself does not look at its type (RFC 9068).
func isAccessToken(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header struct {
		Type string `json:"typ"`
	}
	return err == nil && json.Unmarshal(text, &header) == nil && strings.EqualFold(header.Type, "at+jwt")
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, http.StatusText(status), status)
}

func orders(w http.ResponseWriter, r *http.Request) {
	caller := r.Context().Value(callerKey{}).(Caller)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"subject": caller.Subject, "orders": []int{42}})
}

func main() {
	// Fetches the keys when it needs them, and again when a token names one that it does not know.
	provider, err := oidc.NewProvider(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: os.Getenv("AUDIENCE"), SupportedSigningAlgs: []string{oidc.ES256}})
	http.HandleFunc("GET /orders", requireScope(verifier, "orders:read", orders))
	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
