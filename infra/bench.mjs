// npm run bench [NAME] [ARGUMENT ...]: runs the benchmark test/src/bench/NAME.ts, built by the set-up. Without a name: step.
// Figures go to test/bench/results together with the hardware they were measured on.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../test/dist/bench', import.meta.url));
const [name = 'step', ...rest] = process.argv.slice(2);
const script = join(folder, `${name}.js`);
if (existsSync(script)) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', script, ...rest], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  const known = readdirSync(folder)
    .filter((file) => file.endsWith('.js') && file !== 'support.js')
    .map((file) => file.slice(0, -3));
  process.stderr.write(`There is no benchmark ${name}.\nKnown: ${known.join(', ')}\n`);
  process.exitCode = 2;
}
