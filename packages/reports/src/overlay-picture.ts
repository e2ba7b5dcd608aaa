import { sharp } from './libraries.js';
import { escapeHtml } from './html.js';
import {
  checkOverlay,
  drawOutlines,
  greyLevels,
  predictionColor,
  sliceDice,
  truthColor,
  type Pixels,
} from './outline.js';
import type { RunOverlay } from './run-report-input.js';

/** The shorter side of a picture has at least this many pixels. */
const leastSidePx = 384;
const stripPx = 58;

/**
 * A slice with both outlines, true to its pixel aspect, title and legend below, as PNG.
 *
 * @throws Failure('SHAPE_MISMATCH')
 */
export async function overlayPicture(overlay: RunOverlay): Promise<Uint8Array> {
  checkOverlay(overlay);
  const grey = await enlarge(overlay);
  const { width, height, data } = drawOutlines(grey, overlay);
  const raw = { width, height, channels: 3 as const };
  return sharp(data, { raw })
    .extend({ bottom: stripPx, background: '#14181f' })
    .composite([{ input: Buffer.from(strip(overlay, width)), top: height, left: 0 }])
    .removeAlpha()
    .png({ compressionLevel: 9 })
    .toBuffer();
}

async function enlarge(overlay: RunOverlay): Promise<Pixels> {
  const { rows, columns, pixelAspect, image } = overlay;
  const scale = Math.max(1, Math.ceil(leastSidePx / Math.min(columns, rows * pixelAspect)));
  const [width, height] = [columns * scale, Math.round(rows * scale * pixelAspect)];
  const data = await sharp(greyLevels(image), { raw: { width: columns, height: rows, channels: 1 } })
    .resize(width, height, { kernel: 'cubic', fit: 'fill' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
  return { width, height, data: new Uint8Array(data) };
}

function strip(overlay: RunOverlay, width: number): string {
  const dice = sliceDice(overlay);
  const text = `font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="13" fill="#e8ecf2"`;
  const swatch = (x: number, color: string) =>
    `<rect x="${String(x)}" y="40" width="18" height="3" fill="${color}"/>`;
  const verdict = dice === null ? 'no liver in this slice' : `Dice ${dice.toFixed(3)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(stripPx)}">
<text x="12" y="23" ${text} font-weight="bold">${escapeHtml(overlay.title)}</text>
${swatch(12, truthColor.name)}<text x="36" y="46" ${text}>truth</text>
${swatch(90, predictionColor.name)}<text x="114" y="46" ${text}>prediction</text>
<text x="${String(width - 12)}" y="46" text-anchor="end" ${text}>${verdict}</text>
</svg>`;
}
