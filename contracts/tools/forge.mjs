#!/usr/bin/env node
// forge with its exit code. The program that npm links as `forge` starts the real one and always exits with 0, so a failing
// test or a wrong format would pass unseen; this one takes the arguments, runs forge in contracts/ and exits as it does.
import { createRequire } from "node:module";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const architecture = { x64: "amd64", arm64: "arm64" }[process.arch];
const binary = process.platform === "win32" ? "forge.exe" : "forge";
const manifest = require.resolve(`@foundry-rs/forge-${process.platform}-${architecture}/package.json`);
const contracts = dirname(dirname(fileURLToPath(import.meta.url)));

const run = spawnSync(join(dirname(manifest), "bin", binary), process.argv.slice(2), { cwd: contracts, stdio: "inherit" });
if (run.error) throw run.error;
process.exit(run.status ?? 1);
