// An application that nobody made a client for: it registers itself, and people sign in to it, all by openid-client.
import * as client from "openid-client";
import { tell, visit, world } from "./conversation.mjs";

const issuer = new URL(world.issuer);
const redirect_uri = "https://photos.test/callback";
// The only setting: the tests' issuer speaks plain HTTP on loopback.
const http = { execute: [client.allowInsecureRequests] };
const metadata = { client_name: "Photo prints", redirect_uris: [redirect_uri], scope: "openid orders:read" };
const options = { initialAccessToken: world.initial, ...http };
const refused = client.dynamicClientRegistration(issuer, metadata, undefined, { ...options, initialAccessToken: "x" });
const told = { without_a_token: await refused.then(() => "registered", (error) => error.cause?.[0]?.parameters.error) };
const config = await client.dynamicClientRegistration(issuer, metadata, undefined, options);
told.metadata = config.clientMetadata();
delete told.metadata.client_secret;

const [nonce, verifier] = [client.randomNonce(), client.randomPKCECodeVerifier()];
const answer = await visit(client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: "openid orders:read",
  resource: world.audience,
  nonce,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
}));
const checks = { expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(config, answer, checks);
told.sub = tokens.claims().sub;
told.scope = tokens.scope;
tell(told);
