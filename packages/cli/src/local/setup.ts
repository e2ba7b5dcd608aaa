import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Failure } from '@lvnet/core';
import { print, say } from '../cluster/print.js';

const root = new URL('../../../../', import.meta.url);

export interface SetupFlags {
  cuda?: boolean;
  version?: string;
  json?: boolean;
}

/** Installs what is not there yet; what there is now, in words. */
type Install = (
  o: { root: string; log: (text: string) => void } & Pick<SetupFlags, 'cuda' | 'version'>,
) => Promise<string>;

const installers: Readonly<Record<string, { module: string; name: string }>> = {
  redis: { module: 'infra/setup/redis.mjs', name: 'installRedis' },
  s3: { module: 'infra/setup/s3.mjs', name: 'installS3' },
  tensorflow: { module: 'infra/setup/tensorflow.mjs', name: 'installTensorFlow' },
};

/** The set-up's own installers: plain scripts, since they must run before anything is compiled. */
export async function installPart(part: string, { json, ...choice }: SetupFlags): Promise<void> {
  checkChoice(part, choice);
  const installer = installers[part];
  if (installer === undefined) throw absent(part);
  const url = new URL(installer.module, root);
  if (!existsSync(url)) throw absent(installer.module);
  const module = (await import(url.href)) as Record<string, Install | undefined>;
  const install = module[installer.name];
  if (install === undefined) throw absent(`${installer.name} in ${installer.module}`);
  const installed = await install({ root: fileURLToPath(root), log: say, ...choice }).catch(
    (error: unknown) => {
      throw asFailureOf(part, error);
    },
  );
  print(json === true, { part, installed }, () => [`${part}: ${installed}`]);
}

/** @throws Failure('ARGUMENT_INVALID') for options that the part does not have, or no version */
function checkChoice(part: string, { cuda, version }: Omit<SetupFlags, 'json'>): void {
  const refuse = (message: string, hint: string) => {
    throw new Failure('ARGUMENT_INVALID', { part, version: version ?? null }, { message, hint });
  };
  if (part !== 'tensorflow' && (cuda !== undefined || version !== undefined))
    refuse(`--cuda and --version belong to tensorflow, not to ${part}.`, 'Leave them out.');
  if (version !== undefined && !/^2\.\d+\.\d+$/.test(version))
    refuse(`${version} is no version of TensorFlow 2.`, 'Give one with three numbers, as 2.20.0.');
}

/** The scripts throw errors of their own, with a hint and the last lines of a program that failed. */
function asFailureOf(part: string, error: unknown): unknown {
  const { message, hint, output } = error as { message?: unknown; hint?: unknown; output?: unknown };
  if (typeof message !== 'string' || typeof hint !== 'string') return error;
  if (typeof output === 'string' && output !== '') say(output);
  return new Failure('TOOL_MISSING', { part, output: output ?? null }, { message, hint, cause: error });
}

function absent(what: string): Failure {
  const message = `${what} is not there: it belongs to a clone of the repository.`;
  return new Failure('SETUP_INCOMPLETE', { what }, { message, hint: 'Run it in a whole clone of lvnet.' });
}
