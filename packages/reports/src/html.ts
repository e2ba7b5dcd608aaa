/** Text that is HTML already; everything else is escaped where it is put into a page. */
export interface Markup {
  readonly markup: string;
}

export type HtmlValue = string | number | Markup | readonly HtmlValue[] | null | undefined;

/** Template tag for HTML: strings and numbers are escaped, arrays joined, null and undefined left out. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  const markup = strings
    .map((text, index) => (index === 0 ? '' : markupOf(values[index - 1])) + text)
    .join('');
  return { markup };
}

/** Declares a string to be HTML; only for text that this package made itself. */
export const trusted = (markup: string): Markup => ({ markup });

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (letter) => `&#${String(letter.charCodeAt(0))};`);

function markupOf(value: HtmlValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(markupOf).join('\n');
}
