// API-key verification by better-auth, behind the least HTTP server that Node has.
//
// node server.mjs DATABASE KEYS: makes KEYS keys, one a line on stdout, then a line with the address, then answers: 200 where
// `Authorization: Bearer` carries a key that better-auth verifies, else 401. Its own limit of ten requests a day is off, and so
// is telemetry.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";

const [file, count] = process.argv.slice(2);
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

const { user } = await auth.api.signUpEmail({
  body: { name: "bench", email: "bench@shop.test", password: "correct horse battery staple" },
});
const lines = [];
for (let number = 0; number < Number(count); number++) {
  const made = await auth.api.createApiKey({ body: { name: `k${number}`, userId: user.id } });
  lines.push(made.key);
}
process.stdout.write(lines.join("\n") + "\n");

const server = createServer(async (request, response) => {
  const key = (request.headers.authorization ?? "").slice("Bearer ".length);
  const { valid } = await auth.api.verifyApiKey({ body: { key } });
  response.writeHead(valid ? 200 : 401, { "content-length": 0 });
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
