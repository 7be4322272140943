// With the test: one line from it is the world as JSON. Each line to it is an address for a person's browser, and it says where
// that ended. The last line to it is JSON of what came of each step.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => (await lines.next()).value;

export const world = JSON.parse(await read());

export async function visit(address) {
  console.log(String(address));
  return new URL(await read());
}

export const tell = (told) => console.log(JSON.stringify(told));
