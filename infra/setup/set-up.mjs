import { addonIsBuilt, buildAddonOrExplain } from './addon.mjs';
import { compile, isCompiled } from './compile.mjs';
import { findCrossCompiler, installCrossCompiler } from './cross-compiler.mjs';
import { forgetDebianLists } from './debian.mjs';
import { hasDependencies, installDependencies } from './dependencies.mjs';
import { sweepLeftovers } from './install.mjs';
import { setUpLock, withLock } from './lock.mjs';
import { Problem } from './problem.mjs';
import { killRunning } from './processes.mjs';
import { terminalProgress } from './progress.mjs';
import { hasPrometheus, installPrometheus } from './prometheus.mjs';
import { findRedis, makeRedis } from './redis.mjs';
import { findS3, makeS3 } from './s3.mjs';
import { onStop } from './stop.mjs';
import { findTensorFlow, makeTensorFlow } from './tensorflow.mjs';
import { hasValidators, installValidators } from './validators.mjs';

/**
 * One thing that must be there. A step that is not needed for everything says what is lost without it.
 *
 * @typedef {{ root: string }} Place
 * @typedef {object} Step
 * @property {string} title
 * @property {(place: Place) => Promise<unknown>} isThere
 * @property {(place: Place) => Promise<string | void>} make returns what it made, for the progress line
 * @property {string} [without] absent: nothing works without it
 * @property {'once' | 'again'} [onPackages] it works with npm packages, and is taken when they are there; 'again': also
 *   when they were replaced by others
 */

/** @type {Step} */
const packages = { title: 'dependencies (npm ci)', isThere: hasDependencies, make: installDependencies };

/** @type {readonly Step[]} */
const always = [
  packages,
  { title: 'TypeScript (tsc -b)', isThere: isCompiled, make: compile, onPackages: 'again' },
  {
    title: 'C++ kernels',
    isThere: addonIsBuilt,
    make: buildAddonOrExplain,
    onPackages: 'again',
    without: 'lvnet runs on the reference engine, slowly.',
  },
  { title: 'Redis', isThere: findRedis, make: makeRedis },
];

const skipping = 'the tests that need it are skipped, and fail where CI is set.';

/** @type {readonly Step[]} */
const forTests = [
  { title: 'S3 server', isThere: findS3, make: makeS3, without: skipping },
  { title: 'Prometheus', isThere: hasPrometheus, make: installPrometheus, without: skipping },
  { title: 'validators', isThere: hasValidators, make: installValidators, without: skipping },
  {
    title: 'TensorFlow',
    isThere: findTensorFlow,
    make: makeTensorFlow,
    onPackages: 'once', // for the headers of Node's interface
    without: skipping,
  },
  { title: 'ARM64 compiler', isThere: findCrossCompiler, make: installCrossCompiler, without: skipping },
];

/** The steps of `npm run check`, which compiles by itself. */
export const onlyDependencies = [packages];

/**
 * Does what is not done yet, one set-up at a time; says nothing where nothing is to do. All steps are taken at once,
 * as far as they do not need one another: some compile, some wait for a download.
 *
 * @param {{ root: string, test?: boolean, steps?: readonly Step[], progress?: import('./progress.mjs').Progress }} o
 * @throws {Problem} for the first step that everything needs and that failed
 */
async function setUp({ root, test = false, steps, progress = terminalProgress() }) {
  const chosen = steps ?? (test ? [...always, ...forTests] : always);
  const onWait = (/** @type {number} */ pid) => {
    progress.say(`Waiting for another set-up (process ${String(pid)}).`);
  };
  await withLock(setUpLock(root), { onWait }, async () => {
    await sweepLeftovers(root);
    try {
      await takeAll(chosen, { root }, progress);
    } finally {
      await forgetDebianLists();
    }
  });
}

/**
 * `setUp` for the programs that people start: failures become lines on stderr.
 *
 * @param {Parameters<typeof setUp>[0]} o
 * @returns {Promise<boolean>} false when it failed
 */
export async function setUpOrExplain(o) {
  const release = stopOnSignals();
  try {
    await setUp(o);
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`${explain(error)}\n`);
    return false;
  } finally {
    release();
  }
}

/**
 * @param {readonly Step[]} steps
 * @param {Place} place
 * @param {import('./progress.mjs').Progress} progress
 * @throws {Problem} of the first step that everything needs and that failed; the others are ended then
 */
async function takeAll(steps, place, progress) {
  const there = await Promise.all(steps.map(({ isThere }) => isThere(place)));
  const isMissing = steps.map((_, i) => there[i] === undefined || there[i] === false);
  const needsPackages = isMissing[steps.indexOf(packages)] === true;
  const missing = steps.filter(
    ({ onPackages }, i) => isMissing[i] === true || (needsPackages && onPackages === 'again'),
  );
  if (missing.length === 0) return;
  progress.begin(missing.map(({ title }) => title));
  /** @type {unknown[]} */
  const failures = [];
  const tryToTake = (/** @type {Step} */ step) =>
    take(step, place, progress).catch((/** @type {unknown} */ error) => {
      failures.push(error);
      killRunning();
    });
  const havePackages = needsPackages ? tryToTake(packages) : Promise.resolve();
  const takeInTurn = async (/** @type {Step} */ step) => {
    if (step.onPackages !== undefined) await havePackages;
    if (failures.length === 0) await tryToTake(step);
  };
  await Promise.all([havePackages, ...missing.filter((step) => step !== packages).map(takeInTurn)]);
  if (failures.length > 0) throw failures[0];
}

/**
 * @param {Step} step
 * @param {Place} place
 * @param {import('./progress.mjs').Progress} progress
 */
async function take({ title, make, without }, place, progress) {
  const startMs = performance.now();
  try {
    progress.end(title, (await make(place)) ?? '', performance.now() - startMs);
  } catch (error) {
    progress.end(title, 'failed', performance.now() - startMs);
    if (without === undefined || !(error instanceof Problem)) throw error;
    progress.say(explain(error, without));
  }
}

/**
 * What the program said, then one line: what happened, what to do, what is lost otherwise.
 *
 * @param {Problem} problem
 * @param {string} [without]
 */
function explain({ output, message, hint }, without) {
  const line = [message, hint, ...(without === undefined ? [] : [`Without it: ${without}`])].join(' ');
  return output === '' ? line : `${indent(output)}\n${line}`;
}

const indent = (/** @type {string} */ text) => text.replace(/^/gm, '    ');

/** Programs that set-up started have groups of their own: they do not hear Ctrl-C themselves. */
function stopOnSignals() {
  return onStop((exitCode) => {
    killRunning();
    process.stderr.write('\nInterrupted; the next set-up goes on from here.\n');
    process.exit(exitCode);
  });
}
