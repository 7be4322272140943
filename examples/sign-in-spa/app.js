// A page that people sign in to with Admit. Its tokens are in memory only: after a reload it asks for others.
import * as oauth from "oauth4webapi";

const { issuer: ISSUER, client_id } = await (await fetch("settings.json")).json();
const [client, proof] = [{ client_id }, oauth.None()];
const redirect_uri = `${location.origin}/`;
// Plain HTTP is for trying it on one machine.
const http = { [oauth.allowInsecureRequests]: ISSUER.startsWith("http:") };
const issuer = new URL(ISSUER);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));
const element = (id) => document.getElementById(id);

async function signIn() {
  const attempt = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  };
  sessionStorage.setItem("attempt", JSON.stringify(attempt));
  const address = new URL(server.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: "code",
    ...client,
    redirect_uri,
    scope: "openid profile",
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(attempt.verifier),
    code_challenge_method: "S256",
  });
  location.assign(address);
}

// Verifies what came back, exchanges the code, and verifies what the ID token says.
async function comeBack() {
  const { state, nonce, verifier } = JSON.parse(sessionStorage.getItem("attempt"));
  sessionStorage.removeItem("attempt");
  const answer = new URL(location);
  history.replaceState(null, "", "/");
  const code = oauth.validateAuthResponse(server, client, answer, state);
  const response = await oauth.authorizationCodeGrantRequest(server, client, proof, code, redirect_uri, verifier, http);
  return oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true });
}

async function greet(tokens) {
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, http);
  const person = await oauth.processUserInfoResponse(server, client, sub, response);
  element("hello").textContent = `Hello, ${person.name}.`;
}

async function signOut(tokens) {
  const address = new URL(server.end_session_endpoint);
  address.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: redirect_uri });
  location.assign(address);
}

function offer(id, action) {
  element(id).hidden = false;
  element(id).addEventListener("click", action);
}

async function begin() {
  if (!sessionStorage.getItem("attempt") || !location.search) {
    element("hello").textContent = "Nobody is signed in.";
    return offer("sign-in", signIn);
  }
  const tokens = await comeBack();
  await greet(tokens);
  offer("sign-out", () => signOut(tokens));
}

await begin().catch((error) => {
  element("hello").textContent = `That did not work: ${error.error ?? error.message}`;
  offer("sign-in", signIn);
});
