// Compiles src/*.sol with the pinned solc and writes artifacts/NAME.json with
// ABI and bytecode. With --check it writes nothing and fails if the committed
// artifacts differ from what the sources compile to.
"use strict";

const fs = require("fs");
const path = require("path");
const solc = require("solc");

const src = path.join(__dirname, "src");
const artifacts = path.join(__dirname, "artifacts");
const check = process.argv.includes("--check");

const files = fs.readdirSync(src).filter((name) => name.endsWith(".sol")).sort();
const input = {
  language: "Solidity",
  sources: Object.fromEntries(files.map((name) => [name, { content: fs.readFileSync(path.join(src, name), "utf8") }])),
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1000000 },
    viaIR: true,
    // Without metadata the bytecode depends on the code alone.
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};

function readImport(name) {
  try {
    return { contents: fs.readFileSync(require.resolve(name, { paths: [__dirname] }), "utf8") };
  } catch (err) {
    return { error: err.message };
  }
}

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
const problems = output.errors || [];
problems.forEach((p) => console.error(p.formattedMessage));
if (problems.length > 0) process.exit(1);

let stale = 0;
for (const file of files) {
  const name = path.basename(file, ".sol");
  const contract = output.contracts[file][name];
  const text = JSON.stringify(
    {
      contractName: name,
      compiler: solc.version(),
      abi: contract.abi,
      bytecode: "0x" + contract.evm.bytecode.object,
      deployedBytecode: "0x" + contract.evm.deployedBytecode.object,
    },
    null,
    2,
  ) + "\n";
  const target = path.join(artifacts, name + ".json");
  if (!check) {
    fs.mkdirSync(artifacts, { recursive: true });
    fs.writeFileSync(target, text);
  } else if (!fs.existsSync(target) || fs.readFileSync(target, "utf8") !== text) {
    console.error(`${path.relative(__dirname, target)} is not what src/${file} compiles to: run npm run build`);
    stale++;
  }
}
process.exit(stale > 0 ? 1 : 0);
