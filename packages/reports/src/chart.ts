import type { EChartsOption } from 'echarts';
import { echarts, sharp } from './libraries.js';
import { html, trusted, type Markup } from './html.js';

/** A drawn chart. Its ink (text, axes) is a placeholder that page and picture replace. */
export interface Chart {
  readonly name: string;
  readonly svg: string;
}

/** The colour of text and axes in a chart's options. */
export const ink = '#010203';
const paper = '#ffffff';
const pictureInk = '#1f2733';

export const palette = {
  blue: '#3d74d6',
  teal: '#1f9d8b',
  violet: '#9a6fc4',
  amber: '#c98a1b',
  rose: '#cc5a76',
  slate: '#7b8798',
} as const;

/** Draws an ECharts option on the server; the same option gives the same text. */
export function drawChart(name: string, option: EChartsOption, widthPx = 920, heightPx = 320): Chart {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: widthPx, height: heightPx });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: fonts, color: ink }, ...option });
    const drawn = chart.renderToSVGString({ useViewBox: true });
    // Hover styles have no use here. Ids must differ between the charts of a page, not between drawings.
    const plain = drawn.replace(/<style[^]*<\/style>/, '').replaceAll(/ class="zr\d+-cls-\d+"/g, '');
    const svg = plain.replaceAll(/\bzr\d+-/g, `${name}-`);
    return { name, svg };
  } finally {
    chart.dispose();
  }
}

/** Inline SVG in the colour of the text around it. */
export function chartOnPage({ svg }: Chart, label: string): Markup {
  const body = svg.replaceAll(ink, 'currentColor').replaceAll(/ ecmeta_[a-z_]+="[^"]*"/g, '');
  const labelled = body.replace('<svg ', `<svg class="chart" role="img" aria-label="${label}" `);
  return html`<div class="scroll">${trusted(labelled)}</div>`;
}

/** PNG on white, twice the chart's size. */
export async function chartPicture({ svg }: Chart): Promise<Uint8Array> {
  const picture = sharp(Buffer.from(svg.replaceAll(ink, pictureInk)), { density: 144 });
  return picture.flatten({ background: paper }).png({ compressionLevel: 9 }).toBuffer();
}

const fonts = 'system-ui, DejaVu Sans, Helvetica, Arial, sans-serif';

/** Axis look shared by all charts: faint grid, no ticks. */
export function axisLook(name: string, gap: number) {
  return {
    name,
    nameLocation: 'middle' as const,
    nameGap: gap,
    nameTextStyle: { color: ink, opacity: 0.7, fontSize: 12 },
    axisLabel: { color: ink, opacity: 0.75, fontSize: 12, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: ink, opacity: 0.35 } },
    axisTick: { show: false },
    splitLine: { show: true, lineStyle: { color: ink, opacity: 0.09 } },
  };
}

export const legendLook = {
  top: 0,
  right: 8,
  itemWidth: 18,
  itemHeight: 3,
  icon: 'rect',
  itemGap: 18,
  textStyle: { color: ink, fontSize: 12 },
};
