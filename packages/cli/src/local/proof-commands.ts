import type { Command } from 'commander';
import {
  jsonOption,
  parseCount,
  parseIndex,
  parseSeed,
  settingsOption,
  storeOption,
  threadsOption,
} from '../options.js';
import type { AuditFlags } from './proof/audit.js';
import type { DiffFlags } from './proof/diff.js';
import type { ForkFlags } from './proof/fork.js';

const reference = 'run: id, its prefix, or the newest of that name';

/** Proving, comparing and branching off what is in the store; no Redis is needed. */
export function registerProofCommands(program: Command): void {
  registerAudit(program);
  registerFork(program);
  program
    .command('diff')
    .description('Compare two runs: the first step after which they differ, the first tensor, the settings')
    .argument('<run>', reference)
    .argument('<other>', reference)
    .addOption(threadsOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The steps before a fork are those of its parent. The tensor is found in the
runs' checkpoints of that step, or by doing the steps since the checkpoint before
again, which needs an engine like the run's. The exit code is 0 whether the runs
differ or not; "same" in the JSON says which.

Example:
  npx lvnet diff liver-baseline liver-baseline-at-400
`,
    )
    .action(async (run: string, other: string, flags: DiffFlags) => {
      const { diff } = await import('./proof/diff.js');
      await diff(run, other, flags);
    });
}

function registerAudit(program: Command): void {
  program
    .command('audit')
    .description('Prove a run: its chain of digests, every sample once, and past steps done again')
    .argument('<run>', reference)
    .option('--steps <number>', 'past steps to do again, drawn at random; 0: none', parseIndex, 3)
    .option('--seed <number>', 'draws the steps (default: another one each time)', parseSeed)
    .addOption(threadsOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Only the store is read. What must hold:
  chain        every step has a record; each gives its digest, from the initial
               weights on; the checkpoints and the end are links of the chain
  ledger       every sample of every epoch was used exactly once; those left out
               on purpose are listed apart
  recomputed   the drawn steps, done again here from the nearest checkpoint
               before each, give the same bytes. This needs an engine like the
               run's, and as long as training from that checkpoint did
Exit code 0 when all holds, 1 when something does not.

Example:
  npx lvnet audit liver-baseline --steps 5
`,
    )
    .action(async (run: string, flags: AuditFlags) => {
      const { audit } = await import('./proof/audit.js');
      await audit(run, flags);
    });
}

function registerFork(program: Command): void {
  program
    .command('fork')
    .description("Submit a new run that goes on from any past step of another one's")
    .argument('<run>', reference)
    .requiredOption('--step <number>', 'the step after which it starts', parseCount)
    .addOption(settingsOption('optimizer.learningRate=0.0005'))
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Weights and optimiser are those after the step: from its checkpoint, or from the
nearest before it and the steps since done again, which needs an engine like the
run's. Without changes the fork gives the very bytes of its parent. What belongs
to the network, the data and the batch cannot change; early stopping counts from
the fork on. Its name is <name>-at-<step> unless --set name=... gives another.

Example:
  npx lvnet fork liver-baseline --step 400 --set loss.eta='[0,0,0,0]'
`,
    )
    .action(async (run: string, flags: ForkFlags) => {
      const { fork } = await import('./proof/fork.js');
      await fork(run, flags);
    });
}
