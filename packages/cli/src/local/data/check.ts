import { counted } from '@lvnet/core';
import { checkDataset, type CheckedCase, type DatasetReport } from '@lvnet/volumes';
import { print, table } from '../../cluster/print.js';

/** Prints the report; the exit code says whether every case can be used. */
export async function checkData(folder: string, { json }: { json?: boolean }): Promise<void> {
  const report = await checkDataset(folder);
  print(json === true, report, () => reportLines(report));
  if (report.problems.length > 0) process.exitCode = 2;
}

function reportLines({ cases, problems, warnings }: DatasetReport): string[] {
  return [
    ...(cases.length === 0 ? [] : table([header, ...cases.map(caseRow)])),
    ...warnings.map((warning) => `warning: case ${warning.case}: ${warning.message}`),
    ...problems.flatMap((problem) => [
      `problem: ${problem.case === null ? '' : `case ${problem.case}: `}${problem.message}`,
      ...(problem.hint === '' ? [] : [`         ${problem.hint}`]),
    ]),
    `${counted(cases.length, 'case')} can be used, ${String(problems.length)} cannot`,
  ];
}

const header = ['case', 'voxels', 'spacing mm', 'axes', 'type', 'HU', 'liver ml', 'tumour voxels'];

const caseRow = (item: CheckedCase): string[] => [
  item.id,
  item.shape.join('x'),
  item.spacingMm.map((mm) => String(Number(mm.toFixed(3)))).join(' x '),
  item.orientation,
  item.datatype,
  `${String(item.minHu)}..${String(item.maxHu)}`,
  item.liverMl?.toFixed(0) ?? 'no label',
  item.tumourVoxels === null ? '-' : String(item.tumourVoxels),
];
