// An application in a browser that people sign in to by oauth4webapi.
import * as oauth from "oauth4webapi";
import { tell, visit, world } from "./conversation.mjs";

const { spa } = world;
// The only setting: the tests' issuer speaks plain HTTP on loopback.
const http = { [oauth.allowInsecureRequests]: true };
const [client, proof] = [{ client_id: spa.id }, oauth.None()];
const issuer = new URL(world.issuer);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));
const told = {};

// Sends the person away to sign in, with more parameters.
async function begin(more = {}) {
  const attempt = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  };
  const address = new URL(server.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: "code",
    client_id: spa.id,
    redirect_uri: spa.redirect_uri,
    scope: "openid email orders:read",
    resource: world.audience,
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(attempt.verifier),
    code_challenge_method: "S256",
    ...more,
  });
  return { ...attempt, answer: await visit(address) };
}

// The tokens for what came back: state and issuer, nonce, ID token and its signature are verified.
async function redeem({ answer, state, nonce, verifier }) {
  const code = oauth.validateAuthResponse(server, client, answer, state);
  const { redirect_uri } = spa;
  const response = await oauth.authorizationCodeGrantRequest(server, client, proof, code, redirect_uri, verifier, http);
  const checks = { expectedNonce: nonce, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, checks);
  await oauth.validateApplicationLevelSignature(server, response, http);
  return tokens;
}

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, proof, token, http);
  return oauth.processRefreshTokenResponse(server, client, response);
}

async function userinfo(tokens, sub) {
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, http);
  return oauth.processUserInfoResponse(server, client, sub, response);
}

// What the server says where it says something, else the library.
const refusal = (error) => error.error ?? error.cause?.[0]?.parameters?.error ?? error.message;

const attempt = await begin();
const bent = (change) => {
  const answer = new URL(attempt.answer);
  change(answer.searchParams);
  return redeem({ ...attempt, answer }).catch(refusal);
};
told.other_state = await redeem({ ...attempt, state: oauth.generateRandomState() }).catch(refusal);
told.other_issuer = await bent((answer) => answer.set("iss", "https://evil.test"));
told.no_issuer = await bent((answer) => answer.delete("iss"));
told.other_verifier = await redeem({ ...attempt, verifier: oauth.generateRandomCodeVerifier() }).catch(refusal);

const tokens = await redeem(attempt);
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
told.sub = sub;
told.userinfo = await userinfo(tokens, sub);
const request = new Request(world.audience, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const options = { signingAlgorithms: ["ES256"], ...http };
const claims = await oauth.validateJwtAccessToken(server, request, world.audience, options);
told.at_the_api = { sub: claims.sub, client_id: claims.client_id, scope: claims.scope };

const renewed = await refresh(tokens.refresh_token);
told.renewed = renewed.refresh_token !== tokens.refresh_token;
const revocation = await oauth.revocationRequest(server, client, proof, renewed.refresh_token, http);
await oauth.processRevocationResponse(revocation);
told.refresh_after_revocation = await refresh(renewed.refresh_token).catch(refusal);
told.userinfo_after_revocation = await userinfo(renewed, sub).catch(refusal);

// She is signed in and has agreed: nobody need be asked. And whoever comes with a code twice ends what it gave.
const again = await begin({ prompt: "none" });
const second = await redeem(again);
told.other_nonce = await redeem({ ...(await begin({ prompt: "none" })), nonce: "n" }).catch(refusal);
told.code_again = await redeem(again).catch(refusal);
told.userinfo_after_that = await userinfo(second, sub).catch(refusal);
tell(told);
