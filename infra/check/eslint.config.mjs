// What every file must keep.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Waiting has one home, so that tests can turn the clock and every wait has a deadline. */
const waiting = 'Use sleep, withDeadline or a Clock of @lvnet/core.';

const shape = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'TSEnumDeclaration', message: 'A union of strings instead of an enum.' },
];

export default defineConfig(
  {
    ignores: ['**/dist/', '**/build/', '**/coverage/', '**/*.d.ts', '.cache/', 'lvnet-demo/', 'lvnet-data/'],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', 'infra/**/*.mjs', 'infra/**/*.cjs'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-restricted-syntax': ['error', ...shape],
      // What comes from outside (env, JSON) keeps its brackets: nobody has checked that name.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // `!` is forbidden, so it cannot be the better style of a cast.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // A cast to a class says that we vouch for it: tfjs hands our backend back under its base class's name.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Loops over voxels and volumes side by side read better with the index.
      '@typescript-eslint/prefer-for-of': 'off',
    },
  },
  {
    files: ['packages/**/*.ts', 'test/**/*.ts', 'dashboards/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', { name: 'setTimeout', message: waiting }],
      'no-restricted-imports': [
        'error',
        { name: 'node:timers/promises', importNames: ['setTimeout'], message: waiting },
        { name: 'node:timers', importNames: ['setTimeout'], message: waiting },
      ],
    },
  },
  {
    files: ['packages/core/src/clock.ts', 'packages/core/src/waiting.ts'],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['packages/**/*.ts', 'test/**/*.ts', 'dashboards/**/*.ts'],
    ignores: ['packages/cli/**'],
    rules: { 'no-console': 'error' },
  },
  {
    // tsc checks these through JSDoc; eslint does not see a cast written there.
    files: ['infra/**/*.mjs', 'infra/**/*.cjs'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    // mocha loads reporters with require, and makes them with new.
    files: ['infra/**/*.cjs'],
    rules: {
      '@typescript-eslint/no-require-imports': 'off',
      '@typescript-eslint/no-extraneous-class': ['error', { allowConstructorOnly: true }],
    },
  },
  {
    // What these tools read is the default export.
    files: ['infra/check/eslint.config.mjs', 'infra/check/dependency-rules.mjs'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
