// An application on a server that people sign in to by openid-client.
import * as client from "openid-client";
import { tell, visit, world } from "./conversation.mjs";

const { web } = world;
// The only setting: the tests' issuer speaks plain HTTP on loopback.
const http = { execute: [client.allowInsecureRequests] };
const config = await client.discovery(new URL(world.issuer), web.id, web.secret, undefined, http);
const told = {};

const [state, nonce, verifier] = [client.randomState(), client.randomNonce(), client.randomPKCECodeVerifier()];
const address = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: web.redirect_uri,
  scope: "openid profile email offline_access orders:read",
  resource: world.audience,
  state,
  nonce,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
told.in_the_address = [...address.searchParams.keys()].sort();
const answer = await visit(address);
told.in_the_answer = [...answer.searchParams.keys()].sort();

// State, issuer, nonce, the ID token and its signature are verified here.
const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true };
client.enableNonRepudiationChecks(config);
const tokens = await client.authorizationCodeGrant(config, answer, checks);
const { sub, amr, auth_time } = tokens.claims();
told.claims = { sub, amr, auth_time: typeof auth_time };
told.scope = tokens.scope;
told.userinfo = await client.fetchUserInfo(config, tokens.access_token, sub);
delete told.userinfo.updated_at;

const introspected = await client.tokenIntrospection(config, tokens.access_token);
told.introspected = { active: introspected.active, sub: introspected.sub, aud: introspected.aud };

const refusal = (error) => error.error ?? String(error);
const second = await client.refreshTokenGrant(config, tokens.refresh_token);
told.renewed = { is_another: second.refresh_token !== tokens.refresh_token, sub: second.claims().sub };
const third = await client.refreshTokenGrant(config, second.refresh_token);
told.first_again = await client.refreshTokenGrant(config, tokens.refresh_token).catch(refusal);
told.third_after_that = await client.refreshTokenGrant(config, third.refresh_token).catch(refusal);

const out = { id_token_hint: tokens.id_token, post_logout_redirect_uri: web.post_logout_redirect_uri, state: "out" };
told.signed_out = await visit(client.buildEndSessionUrl(config, out));
tell(told);
