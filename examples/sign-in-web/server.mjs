// A web application that people sign in to with Admit.
import { createServer } from "node:http";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT = "9000" } = process.env;
const here = `http://127.0.0.1:${PORT}`;
const redirect_uri = `${here}/callback`;
// Plain HTTP is for trying it on one machine.
const execute = ISSUER.startsWith("http:") ? [client.allowInsecureRequests] : [];
const issuer = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, { execute });

// By the cookie of a browser: an attempt to sign in, or who is signed in. Yours would be in a store, and end.
const browsers = new Map();

async function signIn() {
  const attempt = {
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    idTokenExpected: true,
  };
  const address = client.buildAuthorizationUrl(issuer, {
    redirect_uri,
    scope: "openid profile email",
    state: attempt.expectedState,
    nonce: attempt.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(attempt.pkceCodeVerifier),
    code_challenge_method: "S256",
  });
  return { address, next: { attempt } };
}

// Verifies what came back, exchanges the code, and verifies the ID token.
async function callback(url, attempt) {
  const tokens = await client.authorizationCodeGrant(issuer, url, attempt);
  const { sub } = tokens.claims();
  const person = await client.fetchUserInfo(issuer, tokens.access_token, sub);
  return { address: "/", next: { person, idToken: tokens.id_token } };
}

function signOut({ idToken }) {
  const out = { id_token_hint: idToken, post_logout_redirect_uri: `${here}/` };
  return { address: client.buildEndSessionUrl(issuer, out), next: {} };
}

const escape = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const button = (id, text) => `<form method="post" action="/${id}"><button id="${id}">${text}</button></form>`;
const home = ({ person }) =>
  person ? `<p>Hello, ${escape(person.name)}.${button("sign-out", "Sign out")}` : button("sign-in", "Sign in");

async function answer(method, url, known) {
  switch (`${method} ${url.pathname}`) {
    case "POST /sign-in":
      return signIn();
    case "GET /callback":
      return known.attempt ? callback(url, known.attempt) : { address: "/" };
    case "POST /sign-out":
      return known.person ? signOut(known) : { address: "/" };
    case "GET /":
      return { page: home(known) };
    default:
      return { page: "Nothing is here." };
  }
}

async function serve(request, response) {
  const old = /(?:^|; )browser=([\w-]+)/.exec(request.headers.cookie)?.[1];
  const known = browsers.get(old) ?? {};
  const { address, page, next } = await answer(request.method, new URL(request.url, here), known);
  if (next) {
    // Another one each time: nobody can know beforehand what stands for a person who is signed in.
    browsers.delete(old);
    const cookie = client.randomState();
    browsers.set(cookie, next);
    response.setHeader("Set-Cookie", `browser=${cookie}; Path=/; HttpOnly; SameSite=Lax`);
  }
  if (address) response.writeHead(303, { Location: String(address) }).end();
  else response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(page);
}

createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(error);
    response.writeHead(400, { "Content-Type": "text/plain" }).end("That did not work. Begin anew at /\n");
  });
}).listen(Number(PORT), "127.0.0.1");
