// dependency-cruiser's rules, computed from the workspaces' manifests: package.json is the architecture.
import { readWorkspaces, shared } from './manifests.mjs';

/** Run from the folder whose packages are to be checked. */
const workspaces = readWorkspaces(process.cwd());

const escape = (/** @type {string} */ text) => text.replaceAll('.', '\\.');
const source = (/** @type {{ folder: string }} */ { folder }) => `^${folder}/src/`;
const any = (/** @type {readonly string[]} */ patterns) => `(${patterns.join('|')})`;
const doors = any(workspaces.flatMap((workspace) => workspace.doors).map((path) => `^${escape(path)}$`));
const forTests = '\\.(test|fixture)\\.ts$';

/** @param {readonly import('./manifests.mjs').Workspace[]} targets */
const sources = (targets) => (targets.length === 0 ? '^$' : any(targets.map(source)));

/** Upwards and sideways, whatever a manifest says. */
const layers = workspaces.flatMap((from) => [
  {
    name: 'layer-upward',
    comment: `Layer ${String(from.layer)} knows nothing of the layers above it.`,
    severity: 'error',
    from: { path: source(from) },
    to: { path: sources(workspaces.filter(({ layer }) => layer > from.layer)) },
  },
  {
    name: 'layer-sideways',
    comment: 'Packages of one layer do not know one another.',
    severity: 'error',
    from: { path: source(from) },
    to: { path: sources(workspaces.filter(({ layer, name }) => layer === from.layer && name !== from.name)) },
  },
]);

const unlisted = workspaces.map((from) => ({
  name: 'workspace-unlisted',
  comment: 'A package imports exactly the workspaces that its package.json lists.',
  severity: 'error',
  from: { path: source(from) },
  to: {
    path: sources(
      workspaces.filter(({ layer, name }) => layer < from.layer && !from.workspaces.includes(name)),
    ),
  },
}));

const owned = workspaces.flatMap(({ folder, libraries }) =>
  libraries
    .filter((library) => !shared.includes(library))
    .map((library) => ({
      name: 'library-owner',
      comment: `${library} belongs to ${folder}; others go through it.`,
      severity: 'error',
      from: { path: '^(packages|test|dashboards)/', pathNot: `^${folder}/` },
      to: { path: `node_modules/${escape(library)}/` },
    })),
);

const general = [
  {
    name: 'front-door',
    comment: 'Other packages are imported through the doors that they export only.',
    severity: 'error',
    from: { path: '^packages/([^/]+)/' },
    to: { path: '^packages/', pathNot: ['^packages/$1/', doors] },
  },
  {
    name: 'front-door',
    comment: 'Packages are imported through the doors that they export only.',
    severity: 'error',
    from: { path: '^(test|dashboards)/' },
    to: { path: '^packages/', pathNot: doors },
  },
  {
    name: 'no-cycle',
    comment: 'What needs one another belongs into one file.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  {
    name: 'not-resolvable',
    comment: 'The import leads nowhere, or behind a package’s front door.',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'library-unlisted',
    comment: 'A library is imported by the package that lists it.',
    severity: 'error',
    from: { path: '^packages/' },
    to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'undetermined'], pathNot: '^packages/' },
  },
  {
    name: 'test-only',
    comment: 'What ships knows nothing of tests and their support.',
    severity: 'error',
    from: { path: '^packages/', pathNot: forTests },
    to: { path: any([forTests, '^test/']) },
  },
  {
    name: 'test-only',
    comment: 'What ships needs no development tool.',
    severity: 'error',
    from: { path: '^packages/', pathNot: forTests },
    to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
  },
];

/** @type {import('dependency-cruiser').IConfiguration} */
const configuration = {
  forbidden: /** @type {import('dependency-cruiser').IForbiddenRuleType[]} */ ([
    ...layers,
    ...unlisted,
    ...owned,
    ...general,
  ]),
  options: {
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    doNotFollow: { path: 'node_modules' },
    // Anchored: libraries have a dist of their own, and rules about them must see it.
    exclude: { path: '^(packages/[^/]+|test|dashboards)/dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'types', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};

// dependency-cruiser wants a default export.
export default configuration;
