// npm start [-- ARGS]: set-up, then `lvnet demo ARGS`.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUpOrExplain } from './setup/set-up.mjs';
import { runChild } from './start/run-child.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const demo = [join(root, 'packages/cli/bin/lvnet.js'), 'demo', ...process.argv.slice(2)];
process.exitCode = (await setUpOrExplain({ root })) ? await runChild(demo) : 1;
