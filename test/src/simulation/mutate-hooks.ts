import type { InitializeHook, LoadHook } from 'node:module';

/** A bug: this text of a compiled file becomes another one. */
export interface Mutation {
  /** The end of the file's path. */
  file: string;
  from: string;
  to: string;
}

let mutation: Mutation | undefined;

export const initialize: InitializeHook<string> = (data) => {
  mutation = JSON.parse(data) as Mutation;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (mutation === undefined || !url.endsWith(mutation.file)) return loaded;
  const source = Buffer.from(loaded.source as Uint8Array).toString();
  if (!source.includes(mutation.from)) throw new Error(`${mutation.file} has no "${mutation.from}"`);
  return { ...loaded, source: source.replace(mutation.from, mutation.to) };
};
