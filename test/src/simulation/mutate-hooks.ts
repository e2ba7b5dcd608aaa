import type { InitializeHook, LoadHook } from 'node:module';

/** A bug: this text of a compiled file becomes another one. */
export interface Mutation {
  /** The end of the file's path. */
  file: string;
  from: string;
  to: string;
}

let mutations: Mutation[] = [];

export const initialize: InitializeHook<string> = (data) => {
  mutations = JSON.parse(data) as Mutation[];
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const planted = mutations.filter(({ file }) => url.endsWith(file));
  if (planted.length === 0) return loaded;
  let source = Buffer.from(loaded.source as Uint8Array).toString();
  for (const { file, from, to } of planted) {
    if (!source.includes(from)) throw new Error(`${file} has no "${from}"`);
    source = source.replace(from, to);
  }
  return { ...loaded, source };
};
