/** A test as its file wrote it, ready to be called again and again. */
export interface CapturedTest {
  title: string;
  /** Throws where it fails. */
  run: () => void;
}

type Body = (this: unknown) => void;

/** Of mocha's context only what these files use. */
const context = {
  timeout: () => undefined,
  skip: () => {
    throw new Error('a test that skips itself judges nothing');
  },
};

/** Loads test files a second time and takes their (synchronous) tests instead of handing them to mocha. */
export async function captureTests(files: readonly string[]): Promise<CapturedTest[]> {
  const tests: CapturedTest[] = [];
  const own = {
    describe: (_title: string, body: Body) => {
      body.call(context);
    },
    it: (title: string, body: Body) =>
      tests.push({
        title,
        run: () => {
          body.call(context);
        },
      }),
    before: (body: Body) => prepared.push(body),
  };
  const prepared: Body[] = [];
  const mocha = globalThis as unknown as Record<keyof typeof own, unknown>;
  const { describe, it, before } = mocha;
  Object.assign(mocha, own);
  try {
    for (const file of files) await import(`${new URL(file, import.meta.url).href}?captured`);
  } finally {
    Object.assign(mocha, { describe, it, before });
  }
  for (const body of prepared) body.call(context);
  return tests;
}
