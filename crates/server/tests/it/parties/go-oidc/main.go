// Signs somebody in by go-oidc and golang.org/x/oauth2, as a command on his machine and as a device. Reads the world as a line
// of JSON on stdin, prints each address that a person has to visit, reads where that led to, and tells as JSON what came of
// each step. Nothing is set: plain HTTP is no matter to these libraries.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type world struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	Client   struct {
		ID          string `json:"id"`
		RedirectURI string `json:"redirect_uri"`
	} `json:"native"`
}

// person is whoever sits in front of the browser.
type person struct{ input *bufio.Scanner }

// visits has him go somewhere and answers where his browser is sent back to.
func (p person) visits(address string) url.Values {
	fmt.Println(address)
	if !p.input.Scan() {
		log.Fatal("nobody came back")
	}
	back, err := url.Parse(p.input.Text())
	must(err)
	return back.Query()
}

// party is the client with what it verifies by.
type party struct {
	provider *oidc.Provider
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
	audience oauth2.AuthCodeOption
	told     map[string]any
}

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	if !input.Scan() {
		log.Fatal("no world")
	}
	var world world
	must(json.Unmarshal(input.Bytes(), &world))
	provider, err := oidc.NewProvider(ctx, world.Issuer)
	must(err)
	// A command listens where there is room; what comes there, the person's browser tells instead.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	redirect, err := url.Parse(world.Client.RedirectURI)
	must(err)
	redirect.Host = listener.Addr().String()
	self := party{
		provider: provider,
		config: oauth2.Config{
			ClientID:    world.Client.ID,
			Endpoint:    provider.Endpoint(),
			RedirectURL: redirect.String(),
			Scopes:      []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders:read"},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: world.Client.ID}),
		audience: oauth2.SetAuthURLParam("resource", world.Audience),
		told:     map[string]any{},
	}
	token := self.signIn(ctx, person{input}, world.Issuer)
	self.refresh(ctx, token)
	self.connect(ctx, person{input})
	must(json.NewEncoder(os.Stdout).Encode(self.told))
}

// signIn is the authorization code flow with PKCE and a nonce.
func (p party) signIn(ctx context.Context, person person, issuer string) *oauth2.Token {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	address := p.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce), p.audience)
	back := person.visits(address)
	p.told["state"] = back.Get("state") == state
	p.told["iss"] = back.Get("iss") == issuer

	_, err := p.config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
	p.told["other_verifier"] = refusal(err)
	token, err := p.config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	must(err)
	p.told["type"] = token.Type()
	p.told["scope"] = token.Extra("scope")
	p.told["id_token"] = p.verified(ctx, token, nonce)

	info, err := p.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	must(err)
	var claims struct {
		Name string `json:"name"`
	}
	must(info.Claims(&claims))
	p.told["userinfo"] = map[string]any{
		"sub": info.Subject, "email": info.Email, "email_verified": info.EmailVerified, "name": claims.Name,
	}
	return token
}

// verified is what an ID token says, once the library has verified it and that the access token came with it.
func (p party) verified(ctx context.Context, token *oauth2.Token, nonce string) map[string]any {
	text, _ := token.Extra("id_token").(string)
	verified, err := p.verifier.Verify(ctx, text)
	must(err)
	return map[string]any{
		"sub":            verified.Subject,
		"nonce":          verified.Nonce == nonce,
		"at_hash":        verified.AccessTokenHash != "" && verified.VerifyAccessToken(token.AccessToken) == nil,
		"other_at_hash":  fmt.Sprint(verified.VerifyAccessToken(token.AccessToken + "x")),
		"is_of_a_moment": time.Until(verified.Expiry) > time.Minute,
	}
}

// refresh has the library renew what it takes to be over, which spends the refresh token.
func (p party) refresh(ctx context.Context, first *oauth2.Token) {
	second, err := p.config.TokenSource(ctx, over(first)).Token()
	must(err)
	third, err := p.config.TokenSource(ctx, over(second)).Token()
	must(err)
	p.told["refreshed"] = map[string]any{
		"access":  second.AccessToken != first.AccessToken && third.AccessToken != second.AccessToken,
		"refresh": second.RefreshToken != first.RefreshToken && third.RefreshToken != second.RefreshToken,
		"sub":     p.verified(ctx, third, "")["sub"],
	}
	_, err = p.config.TokenSource(ctx, over(first)).Token()
	p.told["reused"] = refusal(err)
	_, err = p.config.TokenSource(ctx, over(third)).Token()
	p.told["after_reuse"] = refusal(err)
}

// over is the token as it will be when it has expired.
func over(token *oauth2.Token) *oauth2.Token {
	return &oauth2.Token{RefreshToken: token.RefreshToken, Expiry: time.Unix(1, 0)}
}

// connect is the device flow: a person types the code elsewhere while this asks.
func (p party) connect(ctx context.Context, person person) {
	device, err := p.config.DeviceAuth(ctx, p.audience)
	must(err)
	connected := make(chan *oauth2.Token)
	go func() {
		token, err := p.config.DeviceAccessToken(ctx, device)
		must(err)
		connected <- token
	}()
	person.visits(device.VerificationURIComplete)
	token := <-connected
	p.told["device"] = map[string]any{"scope": token.Extra("scope"), "id_token": p.verified(ctx, token, "")}
	_, err = p.config.DeviceAccessToken(ctx, device)
	p.told["device_again"] = refusal(err)
}

// refusal is the error that the server named.
func refusal(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return fmt.Sprint(err)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
