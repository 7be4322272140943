// API-key verification by better-auth, behind the least HTTP server that Node has, and its own endpoint for sessions.
//
// node server.mjs DATABASE keys|sessions COUNT: makes so many, one a line on stdout, then a line with the address, then
// answers: of `keys` 200 where `Authorization: Bearer` carries one that better-auth verifies, else 401; of `sessions` as
// better-auth does at /api/auth/get-session. Its own limits are off, and so is telemetry.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

const [file, what, count] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec("PRAGMA journal_mode = WAL");

const auth = betterAuth({
  database,
  baseURL: "http://127.0.0.1",
  secret: "only-for-a-measurement-on-loopback-0123456789",
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: "error" },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const account = { email: "bench@shop.test", password: "correct horse battery staple" };
const { user } = await auth.api.signUpEmail({ body: { name: "bench", ...account } });

const makeKey = async (number) => (await auth.api.createApiKey({ body: { name: `k${number}`, userId: user.id } })).key;

// The value of the cookie as it is before it is encoded: so all are of one length, and it is read either way.
const signIn = async () => {
  const { headers } = await auth.api.signInEmail({ body: account, returnHeaders: true });
  const [cookie] = headers.getSetCookie().filter((line) => line.startsWith("better-auth.session_token="));
  return decodeURIComponent(cookie.slice(cookie.indexOf("=") + 1, cookie.indexOf(";")));
};

const make = what === "sessions" ? signIn : makeKey;
const lines = [];
for (let number = 0; number < Number(count); number++) {
  lines.push(await make(number));
}
process.stdout.write(lines.join("\n") + "\n");

const verifyKey = async (request, response) => {
  const key = (request.headers.authorization ?? "").slice("Bearer ".length);
  const { valid } = await auth.api.verifyApiKey({ body: { key } });
  response.writeHead(valid ? 200 : 401, { "content-length": 0 });
  response.end();
};

const server = createServer(what === "sessions" ? toNodeHandler(auth) : verifyKey);
server.listen(0, "127.0.0.1", async () => {
  const address = `127.0.0.1:${server.address().port}`;
  if (what === "sessions") {
    // It answers 200 to everybody, and null where there is no session.
    const cookie = `better-auth.session_token=${lines[0]}`;
    const answer = await fetch(`http://${address}/api/auth/get-session`, { headers: { cookie } });
    if ((await answer.json())?.user?.email !== account.email) throw new Error("the session is not known");
  }
  console.log(address);
});
