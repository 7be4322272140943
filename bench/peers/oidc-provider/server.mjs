// oidc-provider as it comes, with its state in memory.
//
// node server.mjs FORMAT CLIENTS TOKENS: issues access tokens of the format `opaque`, or JWTs signed by `ES256`, `EdDSA` or
// `RS256`, to so many clients. On stdout: what each client shows as HTTP Basic, one a line, then so many tokens of its own, one a
// line, then a line with the address. It keeps a thousand things in memory and forgets the oldest.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const [format, clientCount, tokenCount] = process.argv.slice(2);
const AUDIENCE = "https://api.shop.test";

const privateKey = async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: "sig" };
};

const clients = Array.from({ length: Number(clientCount) }, (_, number) => {
  const id = `client-${String(number).padStart(6, "0")}`;
  return {
    client_id: id,
    client_secret: `only-for-a-measurement-on-loopback-${id}`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  };
});
const basic = clients.map(({ client_id, client_secret }) =>
  Buffer.from(`${client_id}:${client_secret}`).toString("base64"),
);

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `127.0.0.1:${server.address().port}`;

const api = {
  scope: "orders:read",
  audience: AUDIENCE,
  accessTokenTTL: 600,
  ...(format === "opaque"
    ? { accessTokenFormat: "opaque" }
    : { accessTokenFormat: "jwt", jwt: { sign: { alg: format } } }),
};
const provider = new Provider(`http://${address}`, {
  clients,
  jwks: { keys: await Promise.all(["ES256", "EdDSA", "RS256"].map(privateKey)) },
  scopes: ["orders:read"],
  ttl: { ClientCredentials: 600 },
  cookies: { keys: ["only-for-a-measurement-on-loopback"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      getResourceServerInfo: () => api,
    },
  },
});
server.on("request", provider.callback());

const tokens = [];
for (let number = 0; number < Number(tokenCount); number++) {
  const answer = await fetch(`http://${address}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic[number % basic.length]}` },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "orders:read" }),
  });
  tokens.push((await answer.json()).access_token);
}
console.log([...basic, ...tokens, address].join("\n"));
