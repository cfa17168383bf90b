// Prints what Aave's address book has of each V3 market, and the book's version: node scripts/markets.js
"use strict";
const book = require("@aave-dao/aave-address-book");
const fs = require("fs");
const path = require("path");

const folder = path.dirname(path.dirname(require.resolve("@aave-dao/aave-address-book")));
const { name, version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
const markets = Object.entries(book)
  .filter(([module]) => module.startsWith("AaveV3"))
  .map(([module, market]) => ({ module: module.slice("AaveV3".length), chainId: market.CHAIN_ID, pool: market.POOL }));
process.stdout.write(JSON.stringify({ source: `${name} ${version}`, markets }));
