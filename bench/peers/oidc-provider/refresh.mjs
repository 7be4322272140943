// oidc-provider as it comes, with its state in memory, and refresh tokens that stay.
//
// node refresh.mjs TOKENS: on stdout what its client shows as HTTP Basic, then so many refresh tokens, one a line, then a line
// with the address. Each renews an access token and an ID token, both signed by ES256. It keeps a thousand things in memory.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const [tokenCount] = process.argv.slice(2);
const AUDIENCE = "https://api.shop.test";
const SCOPE = "openid offline_access orders:read";

const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const client = {
  client_id: "on-a-server",
  client_secret: "only-for-a-measurement-on-loopback",
  grant_types: ["authorization_code", "refresh_token"],
  redirect_uris: ["https://app.test/cb"],
  response_types: ["code"],
  id_token_signed_response_alg: "ES256",
};

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `127.0.0.1:${server.address().port}`;

const provider = new Provider(`http://${address}`, {
  clients: [client],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "ES256", use: "sig" }] },
  scopes: ["openid", "offline_access", "orders:read"],
  ttl: { AccessToken: 600, IdToken: 600, RefreshToken: 1209600, Grant: 1209600 },
  cookies: { keys: ["only-for-a-measurement-on-loopback"] },
  rotateRefreshToken: false,
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "orders:read",
        audience: AUDIENCE,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
server.on("request", provider.callback());

const known = await provider.Client.find(client.client_id);
const tokens = [];
for (let number = 0; number < Number(tokenCount); number++) {
  const accountId = "alice";
  const grant = new provider.Grant({ accountId, clientId: client.client_id });
  grant.addOIDCScope("openid offline_access");
  grant.addResourceScope(AUDIENCE, "orders:read");
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    client: known,
    accountId,
    authTime: Math.floor(Date.now() / 1000),
    grantId,
    gty: "authorization_code",
    resource: AUDIENCE,
    scope: SCOPE,
    sessionUid: `session-${number}`,
  });
  tokens.push(await token.save());
}
const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString("base64");
console.log([basic, ...tokens, address].join("\n"));
