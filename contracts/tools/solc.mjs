#!/usr/bin/env node
// The compiler of npm behind the two calls that Foundry makes of a native solc: `--version` and `--standard-json`.
// So the version pinned in package.json is the only compiler, and nothing is fetched at build time.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const solc = createRequire(import.meta.url)("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error("usage: solc.mjs --version | --standard-json < input.json");
  process.exit(2);
}
