#!/usr/bin/env node
// Committed, so that npm can link it before the first build; everything else is compiled.
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
if (existsSync(built)) {
  const { main } = await import(built.href);
  await main(process.argv.slice(2));
} else {
  process.stderr.write('lvnet is not built yet.\nRun: npm run setup\n');
  process.exitCode = 1;
}
