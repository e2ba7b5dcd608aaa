import assert from 'node:assert/strict';
import { join } from 'node:path';
import { sleep } from '@lvnet/core';
import {
  commitStep,
  connectWires,
  raiseHead,
  replaceView,
  restoreView,
  retryStep,
  sayChecked,
  type Argument,
  type Reply,
  type Wires,
} from '@lvnet/exchange/testing';
import { keys, startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import { temporaryFolder } from '../support/data.js';
import { until } from '../support/until.js';
import { createSimRedis } from './sim-redis.js';
import { createProcess, createRandom, createWorld, type Random, type World } from './world.js';

const full = 'OOM command not allowed';
const [life, other] = ['1', '2'];

/** What is done to a server: one client after the other speaks to it. */
type Act =
  { kind: 'command'; args: Argument[] } | { kind: 'full'; isFull: boolean } | { kind: 'wait'; ms: number };

/** A server, real or simulated, with one member at it. */
interface Server {
  wires: Wires;
  /** Runs what waits for the server. */
  drive<T>(work: Promise<T>): Promise<T>;
  setFull(isFull: boolean): Promise<void>;
  wait(ms: number): Promise<void>;
}

describe('the simulated Redis', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let redis: PrivateRedis;

  before(async () => {
    redis = await startPrivateRedis({ dir: join(folder.path(), 'redis') });
  });
  after(() => redis.stop());

  it('answers all that members ask as a real one does', async () => {
    const told = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const run = `r${String(seed)}`;
      const acts = seed === 1 ? expiredActs(run) : drawActs(createRandom(seed), run);
      const real = await answersOf(await realServer(redis, run), acts);
      const simulated = await answersOf(await simulatedServer(run), acts);
      for (const [i, answer] of real.entries()) {
        assert.equal(simulated[i], answer, `seed ${String(seed)}, ${JSON.stringify(acts[i])}`);
        told.add(`${nameOf(acts[i])}: ${answer}`);
      }
      assert.equal(simulated.length, real.length);
    }
    // Both sides of every decision were seen.
    const scripts = ['replaceView: 0', 'replaceView: 1', 'retryStep: 0', 'retryStep: 1', 'retryStep: 2'];
    const others = ['restoreView: 0', 'restoreView: 1', 'commitStep: 0', 'commitStep: 1', 'raiseHead: 3'];
    const commands = [
      'GET: null',
      'SET: OK',
      'EXISTS: 0',
      'EXISTS: 2',
      'EXPIRE: 0',
      'EXPIRE: 1',
      'UNLINK: 2',
    ];
    const strange = ['retryStep: abc', 'commitStep: abc', 'raiseHead: abc', 'raiseHead: -7', 'raiseHead: '];
    const refused = ['SET', 'replaceView', 'commitStep', 'sayChecked'].map((name) => `${name}: refused`);
    for (const name of [...scripts, ...others, ...strange, ...commands, ...refused])
      assert.ok(told.has(name), name);
  });
});

/** Asks in every way for a key that has expired. */
function expiredActs(run: string): Act[] {
  const key = keys.lease(run, 'w');
  const lease: Act = { kind: 'command', args: ['SET', key, 'v', 'PX', 20] };
  const questions: Argument[][] = [
    ['GET', key],
    ['EXISTS', key],
    ['EXPIRE', key, 100],
    ['DEL', key],
    ['UNLINK', key],
    ['SCAN', '0', 'MATCH', keys.allOfRun(run), 'COUNT', 1_000],
  ];
  return questions.flatMap((args): Act[] => [lease, { kind: 'wait', ms: 60 }, { kind: 'command', args }]);
}

