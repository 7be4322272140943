// API-key verification and session look-up by better-auth, behind the least HTTP server that Node has.
//
// node server.mjs DATABASE keys|sessions COUNT: makes so many, one a line on stdout, then a line with the address, then
// answers: 200 where `Authorization: Bearer` carries a key that better-auth verifies, or where its cookie is a session's, else
// 401. Its own limit of ten requests a day is off, and so is telemetry.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";

const [file, what, count] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec("PRAGMA journal_mode = WAL");

const auth = betterAuth({
  database,
  baseURL: "http://127.0.0.1",
  secret: "only-for-a-measurement-on-loopback-0123456789",
  emailAndPassword: { enabled: true },
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

const verify = async ({ headers }) => {
  if (headers.cookie) {
    return (await auth.api.getSession({ headers: new Headers({ cookie: headers.cookie }) })) !== null;
  }
  const key = (headers.authorization ?? "").slice("Bearer ".length);
  return (await auth.api.verifyApiKey({ body: { key } })).valid;
};

const server = createServer(async (request, response) => {
  response.writeHead((await verify(request)) ? 200 : 401, { "content-length": 0 });
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
