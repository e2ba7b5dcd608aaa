import { Failure } from '@lvnet/core';

type Container = Record<string, unknown> | unknown[];

/**
 * Sets a value at a path of names and of positions in lists, making mappings where there is nothing; what it
 * changes on the way is copied first.
 *
 * @throws Failure('ARGUMENT_INVALID') for a position that a list does not have
 */
export function setAt(input: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at: Container = input;
  path.forEach((name, depth) => {
    if (Array.isArray(at) && !isPosition(at, name))
      throw noSuchPosition(path.slice(0, depth), name, at.length);
    if (depth === path.length - 1) put(at, name, value);
    else
      at = put(at, name, copyOf(Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined));
  });
}

const isPosition = (list: readonly unknown[], name: string): boolean =>
  /^\d+$/.test(name) && Number(name) < list.length;

const copyOf = (value: unknown): Container => {
  if (Array.isArray(value)) return [...(value as unknown[])];
  return typeof value === 'object' && value !== null ? { ...value } : {};
};

/** As a property of its own, whatever the name: `__proto__` is an unknown field like any other. */
function put<T>(at: Container, name: string, value: T): T {
  Object.defineProperty(at, name, { value, writable: true, enumerable: true, configurable: true });
  return value;
}

function noSuchPosition(path: readonly string[], name: string, length: number): Failure {
  const list = path.join('.');
  return new Failure(
    'ARGUMENT_INVALID',
    { path: list, position: name, length },
    {
      message: `${list} has ${String(length)} values and none at ${name}.`,
      hint: `Positions go from 0 to ${String(length - 1)}.`,
    },
  );
}
