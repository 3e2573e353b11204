#!/usr/bin/env node
// Compiles the contracts with npm's solc and writes what clients need, so that users need no compiler:
//   protocol/perunika_host/Perunika.json, tests/contracts/TestToken.json
// `--check` writes nothing and fails when a committed file differs from what the source gives.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const contractsDir = dirname(dirname(fileURLToPath(import.meta.url)));
const repository = dirname(contractsDir);
const artifacts = [
  { source: "src/Perunika.sol", name: "Perunika", target: "protocol/perunika_host/Perunika.json" },
  { source: "test/support/TestToken.sol", name: "TestToken", target: "tests/contracts/TestToken.json" },
];

/** A value of foundry.toml, which both compilers' runs share. */
function setting(key) {
  const line = readFileSync(join(contractsDir, "foundry.toml"), "utf8").match(new RegExp(`^${key} *= *([^#\\n]+)`, "m"));
  if (!line) throw new Error(`foundry.toml has no ${key}`);
  return JSON.parse(line[1].trim());
}

/** Every source that `entry` imports, by its path below contracts/. */
function sourcesOf(entry, found = {}) {
  if (found[entry]) return found;
  const content = readFileSync(join(contractsDir, entry), "utf8");
  found[entry] = { content };
  for (const [, path] of content.matchAll(/^import [^"]*"(\.[^"]+)";/gms)) {
    sourcesOf(normalize(join(dirname(entry), path)), found);
  }
  return found;
}

/** The compiler's output for one contract; throws with its messages on any error. */
function compile({ source, name }) {
  const input = {
    language: "Solidity",
    sources: sourcesOf(source),
    settings: {
      optimizer: { enabled: setting("optimizer"), runs: setting("optimizer_runs") },
      viaIR: setting("via_ir"),
      evmVersion: setting("evm_version"),
      metadata: { bytecodeHash: setting("bytecode_hash"), appendCBOR: setting("cbor_metadata") },
      outputSelection: { [source]: { [name]: ["abi", "evm.bytecode.object", "evm.deployedBytecode"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((message) => message.severity === "error");
  if (errors.length) throw new Error(errors.map((message) => message.formattedMessage).join("\n"));
  return { settings: input.settings, ...output.contracts[source][name] };
}

/** What is written: everything a client needs to deploy, call and recognise the contract. */
function describe(artifact) {
  const { abi, evm, settings } = compile(artifact);
  const runtime = Buffer.from(evm.deployedBytecode.object, "hex");
  const immutables = Object.values(evm.deployedBytecode.immutableReferences ?? {})
    .flat()
    .map(({ start, length }) => [start, length])
    .sort((a, b) => a[0] - b[0]);
  return {
    contractName: artifact.name,
    compiler: solc.version(),
    evmVersion: settings.evmVersion,
    optimizerRuns: settings.optimizer.runs,
    viaIR: settings.viaIR,
    abi,
    bytecode: "0x" + evm.bytecode.object,
    runtimeLength: runtime.length,
    // of the runtime code with the immutables (start, length) set to zero, as the compiler leaves them
    runtimeSha256: createHash("sha256").update(runtime).digest("hex"),
    immutables,
  };
}

function main() {
  const check = process.argv.includes("--check");
  const stale = [];
  for (const artifact of artifacts) {
    const path = join(repository, artifact.target);
    const text = JSON.stringify(describe(artifact), null, 1) + "\n";
    if (check) {
      if (!existsSync(path) || readFileSync(path, "utf8") !== text) stale.push(artifact.target);
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      console.log(`${relative(repository, path)}: ${text.length} bytes`);
    }
  }
  if (stale.length) {
    console.error(`out of date: ${stale.join(", ")}; run: node contracts/tools/build.mjs`);
    process.exit(1);
  }
}

main();
