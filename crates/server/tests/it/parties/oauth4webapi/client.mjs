// Does at an issuer what a client and an API do there, by oauth4webapi. Reads the world as JSON on stdin and tells on stdout,
// as JSON, what came of each step.
import { createPrivateKey } from "node:crypto";
import { text } from "node:stream/consumers";
import * as oauth from "oauth4webapi";

const world = JSON.parse(await text(process.stdin));
// The only setting: the tests' issuer speaks plain HTTP on loopback.
const http = { [oauth.allowInsecureRequests]: true };

const issuer = new URL(world.issuer);
const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...http });
const server = await oauth.processDiscoveryResponse(issuer, discovered);

const told = { tokens: {} };

// A token for the API, and the claims that it has there.
async function token(client, proof, parameters = {}) {
  const asked = { resource: world.audience, scope: "orders:read", ...parameters };
  const response = await oauth.clientCredentialsGrantRequest(server, client, proof, asked, http);
  return oauth.processClientCredentialsResponse(server, client, response);
}

async function verify(token) {
  const request = new Request(world.audience, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(server, request, world.audience, { signingAlgorithms: ["ES256"], ...http });
}

// The library shows a challenge to a client rather than the error that the body names.
const refusal = async (error) => error.error ?? (await error.response?.json())?.error ?? String(error);

const client = { client_id: world.client.id };
const basic = oauth.ClientSecretBasic(world.client.secret);
const made = await token(client, basic);
told.basic = made.scope;
told.subject = (await verify(made.access_token)).sub;
told.post = (await token(client, oauth.ClientSecretPost(world.client.secret))).scope;

const signer = { client_id: world.signer.id };
const pkcs8 = createPrivateKey({ key: world.signer.key, format: "jwk" }).export({ type: "pkcs8", format: "der" });
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
told.private_key_jwt = (await token(signer, oauth.PrivateKeyJwt({ key, kid: world.signer.key.kid }))).scope;

async function isActive(options = {}) {
  const response = await oauth.introspectionRequest(server, client, basic, made.access_token, { ...http, ...options });
  const found = await oauth.processIntrospectionResponse(server, client, response);
  if (options.requestJwtResponse) await oauth.validateApplicationLevelSignature(server, response, http);
  return found.active;
}

told.before_revocation = await isActive();
told.signed_introspection = await isActive({ requestJwtResponse: true });
const revocation = await oauth.revocationRequest(server, client, basic, made.access_token, http);
await oauth.processRevocationResponse(revocation);
told.after_revocation = await isActive();

told.wrong_secret = await token(client, oauth.ClientSecretBasic("wrong")).catch(refusal);
told.unknown_scope = await token(client, basic, { scope: "orders:everything" }).catch(refusal);
told.unknown_resource = await token(client, basic, { resource: "https://nobody.test" }).catch(refusal);

for (const [name, text] of Object.entries(world.tokens)) {
  told.tokens[name] = await verify(text).then(() => "good", (error) => String(error.cause?.message ?? error.message));
}
console.log(JSON.stringify(told));
