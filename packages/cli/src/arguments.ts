/** What must be known of the command line before it is parsed. */
export interface Arguments {
  /** The arguments with `help X` written as `X --help`. */
  words: readonly string[];
  json: boolean;
  debug: boolean;
}

export function readArguments(argv: readonly string[]): Arguments {
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
  const end = words.indexOf('--');
  const options = end < 0 ? words : words.slice(0, end);
  return { words, json: options.includes('--json'), debug: options.includes('--debug') };
}
