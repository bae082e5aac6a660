// Compiles contracts with the solc that package-lock.json pins and writes the
// runtime bytecode of each to a .hex file beside its source.
//
//	node compile.js FILE.sol|FILE.yul…
const fs = require('fs');
const path = require('path');
const solc = require('solc');

for (const file of process.argv.slice(2)) {
  const yul = file.endsWith('.yul');
  const input = {
    language: yul ? 'Yul' : 'Solidity',
    sources: { [file]: { content: fs.readFileSync(file, 'utf8') } },
    settings: {
      evmVersion: yul ? 'istanbul' : 'cancun',
      optimizer: { enabled: true, runs: 10000 },
      metadata: yul ? undefined : { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: { '*': { '*': ['evm.deployedBytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors || []).filter((e) => e.severity === 'error');
  if (errors.length > 0) {
    console.error(errors.map((e) => e.formattedMessage).join('\n'));
    process.exit(1);
  }
  const name = path.basename(file).replace(/\.(sol|yul)$/, '');
  const code = output.contracts[file][name].evm.deployedBytecode.object;
  fs.writeFileSync(path.join(path.dirname(file), name + '.hex'), code + '\n');
  console.log(name, code.length / 2, 'bytes');
}
