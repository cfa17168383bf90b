// Standard JSON on stdin, solc-js's answer on stdout: node scripts/solc.js <folder of the solc package>
// The sources are handed over one by one: a large JSON as a whole runs solc-js out of its memory.
"use strict";
const fs = require("fs");
const path = require("path");

const solc = require(path.resolve(process.argv[2]));
const input = JSON.parse(fs.readFileSync(0, "utf8"));
const sources = input.sources;
input.sources = Object.fromEntries(Object.keys(sources).map((name) => [name, { urls: [name] }]));

const read = (name) => (name in sources ? { contents: sources[name].content } : { error: `no source ${name}` });
process.stdout.write(solc.compile(JSON.stringify(input), { import: read }));