/** Commands such as members send, over few keys, so that they meet. */
function drawActs(random: Random, run: string): Act[] {
  const step = () => String(random.between(1, 4) | 0);
  const id = () => random.pick(['a', 'b']);
  const view = (name = id()) => {
    const aRetry = () => ({ step: Number(step()), attempt: random.below(3) });
    const retry = random.chance(0.5) ? null : aRetry();
    const earlier = random.chance(0.5) ? undefined : Array.from({ length: random.below(3) }, aRetry);
    return JSON.stringify({
      life: Number(random.pick([life, other])),
      number: random.below(3),
      id: name,
      retry,
      earlier,
    });
  };
  const names = [keys.view(run), ...[life, other].map((one) => keys.head(run, Number(one)))];
  const plain = ['p', 'q'].map((name) => keys.lease(run, name));
  const anyKey = () => random.pick([...names, ...plain]);
  const anyLife = () => random.pick([life, other]);
  const expected = () => [anyLife(), String(random.below(3)), random.pick(['a', 'b', ''])];
  const eval_ = ({ lua }: { lua: string }, of: string[], ...args: string[]): Act => ({
    kind: 'command',
    args: ['EVAL', lua, of.length, ...of, ...args],
  });
  const command = (...args: Argument[]): Act => ({ kind: 'command', args });
  const head = () => keys.head(run, Number(anyLife()));
  const draws: (() => Act)[] = [
    () => command('SET', random.pick(plain), `v${step()}`, 'EX', '100'),
    () =>
      command(
        'SET',
        random.pick(plain),
        [Buffer.of(0, 255, random.below(256)), Buffer.from('x')],
        'EX',
        '100',
      ),
    () => command('SET', random.pick(plain), 'short', 'PX', '100000'),
    () => command('SET', head(), random.pick(['abc', '', '-7', '1.5']), 'EX', '100'),
    () => command('GET', anyKey()),
    () => command('MGET', anyKey(), anyKey(), anyKey()),
    () => command('EXISTS', anyKey(), anyKey()),
    () => command('EXPIRE', anyKey(), '100'),
    () => command('DEL', anyKey(), anyKey()),
    () => command('UNLINK', ...plain),
    () =>
      command('PUBLISH', random.pick([keys.everyone(run), keys.inbox(run, 'w'), 'nobody']), `n${step()}\nm`),
    () => command('SCAN', '0', 'MATCH', keys.allOfRun(run), 'COUNT', '1000'),
    () => command('CLIENT', 'LIST', 'ID', '999999', '999998'),
    () => eval_(replaceView, [keys.view(run)], ...expected(), view(), '100'),
    () => eval_(replaceView, [keys.view(run)], ...expected(), view(), '100'),
    () => eval_(restoreView, [keys.view(run)], anyLife(), String(random.below(3)), view(), '100'),
    () => eval_(retryStep, [keys.view(run), head()], ...expected(), view(), '100', step()),
    () => eval_(commitStep, [keys.view(run), head()], anyLife(), step(), String(random.below(3)), '100'),
    () => eval_(raiseHead, [head()], step(), '100'),
    () => eval_(sayChecked, [keys.checked(run, 1, 50)], `${id()} ${String(random.below(2))}`, 'hash', '100'),
    () => ({ kind: 'full', isFull: random.chance(0.5) }),
  ];
  const acts = Array.from({ length: 80 }, () => random.pick(draws)());
  return [...acts, { kind: 'full', isFull: false }];
}

async function answersOf(server: Server, acts: readonly Act[]): Promise<string[]> {
  const { wires } = server;
  const heard: string[] = [];
  wires.messages.onMessage((channel, payload) => heard.push(`${channel} ${payload}`));
  const answers: string[] = [];
  let published = 0;
  for (const act of acts) {
    if (act.kind === 'full') await server.setFull(act.isFull);
    if (act.kind === 'wait') await server.wait(act.ms);
    if (act.kind !== 'command') {
      answers.push(act.kind);
      continue;
    }
    const reply = await server.drive(
      wires.commands.command(act.args).catch((error: unknown) => error as Error),
    );
    if (act.args[0] === 'PUBLISH') published += Number(reply);
    answers.push(wordsOf(reply));
  }
  await server.wait(1);
  await until(() => heard.length >= published, 5_000);
  wires.commands.close();
  wires.messages.close();
  return [...answers, heard.join('; ')];
}

/** A reply as text; of an error only that it was one, of a list the order does not count. */
function wordsOf(reply: Reply | Error): string {
  if (reply instanceof Error) return reply.message.includes('OOM') ? 'refused' : reply.message;
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (Array.isArray(reply)) return `[${reply.map(wordsOf).sort().join(' ')}]`;
  return String(reply);
}

const scriptNames = new Map<string, string>(
  [replaceView, restoreView, retryStep, commitStep, raiseHead, sayChecked].map(({ name, lua }) => [
    lua,
    name,
  ]),
);
function nameOf(act: Act | undefined): string {
  if (act?.kind !== 'command') return act?.kind ?? '';
  const [command = '', second = ''] = act.args.map(String);
  return command === 'EVAL' ? (scriptNames.get(second) ?? '') : command;
}

async function realServer(redis: PrivateRedis, run: string): Promise<Server> {
  const wires = await connectWires(redis.url, run, 'w');
  return {
    wires,
    drive: (work) => work,
    wait: (ms) => sleep(ms),
    async setFull(isFull) {
      await wires.commands.command(['CONFIG', 'SET', 'maxmemory', isFull ? '1' : '0']);
    },
  };
}

async function simulatedServer(run: string): Promise<Server> {
  const world = createWorld(1);
  const weather = { latencyMs: () => 0.1, isPartitioned: () => false, losesNotice: () => false };
  const redis = createSimRedis(world, weather);
  const process = createProcess(world, 'w');
  const connect = async (): Promise<Wires> => {
    const [commands, messages] = [await redis.connect(process), await redis.connect(process)];
    await messages.command(['SUBSCRIBE', keys.inbox(run, 'w')]);
    await messages.command(['SUBSCRIBE', keys.everyone(run)]);
    return { commands, messages, id: String(commands.id) };
  };
  return {
    wires: await driven(world, connect()),
    drive: (work) => driven(world, work),
    wait: (ms) => driven(world, process.clock.sleep(ms)),
    setFull(isFull) {
      redis.refuse(isFull ? full : undefined);
      return Promise.resolve();
    },
  };
}

/** Lets virtual time pass until something has come. */
async function driven<T>(world: World, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  work.then(over, over);
  await world.run(world.nowMs() + 60_000, () => isOver);
  return work;
}
