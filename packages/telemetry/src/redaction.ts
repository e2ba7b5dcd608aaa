const MASK = '***';
const SECRET_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'LVNET_TOKEN'];
const URL_VARIABLES = ['LVNET_REDIS_URL', 'LVNET_TENSOR_REDIS_URL', 'LVNET_STORE', 'AWS_ENDPOINT_URL'];
/** Shorter values would blank half of every line; their fields are still masked by name. */
const SHORTEST_SECRET = 6;

/** scheme://user:password@ up to the last @ before the path. */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"\\]*):[^\s/"\\]+@/gi;
/** A JSON member whose name says that its value is secret. */
const SECRET_MEMBER =
  /("(?:AWS_[A-Z_]*(?:KEY|TOKEN)[A-Z_]*|[A-Za-z_-]*(?:password|passwd|secret|token|authorization)[A-Za-z_-]*)":)"(?:[^"\\]|\\.)*"/gi;

/**
 * A function that masks secrets in a serialised log line: passwords in URLs, members with telling names,
 * and the values of the process's own secret variables wherever they occur.
 */
export function lineRedactor(env: NodeJS.ProcessEnv): (line: string) => string {
  const values = secretValues(env).map((value) => JSON.stringify(value).slice(1, -1));
  return (line) => {
    let result = line.replace(URL_PASSWORD, `$1:${MASK}@`).replace(SECRET_MEMBER, `$1"${MASK}"`);
    for (const value of values) result = result.replaceAll(value, MASK);
    return result;
  };
}

function secretValues(env: NodeJS.ProcessEnv): string[] {
  const values = SECRET_VARIABLES.map((name) => env[name] ?? '');
  for (const name of URL_VARIABLES) {
    const password = passwordOf(env[name] ?? '');
    values.push(password, decoded(password));
  }
  return [...new Set(values)].filter((value) => value.length >= SHORTEST_SECRET);
}

function passwordOf(text: string): string {
  return URL.canParse(text) ? new URL(text).password : '';
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
